/** Records that nobody needs any more, removed by whoever runs this from time to time. */
import { milliseconds } from '../base/duration.ts'
import type { Duration } from '../base/duration.ts'
import { refuseUnknown } from '../base/options.ts'
import { adviceOf, FENCES, IDEMPOTENCY } from './schema.ts'
import { explained } from './failures.ts'
import { execute, statement } from './statement.ts'
import type { Dialect, SqlTransaction, Statement } from './transaction.ts'

export interface SweepOptions {
  /**
   * Longer than any writer can have been paused and any request can come again: a fence that is gone lets the next
   * token pass, whichever it is. Days.
   */
  readonly olderThan: Duration
  /** Default `holdfast_fences`; null: none. */
  readonly fences?: string | null
  /** Default `holdfast_idempotency`; null: none. */
  readonly idempotency?: string | null
}

const AGO: Readonly<Record<Dialect, (placeholder: string) => string>> = {
  postgres: ms => `clock_timestamp() - CAST(${ms} AS bigint) * INTERVAL '1 millisecond'`,
  mysql: ms => `UTC_TIMESTAMP(6) - INTERVAL CAST(${ms} AS SIGNED) * 1000 MICROSECOND`,
  sqlite: seconds => `strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${seconds})`,
}

/**
 * Removes fences and idempotency records that nobody has touched for so long, by the database's clock. Gives how many.
 * @throws ConfigurationError  a table is missing
 * @example
 * ```ts
 * import { sweep } from 'holdfast/sql'
 *
 * await sweep(tx, { olderThan: '30d' })
 * ```
 */
export async function sweep(tx: SqlTransaction, options: SweepOptions): Promise<number> {
  let count = 0
  for (const { table, remove } of sweepStatements(tx.dialect, options))
    count += await explained({ table, advice: adviceOf(tx.dialect) }, () => execute(tx, remove))
  return count
}

/** What `sweep` does, for a client of your own: one statement a table. @throws ConfigurationError */
export function sweepStatements(
  dialect: Dialect,
  options: SweepOptions,
): readonly { readonly table: string; readonly remove: Statement }[] {
  refuseUnknown(options, { olderThan: true, fences: true, idempotency: true }, 'sweep')
  const { olderThan, fences = FENCES, idempotency = IDEMPOTENCY } = options
  const ms = Math.ceil(milliseconds(olderThan, 'olderThan'))
  const age = dialect === 'sqlite' ? `-${(ms / 1_000).toFixed(3)} seconds` : ms
  const from = (table: string, column: string): Statement =>
    statement(dialect, pen => `DELETE FROM ${pen.name(table)} WHERE ${column} < ${AGO[dialect](pen.value(age))}`)
  return [
    ...(fences === null ? [] : [{ table: fences, remove: from(fences, 'raised_at') }]),
    ...(idempotency === null ? [] : [{ table: idempotency, remove: from(idempotency, 'recorded_at') }]),
  ]
}
