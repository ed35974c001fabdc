/** The options of `holdfast lab employee`, checked. */
import { ConfigurationError } from '../../base/errors.ts'
import type { Given, OptionSpec } from '../experiment.ts'
import { choiceOf, durationOf, optionalText, textOf } from '../given.ts'
import { WAYS } from './ways.ts'
import type { Way } from './ways.ts'

export interface Settings {
  readonly workers: number
  readonly durationMs: number
  readonly intervalMs: number
  readonly thinkMs: number
  /** null: a file of this run's own. */
  readonly store: string | null
  readonly db: string | null
  readonly ways: readonly Way[]
  /** A folder for a journal of each worker. */
  readonly journal: string | null
  readonly sabotage: Way | null
}

export const OPTIONS: readonly OptionSpec[] = [
  { flags: '--workers <n>', description: 'worker processes, 2 to 64', default: '2' },
  { flags: '--duration <duration>', description: 'length of each round', default: '10s' },
  {
    flags: '--interval <duration>',
    description: 'time between two ticks; at each tick every worker makes one update',
    default: '1s',
  },
  { flags: '--think <duration>', description: 'time between reading the row and updating it', default: '15ms' },
  { flags: '--store <url>', description: 'store of the mutex (default: a SQLite file of its own)' },
  { flags: '--db <url>', description: 'database of the row (default: a SQLite file of its own)' },
  { flags: '--ways <list>', description: `which ways, of ${WAYS.join(',')}`, default: WAYS.join(',') },
  { flags: '--journal <folder>', description: 'write the journal of each worker there, for holdfast timeline' },
  {
    flags: '--sabotage <way>',
    description: 'take the protection of one way out, to see that the experiment notices',
    hidden: true,
  },
]

/** Of 64 processes each is still alive on a small machine; more measure the machine, not the ways. */
const MOST_WORKERS = 64
const DAY_MS = 86_400_000

/** @throws ConfigurationError  naming the option */
export function settingsOf(given: Given): Settings {
  const intervalMs = durationOf(given, 'interval', { min: 1, max: DAY_MS })
  const durationMs = durationOf(given, 'duration', { min: 1, max: DAY_MS })
  if (durationMs < intervalMs)
    throw new ConfigurationError('--duration must be at least as long as --interval: a round needs a tick.')
  return {
    workers: workersOf(textOf(given, 'workers')),
    durationMs,
    intervalMs,
    thinkMs: durationOf(given, 'think', { max: 60_000 }),
    store: storeOf(optionalText(given, 'store')),
    db: optionalText(given, 'db'),
    ways: waysOf(textOf(given, 'ways')),
    journal: optionalText(given, 'journal'),
    sabotage: choiceOf(given, 'sabotage', WAYS),
  }
}

function workersOf(text: string): number {
  const workers = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (workers >= 2 && workers <= MOST_WORKERS) return workers
  const why = workers === 1 ? ' One worker alone has nobody to collide with.' : ''
  throw new ConfigurationError(`--workers must be a whole number from 2 to ${MOST_WORKERS}, not "${text}".${why}`)
}

function storeOf(address: string | null): string | null {
  if (address !== null && /^memory:/i.test(address)) {
    throw new ConfigurationError(
      '--store memory: cannot cross processes, and the workers are processes. Leave it out for a SQLite file, or name a server.',
    )
  }
  return address
}

function waysOf(text: string): readonly Way[] {
  const names = text.split(',').map(name => name.trim())
  return [...new Set(names.map(wayOf))]
}

function wayOf(name: string): Way {
  const way = WAYS.find(candidate => candidate === name)
  if (way === undefined) throw new ConfigurationError(`--ways: "${name}" is none of ${WAYS.join(', ')}.`)
  return way
}
