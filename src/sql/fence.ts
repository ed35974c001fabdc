/**
 * Fencing, where the data is: the transaction of a writer that lost its lease fails, whatever that writer believes.
 *
 * A token that is checked on write alone loses updates: a stale writer still passes if the new holder has read but not
 * yet written. So the resource is RAISED to the token by the first statement of the transaction, before any read. The
 * row's lock lasts to the commit, so two writers are in order from there on, at READ COMMITTED too.
 *
 * Judged by reading the row back under that lock, never by an affected count, which drivers count differently (MySQL
 * says 0 for an equal token). After: Kleppmann, "How to do distributed locking", 2016.
 */
import { ConfigurationError, StaleTokenError, UnsupportedError } from '../base/errors.ts'
import { publish } from '../core/events.ts'
import { explained } from './failures.ts'
import { adviceOf, FENCES } from './schema.ts'
import { execute, FOR_UPDATE, integerOf, NOW, rowsOf, statement } from './statement.ts'
import { storable } from './storable.ts'
import type { Dialect, Fencing, SqlTransaction, Statement } from './transaction.ts'

export interface FenceOptions {
  /** What is protected, if not what the key names. */
  readonly resource?: string
  /** Made as `schema()` makes `holdfast_fences`. */
  readonly table?: string
}

/** The two statements of a fence, in this order, first in the transaction; then `judge` what `read` gave. */
export interface FenceStatements {
  readonly raise: Statement
  readonly read: Statement
  /** @throws StaleTokenError  roll back | ConfigurationError  the table did not keep the token */
  judge(rows: readonly Record<string, unknown>[]): void
}

/**
 * Raises `resource` (default: the lease's key) to the lease's token. Call it FIRST in the transaction, before any read.
 * An equal token passes, so one holder may write many times. One resource belongs to one key of one store: tokens of
 * different stores do not compare. While another transaction has raised it and not yet committed, it waits as long as
 * the database lets it.
 * @throws StaleTokenError  a newer token was here: roll back
 * @throws WaitTimeoutError  the other transaction outlived the database's limit for row locks: roll back
 * @throws UnsupportedError  a shared lease (no single number tells live from stale among several holders), or a store
 * without tokens
 * @throws ConfigurationError  the table is missing, or is not as `schema()` makes it
 * @example
 * ```ts
 * import { fence } from 'holdfast/sql'
 *
 * await fence(tx, lease) // first, before any read
 * await tx.execute('UPDATE account SET balance = balance - ? WHERE id = ?', [20, '7'])
 * ```
 */
export async function fence(tx: SqlTransaction, lease: Fencing, options: FenceOptions = {}): Promise<void> {
  const { raise, read, judge } = fenceStatements(tx.dialect, lease, options)
  const table = options.table ?? FENCES
  const rows = await explained({ table, advice: adviceOf(tx.dialect) }, async () => {
    await execute(tx, raise)
    return rowsOf(tx, read)
  })
  judge(rows)
}

/**
 * What `fence` does, for a client of your own.
 * @throws UnsupportedError  a shared lease, or a store without tokens
 */
export function fenceStatements(dialect: Dialect, lease: Fencing, options: FenceOptions = {}): FenceStatements {
  const { key, token } = fencing(lease)
  const { resource = key, table = FENCES } = options
  const name = storable(resource)
  return {
    raise: statement(dialect, pen => {
      const values = `(${pen.value(name)}, ${pen.integer(token)}, ${NOW[dialect]})`
      const insert = (alias: string): string =>
        `INSERT INTO ${pen.name(table)}${alias} (resource, token, raised_at) VALUES ${values}`
      switch (dialect) {
        case 'postgres':
          return `${insert(' AS f')} ON CONFLICT (resource) DO UPDATE SET token = GREATEST(COALESCE(f.token, 0), excluded.token), raised_at = excluded.raised_at`
        case 'mysql':
          return `${insert('')} ON DUPLICATE KEY UPDATE token = GREATEST(COALESCE(CAST(token AS SIGNED), 0), ${pen.integer(token)}), raised_at = ${NOW.mysql}`
        case 'sqlite':
          return `${insert('')} ON CONFLICT (resource) DO UPDATE SET token = max(COALESCE(token, 0), excluded.token), raised_at = excluded.raised_at`
      }
    }),
    // MySQL counts an equal token as no change, and a plain SELECT may then read an older snapshot.
    read: statement(
      dialect,
      pen =>
        `SELECT token AS token FROM ${pen.name(table)} WHERE ${pen.where({ resource: name })}${FOR_UPDATE[dialect]}`,
    ),
    judge: rows => {
      const newest = raised(dialect, rows, { table, token })
      refuseStale({ key, token }, { resource, newest })
    },
  }
}

/** What cannot be compared (in a column of text 950 sorts after 1000) must not pass for a raised token. */
function raised(
  dialect: Dialect,
  rows: readonly Record<string, unknown>[],
  { table, token }: { readonly table: string; readonly token: number },
): number {
  const found = rows[0]?.['token']
  const newest = integerOf(found, dialect)
  if (rows.length === 1 && newest !== null && newest >= token) return newest
  const kept = rows.length > 1 ? `${rows.length} rows of one resource` : JSON.stringify(String(found))
  throw new ConfigurationError(
    `The table "${table}" did not keep token ${token} but ${kept}, so it cannot fence. ` +
      `Its column token must be an integer, and resource its primary key. ${adviceOf(dialect)}`,
  )
}

/** The lease, if it can fence. @throws UnsupportedError */
export function fencing({ key, token, mode = 'exclusive' }: Fencing): { readonly key: string; readonly token: number } {
  if (mode === 'shared')
    throw new UnsupportedError(
      `The lease of "${key}" is shared, and no single token tells live from stale among shared leases. ` +
        'Use a row lock, or a version per item.',
      { key },
    )
  if (!Number.isSafeInteger(token) || token <= 0)
    throw new UnsupportedError(
      `Token ${token} of "${key}" cannot fence: this store gives no tokens. ` +
        'Use another store, or a version per row.',
      { key },
    )
  return { key, token }
}

/** Tells that a write passed or was refused. @throws StaleTokenError */
export function refuseStale(
  { key, token }: { readonly key: string; readonly token: number },
  { resource, newest }: { readonly resource: string; readonly newest: number },
): void {
  publish({ type: newest > token ? 'stale' : 'fenced', resource, token, newest })
  if (newest <= token) return
  throw new StaleTokenError(
    `Token ${token} is too old for "${resource}", which has seen ${newest}: the lease of "${key}" was lost. Roll back.`,
    { key, resource, token, newest },
  )
}
