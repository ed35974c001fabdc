/**
 * The lock of "Distributed Locks - Naive", as it is written there: a row for each lock that is taken, under a unique
 * name, with its owner and the time at which it ends. To lock is to insert, to unlock is to delete. The end is a time
 * of the client's own clock, and only a sweeper that runs now and then removes what is over: an index with a time to
 * live does that in MongoDB, once a minute.
 */
import { hostClock, sleep } from '../base/clock.ts'
import type { SqlTransaction } from '../sql/transaction.ts'
import type { Connection } from './database.ts'
import type { Stage, Turn } from './declaration.ts'
import { createTable, insertNew, tableNamed } from './tables.ts'

/** How often somebody who finds a lock taken looks again, and removes what is over. */
const POLL_MS = 10

const NAME = 'locks'
const TABLE = tableNamed(NAME)

export interface Row {
  readonly name: string
  readonly holder: string
  /** Milliseconds since 1970, kept as whole ones, by the clock of whoever locks. null: it never ends. */
  readonly expiresAt: number | null
}

export const lockTable = {
  async create(stage: Pick<Stage<unknown>, 'use'>, on: Connection): Promise<void> {
    const columns = 'resource_name VARCHAR(200) PRIMARY KEY, lock_owner VARCHAR(200) NOT NULL, expires_at BIGINT'
    await createTable(stage, on, { name: NAME, columns })
  },

  /** false: somebody has it. */
  async lock(on: SqlTransaction, { name, holder, expiresAt }: Row): Promise<boolean> {
    return insertNew(on, { table: TABLE, row: [name, holder, expiresAt === null ? null : Math.ceil(expiresAt)] })
  },

  /** true: a row was removed, whosever it was; with `holder` only one of that holder. */
  async unlock(on: SqlTransaction, { name, holder }: { readonly name: string; readonly holder?: string }) {
    const whose = holder === undefined ? '' : ' AND lock_owner = ?'
    const values = holder === undefined ? [name] : [name, holder]
    return (await on.execute(`DELETE FROM ${TABLE} WHERE resource_name = ?${whose}`, values)) > 0
  },

  async clear(on: SqlTransaction): Promise<void> {
    await on.execute(`DELETE FROM ${TABLE}`, [])
  },

  /** Removes what is over at `now`. How many. */
  async sweep(on: SqlTransaction, now: number): Promise<number> {
    return on.execute(`DELETE FROM ${TABLE} WHERE expires_at <= ?`, [Math.floor(now)])
  },
}

export interface TableSection {
  readonly turn: Turn<unknown>
  readonly connection: Connection
  readonly holder: string
  readonly ttlMs: number
}

/** A section under such a lock, told act by act. It is over after `ttlMs`, whether the task is or not. */
export async function underTableLock<Answer>(
  { turn, connection, holder, ttlMs }: TableSection,
  task: () => Promise<Answer>,
): Promise<Answer> {
  const { key: name } = turn
  turn.act('asks')
  while (!(await lockTable.lock(connection, { name, holder, expiresAt: hostClock.wall() + ttlMs }))) {
    await sleep(hostClock, POLL_MS, { signal: turn.signal })
    await lockTable.sweep(connection, hostClock.wall())
  }
  turn.act('holds', { forMs: ttlMs })
  const answer = await task()
  await lockTable.unlock(connection, { name })
  turn.act('leaves')
  return answer
}
