/** `postgres` (postgres.js): the `sql` that `sql.begin()` hands out. */
import type { SqlTransaction } from '../transaction.ts'
import { countIn, outside, rowsIn } from './refusals.ts'

/** The part of the package's `TransactionSql` that is needed. */
export interface PostgresJsLike {
  unsafe(text: string, values?: unknown[]): PromiseLike<unknown>
  /** Only the `sql` of a transaction has it. */
  savepoint: unknown
}

/**
 * A transaction on postgres.js: the `sql` that your function gets from `sql.begin(async sql => ...)`.
 * @throws ConfigurationError  the `sql` of the whole pool, whose every query goes through another connection
 */
export function fromPostgresJs(sql: PostgresJsLike): SqlTransaction {
  if (typeof sql.savepoint !== 'function')
    throw outside('This sql of postgres.js', 'Take the one that sql.begin(async sql => ...) hands out.')
  return {
    dialect: 'postgres',
    rows: async (text, values) => rowsIn(await sql.unsafe(text, [...values])),
    execute: async (text, values) => countIn(await sql.unsafe(text, [...values]), 'count'),
  }
}
