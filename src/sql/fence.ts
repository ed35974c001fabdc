/**
 * Fencing, where the data is: the transaction of a writer that lost its lease fails, whatever that writer believes.
 *
 * A token that is checked on write alone loses updates: a stale writer still passes if the new holder has read but not
 * yet written. So the resource is RAISED to the token by the first statement of the transaction, before any read. The
 * row's lock lasts to the commit, so two writers are in order from there on.
 *
 * Judged by reading the row back under that lock, never by an affected count, which drivers count differently.
 * After: Kleppmann, "How to do distributed locking", 2016.
 */
import { ConfigurationError, StaleTokenError, UnsupportedError } from '../base/errors.ts'
import { publish } from '../core/events.ts'
import { FENCES, identifier, refuseOtherDialects } from './schema.ts'
import type { Fencing, SqlTransaction } from './transaction.ts'

const ESCAPED = 'json:'

/**
 * Raises `resource` (default: the lease's key) to the lease's token. Call it FIRST in the transaction, before any read.
 * An equal token passes, so one holder may write many times. One resource belongs to one key of one store: tokens of
 * different stores do not compare.
 * @throws StaleTokenError  a newer token was here: roll back
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
export async function fence(
  tx: SqlTransaction,
  lease: Fencing,
  options: { readonly resource?: string; readonly table?: string } = {},
): Promise<void> {
  const { key, token, mode = 'exclusive' } = lease
  const { resource = key, table = FENCES } = options
  refuseOtherDialects(tx.dialect)
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

  const newest = await raise(tx, identifier(table), resource, token)
  publish({ type: newest > token ? 'stale' : 'fenced', resource, token, newest })
  if (newest > token) {
    throw new StaleTokenError(
      `Token ${token} is too old for "${resource}", which has seen ${newest}: ` +
        `the lease of "${key}" was lost. Roll back.`,
      {
        key,
        resource,
        token,
        newest,
      },
    )
  }
}

async function raise(tx: SqlTransaction, table: string, resource: string, token: number): Promise<number> {
  const name = storable(resource)
  const now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
  try {
    await tx.execute(
      `INSERT INTO ${table} (resource, token, raised_at) VALUES (?, ?, ${now})
       ON CONFLICT (resource) DO UPDATE SET token = max(token, excluded.token), raised_at = excluded.raised_at`,
      [name, token],
    )
    const [row] = await tx.rows(`SELECT token FROM ${table} WHERE resource = ?`, [name])
    return raised(row?.['token'], token, table)
  } catch (cause) {
    if (cause instanceof Error && /no such table/i.test(cause.message)) {
      throw new ConfigurationError(
        `The table ${table} is missing. Add schema('sqlite') of holdfast/sql to your migrations.`,
        { cause },
      )
    }
    throw cause
  }
}

/** What cannot be compared (a column of text sorts 950 after 1000) must not pass for a raised token. */
function raised(found: unknown, token: number, table: string): number {
  const newest = typeof found === 'bigint' ? Number(found) : found
  if (typeof newest === 'number' && Number.isSafeInteger(newest) && newest >= token) return newest
  throw new ConfigurationError(
    `The table ${table} did not keep token ${token} but ${JSON.stringify(String(found))}, so it cannot fence. ` +
      "Its column token must be an integer: make it as schema('sqlite') says.",
  )
}

/** Clients cut text at a NUL, and store half a surrogate pair as something else: two resources would share a row. */
function storable(resource: string): string {
  return /[\0\p{Surrogate}]/u.test(resource) || resource.startsWith(ESCAPED)
    ? `${ESCAPED}${JSON.stringify(resource)}`
    : resource
}
