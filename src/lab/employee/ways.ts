/**
 * Four ways to change a row that others change too. All do the same: read the employee, think, write one more than the
 * salary that was read. Right means that the version written is exactly one above the version read: nobody was in
 * between.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Locks } from '../../locks/types.ts'
import { hostNow } from '../host-time.ts'
import type { EmployeeData } from './data.ts'

export const WAYS = ['none', 'mutex', 'row-lock', 'version'] as const
export type Way = (typeof WAYS)[number]

/** The ways that keep the data right, and so are worth measuring. */
export const REPAIRED: readonly Way[] = ['mutex', 'row-lock', 'version']

export const DESCRIPTIONS: Readonly<Record<Way, string>> = {
  none: 'nobody takes turns',
  mutex: 'read and update under a distributed lock',
  'row-lock': 'read and update in a transaction that locks the row first',
  version: 'update only if the row is still at the version that was read',
}

/** One mutation as it went. Instants are of the host's clock, the same for all workers. */
export interface Mutation {
  readonly startedAt: number
  /** It has the lock, or needs none. */
  readonly admittedAt: number
  readonly readAt: number
  readonly wroteAt: number
  readonly endedAt: number
  readonly read: number
  /** The version after the write; null: refused, since the row had moved on. */
  readonly written: number | null
}

/** A mark in the journal, at the moment at which it happened. */
export type Mark = (type: 'read' | 'wrote' | 'refused', version: number) => void

export interface Means {
  readonly data: EmployeeData
  readonly locks: Locks
  readonly key: string
  readonly mark: Mark
  readonly thinkMs: number
  /** Take the protection away under the same name, to prove that the experiment notices. For `none`: put one in. */
  readonly sabotaged: boolean
}

/** One mutation, done in the given way. `signal` gives up waiting for a lock. */
export async function mutate(way: Way, means: Means, signal: AbortSignal): Promise<Mutation> {
  const { data, locks, key, sabotaged } = means
  const startedAt = hostNow()
  let done: Omit<Mutation, 'startedAt' | 'endedAt'> | undefined
  const work = async (): Promise<void> => {
    done = await readThinkWrite(means, way === 'version' && !sabotaged)
  }
  if (way === 'mutex' && !sabotaged) await locks.run(key, { signal }, work)
  else if (sabotaged ? way === 'none' : way === 'row-lock') await data.locked(work, signal)
  else await work()
  if (done === undefined) throw new Error('The mutation was never run.')
  return { startedAt, ...done, endedAt: hostNow() }
}

async function readThinkWrite(
  { data, mark, thinkMs }: Means,
  checked: boolean,
): Promise<Omit<Mutation, 'startedAt' | 'endedAt'>> {
  const admittedAt = hostNow()
  const employee = await data.read()
  const readAt = hostNow()
  mark('read', employee.version)
  await sleep(systemClock, thinkMs)
  const written = await (checked ? data.write(employee.salary + 1, employee.version) : data.write(employee.salary + 1))
  const wroteAt = hostNow()
  mark(written === null ? 'refused' : 'wrote', written ?? employee.version)
  return { admittedAt, readAt, wroteAt, read: employee.version, written }
}
