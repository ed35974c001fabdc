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

/** @throws ConfigurationError  a file cannot be read */
export function readJournals(paths: readonly string[]): MergedJournal {
  const lines = paths.flatMap(path => readText(path).split('\n')).filter(line => line !== '')
  const entries = lines.map(parse).filter(entry => entry !== undefined)
  const byWallClock = new Set(entries.map(entry => entry.boot)).size > 1
  const timed = entries.map(entry => ({ ...entry, ms: byWallClock ? entry.wall : entry.at }))
  return { entries: timed.toSorted((a, b) => a.ms - b.ms), byWallClock, unreadable: lines.length - entries.length }
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
  const has = (name: string, type: string): boolean => typeof Reflect.get(value, name) === type
  return (
    has('at', 'number') &&
    has('wall', 'number') &&
    has('boot', 'string') &&
    has('holder', 'string') &&
    has('type', 'string')
  )
}
