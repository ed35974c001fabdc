/**
 * Optimistic locking: a row counts its versions, and a write that was decided on an older one is refused.
 *
 * The row is locked and its version read before the write, so nothing depends on how a client counts. After: Kung and
 * Robinson, "On Optimistic Methods for Concurrency Control", 1981.
 */
import { ConfigurationError, VersionConflictError } from '../base/errors.ts'
import { explained } from './failures.ts'
import { columnsOf, execute, FOR_UPDATE, integerOf, rowsOf, statement } from './statement.ts'
import type { Dialect, SqlTransaction, Statement, Where } from './transaction.ts'

export interface VersionedUpdate {
  readonly table: string
  readonly where: Where
  /** The one that was read, in whatever transaction. */
  readonly version: number
  readonly set: Where
  /** A column of integers. Default `version`. */
  readonly versionColumn?: string
}

/** The two statements of a versioned update, in this order: `judge` what `read` gave before you run `write`. */
export interface VersionedUpdateStatements {
  readonly read: Statement
  readonly write: Statement
  /** The new version. @throws VersionConflictError */
  judge(rows: readonly Record<string, unknown>[]): number
}

/**
 * Sets columns and counts the version on, if it still is the one that was read. Gives the new version.
 * @throws VersionConflictError  it is another one (`current`), or there is no such row (null): read again, decide again
 * @throws WaitTimeoutError  the row stayed locked for as long as the database lets one wait
 * @throws ConfigurationError  a version that is no safe integer; a table or column that is not there
 * @example
 * ```ts
 * import { updateVersioned } from 'holdfast/sql'
 *
 * await updateVersioned(tx, { table: 'employee', where: { id: 7 }, version: 3, set: { salary: 4_200 } })
 * ```
 */
export async function updateVersioned(tx: SqlTransaction, update: VersionedUpdate): Promise<number> {
  const { read, write, judge } = updateVersionedStatements(tx.dialect, update)
  return explained({ table: update.table, advice: adviceOf(update) }, async () => {
    const version = judge(await rowsOf(tx, read))
    await execute(tx, write)
    return version
  })
}

/** What `updateVersioned` does, for a client of your own. @throws ConfigurationError */
export function updateVersionedStatements(dialect: Dialect, update: VersionedUpdate): VersionedUpdateStatements {
  const { table, where, version, set, versionColumn = 'version' } = update
  const next = version + 1
  if (!Number.isSafeInteger(version) || !Number.isSafeInteger(next))
    throw new ConfigurationError(`version must be a safe integer, not ${String(version)}.`)
  if (versionColumn in set) throw new ConfigurationError(`"${versionColumn}" is counted on by itself: do not set it.`)
  return {
    read: statement(dialect, pen => {
      const rows = `${pen.name(table)} WHERE ${pen.where(where)}${FOR_UPDATE[dialect]}`
      return `SELECT ${pen.name(versionColumn)} AS version FROM ${rows}`
    }),
    write: statement(dialect, pen => {
      const column = pen.name(versionColumn)
      const sets = columnsOf(set, 'set').map(([name, value]) => `${pen.name(name)} = ${pen.value(value)}`)
      const changes = [...sets, `${column} = ${pen.integer(next)}`].join(', ')
      return `UPDATE ${pen.name(table)} SET ${changes} WHERE ${pen.where(where)} AND ${column} = ${pen.integer(version)}`
    }),
    judge(rows) {
      const found = rows.map(row => integerOf(row['version'], dialect))
      if (found.length > 0 && found.every(one => one === version)) return next
      const current = found.find(one => one !== version) ?? null
      const now = found.length === 0 ? 'there is no such row' : `it is at ${String(current)}`
      throw new VersionConflictError(
        `A row of "${table}" is not at version ${version}: ${now}. Read it again, and decide again.`,
        { current },
      )
    },
  }
}

function adviceOf({ versionColumn = 'version' }: VersionedUpdate): string {
  return `It needs a column "${versionColumn}" of integers, and those that the update names.`
}
