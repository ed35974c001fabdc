/** Reads journals (write.ts) of several processes, as one in order of time. */
import { readFileSync } from 'node:fs'
import { ConfigurationError } from '../base/errors.ts'

export interface JournalEntry {
  /** Milliseconds of the host's monotonic clock. */
  readonly at: number
  /** Milliseconds since 1970, as the host believed. */
  readonly wall: number
  /** Names the clock that `at` is of. */
  readonly boot: string
  readonly holder: string
  /** An event's type, or a mark: read, wrote, committed, confirmed, refused. */
  readonly type: string
  readonly key?: string
  readonly token?: number
  readonly [detail: string]: unknown
}

/** The journals of several processes as one, in order of time. */
export interface MergedJournal {
  readonly entries: readonly (JournalEntry & { readonly ms: number })[]
  /** More than one host (or boot): entries of different hosts are in order only as far as their wall clocks agree. */
  readonly byWallClock: boolean
  /** Lines that are not entries, such as one cut short by a kill. */
  readonly unreadable: number
}

/** @throws ConfigurationError  a file cannot be read, or is no journal */
export function readJournals(paths: readonly string[]): MergedJournal {
  const files = paths.map(readFile)
  const entries = files.flatMap(file => file.entries)
  const byWallClock = new Set(entries.map(entry => entry.boot)).size > 1
  const timed = entries.map(entry => ({ ...entry, ms: byWallClock ? entry.wall : entry.at }))
  return {
    entries: timed.toSorted((a, b) => a.ms - b.ms),
    byWallClock,
    unreadable: files.reduce((sum, file) => sum + file.unreadable, 0),
  }
}

function readFile(path: string): Pick<MergedJournal, 'unreadable'> & { readonly entries: readonly JournalEntry[] } {
  const lines = readText(path)
    .split('\n')
    .filter(line => line !== '')
  const entries = lines.map(parse).filter(entry => entry !== undefined)
  // One line may have been cut short by a kill, before anything else was written.
  if (entries.length === 0 && lines.length > 1)
    throw new ConfigurationError(
      `"${path}" is no journal: none of its ${lines.length} lines is an entry. Journals are what the option journal of the library writes.`,
    )
  return { entries, unreadable: lines.length - entries.length }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigurationError(
      `The journal "${path}" cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

function parse(line: string): JournalEntry | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isEntry(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is JournalEntry {
  if (typeof value !== 'object' || value === null) return false
  const field = (name: string): unknown => Reflect.get(value, name)
  const may = (name: string, type: string): boolean => field(name) === undefined || typeof field(name) === type
  return (
    ['at', 'wall'].every(name => Number.isFinite(field(name))) &&
    ['boot', 'holder', 'type'].every(name => typeof field(name) === 'string') &&
    may('key', 'string') &&
    may('token', 'number')
  )
}
