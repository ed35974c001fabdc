/**
 * A row, read and locked to the end of the transaction: the lock that needs no other store, where all who write go
 * through one database.
 *
 * SQLite has no row locks: there it takes the one write lock of the file, which BEGIN IMMEDIATE would have taken, and
 * how long it waits for that is the connection's busy_timeout.
 */
import { systemClock } from '../base/clock.ts'
import { humanMs, milliseconds } from '../base/duration.ts'
import type { Duration } from '../base/duration.ts'
import { WaitTimeoutError } from '../base/errors.ts'
import { explained } from './failures.ts'
import { execute, FOR_UPDATE, rowsOf, statement } from './statement.ts'
import type { Dialect, SqlTransaction, Statement, Where } from './transaction.ts'

export interface RowLock {
  readonly table: string
  readonly where: Where
  /** 'share': others may read with a lock too, and nobody may write. Default 'update'. */
  readonly mode?: 'update' | 'share'
  /**
   * How long it may wait for the row; 0: not at all. Default: as long as the database lets it. MySQL and MariaDB count
   * in whole seconds, from one up. SQLite does not wait here: see `busy_timeout`.
   */
  readonly wait?: Duration
}

const NOWAIT = ' NOWAIT'
const MYSQL_LONGEST_S = 2 ** 30
// MariaDB has no FOR SHARE, and MySQL no way not to wait with the older words.
const FOR_SHARE: Readonly<Record<Dialect, string>> = {
  postgres: ' FOR SHARE',
  mysql: ' LOCK IN SHARE MODE',
  sqlite: '',
}

/**
 * The row, locked until the transaction ends; null: there is no such row, and nothing is locked.
 * @throws WaitTimeoutError  it stayed locked by another transaction: roll back
 * @throws ConfigurationError  a table or column that is not there
 * @example
 * ```ts
 * import { lockRow } from 'holdfast/sql'
 *
 * const account = await lockRow(tx, { table: 'account', where: { id: 7 }, wait: '2s' })
 * if (account !== null) await writeInvoice(account['balance'])
 * ```
 */
export async function lockRow(tx: SqlTransaction, row: RowLock): Promise<Record<string, unknown> | null> {
  const { table, wait } = row
  const waitMs = wait === undefined ? null : milliseconds(wait, 'wait', { infinite: true })
  const read = lockRowStatement(tx.dialect, row)
  const startedAt = systemClock.now()
  const work = async (): Promise<Record<string, unknown> | null> => {
    if (tx.dialect === 'sqlite') await lockFile(tx, table)
    const ownLimit = waitMs === null || tx.dialect === 'sqlite' || read.text.endsWith(NOWAIT)
    const [found] = await (ownLimit ? rowsOf(tx, read) : limited(tx, waitMs, () => rowsOf(tx, read)))
    return found ?? null
  }
  try {
    return await explained({ table, advice: 'Name a table and columns that are there.' }, work)
  } catch (error) {
    if (!(error instanceof WaitTimeoutError)) throw error
    const waitedMs = systemClock.now() - startedAt
    const message = `The row of "${table}" was still locked after ${humanMs(waitedMs)}. Roll back, and try again later.`
    throw new WaitTimeoutError(message, { waitedMs, cause: error.cause })
  }
}

/** The statement that reads and locks, for a client of your own; of `wait` it knows only 0. */
export function lockRowStatement(dialect: Dialect, row: RowLock): Statement {
  const { table, where, mode = 'update', wait } = row
  const ending = mode === 'share' ? FOR_SHARE[dialect] : FOR_UPDATE[dialect]
  const atOnce = wait !== undefined && milliseconds(wait, 'wait', { infinite: true }) === 0
  const noWait = atOnce && (dialect === 'postgres' || (dialect === 'mysql' && mode === 'update')) ? NOWAIT : ''
  return statement(dialect, pen => `SELECT * FROM ${pen.name(table)} WHERE ${pen.where(where)}${ending}${noWait}`)
}

/** Writes nothing, but as a writer. */
function lockFile(tx: SqlTransaction, table: string): Promise<number> {
  return execute(
    tx,
    statement('sqlite', pen => `DELETE FROM ${pen.name(table)} WHERE 0`),
  )
}

/** With the database's own limit for waits set to this one, and back. */
async function limited<T>(tx: SqlTransaction, waitMs: number, work: () => Promise<T>): Promise<T> {
  const { get, set, from } = LIMITS[tx.dialect === 'postgres' ? 'postgres' : 'mysql']
  const [settings] = await tx.rows(get, [])
  await tx.execute(set, [from(waitMs)])
  const back = (): Promise<unknown> => tx.execute(set, [settings?.['earlier']])
  try {
    const value = await work()
    await back()
    return value
  } catch (error) {
    // PostgreSQL runs nothing more in this transaction, and forgets the setting with it.
    if (tx.dialect === 'mysql') await back().catch(() => undefined)
    throw error
  }
}

const LIMITS = {
  postgres: {
    get: "SELECT current_setting('lock_timeout') AS earlier",
    set: "SELECT set_config('lock_timeout', $1, true)",
    // 0: no limit.
    from: (ms: number) => (ms === Infinity ? '0' : `${Math.ceil(ms)}ms`),
  },
  mysql: {
    get: 'SELECT @@SESSION.innodb_lock_wait_timeout AS earlier',
    set: 'SET SESSION innodb_lock_wait_timeout = CAST(? AS UNSIGNED)',
    from: (ms: number) => Math.min(Math.max(1, Math.ceil(ms / 1_000)), MYSQL_LONGEST_S),
  },
} as const
