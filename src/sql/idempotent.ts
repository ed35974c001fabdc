/**
 * Once, however often it is asked for: the first to commit under a key records what came of it, and who comes later
 * gets that.
 *
 * The record is written by the transaction of the work itself, so both are there or neither. Whoever comes while that
 * transaction is open waits at the row: a row without a result that one can see is always one's own.
 */
import { ConfigurationError } from '../base/errors.ts'
import { explained } from './failures.ts'
import { adviceOf, IDEMPOTENCY } from './schema.ts'
import { execute, FOR_UPDATE, NOW, rowsOf, statement } from './statement.ts'
import { storable } from './storable.ts'
import type { Dialect, SqlTransaction, Statement } from './transaction.ts'

export interface IdempotentOptions {
  /** Made as `schema()` makes `holdfast_idempotency`. */
  readonly table?: string
  /** Of what is asked for, such as a digest of the request: another one under the same key is refused. */
  readonly fingerprint?: string
}

/**
 * In this order: `claim`, `read`; then `judge` its rows. If it is the first, do the work and run `record(value)`; if
 * that fails and you commit all the same, `forget`.
 */
export interface IdempotentStatements {
  readonly claim: Statement
  readonly read: Statement
  /**
   * `result` is JSON text: `{ "value": ... }`.
   * @throws ConfigurationError  the key belongs to something else, or the table is not as it must be
   */
  judge(rows: readonly Record<string, unknown>[]): { readonly first: true } | { readonly first: false; result: unknown }
  record(value: unknown): Statement
  readonly forget: Statement
}

/**
 * Runs `task` in this transaction the first time, and records what it gives, as JSON; afterwards gives that record
 * without running it. The first time, too, the value has been through JSON: a Date is text. When the task fails nothing
 * is recorded.
 * @throws ConfigurationError  another fingerprint under this key; a value that JSON has no form for; the table is
 * missing
 * @throws WaitTimeoutError  another transaction with this key outlived the database's limit for row locks
 * @example
 * ```ts
 * import { idempotent } from 'holdfast/sql'
 *
 * const { first, value } = await idempotent(tx, 'payment:8a31', async () => {
 *   await tx.execute('UPDATE account SET balance = balance - ? WHERE id = ?', [20, '7'])
 *   return { paid: 20 }
 * })
 * ```
 */
export async function idempotent<T>(
  tx: SqlTransaction,
  key: string,
  task: () => PromiseLike<T>,
  options: IdempotentOptions = {},
): Promise<{ first: boolean; value: T }> {
  const { claim, read, judge, record, forget } = idempotentStatements(tx.dialect, key, options)
  const where = { table: options.table ?? IDEMPOTENCY, advice: adviceOf(tx.dialect) }
  const rows = await explained(where, async () => {
    await execute(tx, claim)
    return rowsOf(tx, read)
  })
  const known = judge(rows)
  if (!known.first) return { first: false, value: valueIn(known.result) }
  try {
    const recorded = record(await task())
    await execute(tx, recorded)
    return { first: true, value: valueIn(recorded.values[0]) }
  } catch (error) {
    // Of no effect where the transaction can only be rolled back, as on PostgreSQL after an error.
    await execute(tx, forget).catch(() => undefined)
    throw error
  }
}

/** What `idempotent` does, for a client of your own. @throws ConfigurationError  the key is empty */
export function idempotentStatements(
  dialect: Dialect,
  key: string,
  options: IdempotentOptions = {},
): IdempotentStatements {
  const { table = IDEMPOTENCY, fingerprint = null } = options
  if (typeof key !== 'string' || key === '') throw new ConfigurationError('An idempotency key must be text, not empty.')
  const name = storable(key)
  const mark = fingerprint === null ? null : storable(fingerprint)
  const own = { idempotency_key: name }
  return {
    claim: statement(dialect, pen => {
      const values = `(${pen.value(name)}, ${pen.value(mark)}, ${NOW[dialect]})`
      const insert = `INSERT INTO ${pen.name(table)} (idempotency_key, fingerprint, recorded_at) VALUES ${values}`
      // Changes nothing, but locks the row that is there.
      return dialect === 'mysql'
        ? `${insert} ON DUPLICATE KEY UPDATE idempotency_key = idempotency_key`
        : `${insert} ON CONFLICT (idempotency_key) DO UPDATE SET idempotency_key = excluded.idempotency_key`
    }),
    read: statement(dialect, pen => {
      const rows = `${pen.name(table)} WHERE ${pen.where(own)}${FOR_UPDATE[dialect]}`
      return `SELECT fingerprint AS fingerprint, result AS result FROM ${rows}`
    }),
    judge: rows => {
      const [row] = rows
      if (row === undefined || rows.length > 1)
        throw new ConfigurationError(
          `The table "${table}" keeps ${rows.length} rows for one key, not one. ${adviceOf(dialect)}`,
        )
      const { fingerprint: found = null, result = null } = row
      if (found !== null && mark !== null && found !== mark)
        throw new ConfigurationError(
          `The idempotency key "${key}" was used for something else (its fingerprint is another). Take a new key.`,
          { key },
        )
      return result === null ? { first: true } : { first: false, result }
    },
    record: value =>
      statement(dialect, pen => {
        const text = pen.value(textOf(value, key))
        return `UPDATE ${pen.name(table)} SET result = ${text}, recorded_at = ${NOW[dialect]} WHERE ${pen.where(own)}`
      }),
    forget: statement(dialect, pen => `DELETE FROM ${pen.name(table)} WHERE ${pen.where(own)}`),
  }
}

/** In an object, since JSON has no word for undefined. */
function textOf(value: unknown, key: string): string {
  try {
    return JSON.stringify({ value })
  } catch (cause) {
    throw new ConfigurationError(`What the task of "${key}" gives has no form in JSON, so it cannot be recorded.`, {
      key,
      cause,
    })
  }
}

/** Where the column is of a JSON type, clients give an object in place of its text. */
function valueIn<T>(result: unknown): T {
  const { value }: { readonly value: T } = JSON.parse(typeof result === 'string' ? result : JSON.stringify(result))
  return value
}
