/**
 * A fence in the row itself: its column keeps the greatest token that wrote it.
 *
 * For a write that needs no read before it: a check on write alone loses the update of a successor that has read and
 * not yet written. Where you read first, `fence` comes first.
 */
import { ConfigurationError } from '../base/errors.ts'
import { explained } from './failures.ts'
import { fencing, refuseStale } from './fence.ts'
import { columnsOf, execute, FOR_UPDATE, integerOf, rowsOf, statement } from './statement.ts'
import type { Dialect, Fencing, SqlTransaction, Statement, Where } from './transaction.ts'

export interface FencedUpdate {
  readonly table: string
  readonly where: Where
  readonly set: Where
  /** A column of 64-bit integers, NULL or 0 before the first fenced write. Default `fence_token`. */
  readonly tokenColumn?: string
}

/** The two statements of a fenced update, in this order: `judge` what `read` gave before you run `write`. */
export interface FencedUpdateStatements {
  readonly read: Statement
  readonly write: Statement
  /** How many rows `write` will write. @throws StaleTokenError | ConfigurationError */
  judge(rows: readonly Record<string, unknown>[]): number
}

/**
 * Sets columns, and the token column to the lease's token, unless a newer token has written the row. Gives how many
 * rows were written; 0: there is no such row. The rows are locked and looked at first, so the answer depends on no
 * client's way to count.
 * @throws StaleTokenError  a newer token wrote one of the rows: roll back
 * @throws WaitTimeoutError  a row stayed locked for as long as the database lets one wait
 * @throws UnsupportedError  a shared lease, or a store without tokens
 * @throws ConfigurationError  a table or column that is not there, or no integers in the token column
 * @example
 * ```ts
 * import { fencedUpdate } from 'holdfast/sql'
 *
 * await fencedUpdate(tx, lease, { table: 'report', where: { id: 7 }, set: { state: 'sent' } })
 * ```
 */
export async function fencedUpdate(tx: SqlTransaction, lease: Fencing, update: FencedUpdate): Promise<number> {
  const { read, write, judge } = fencedUpdateStatements(tx.dialect, lease, update)
  return explained({ table: update.table, advice: adviceOf(update) }, async () => {
    const count = judge(await rowsOf(tx, read))
    if (count > 0) await execute(tx, write)
    return count
  })
}

/** What `fencedUpdate` does, for a client of your own. @throws UnsupportedError | ConfigurationError */
export function fencedUpdateStatements(dialect: Dialect, lease: Fencing, update: FencedUpdate): FencedUpdateStatements {
  const { key, token } = fencing(lease)
  const { table, where, set, tokenColumn = 'fence_token' } = update
  if (tokenColumn in set) throw new ConfigurationError(`"${tokenColumn}" is set by the token of the lease, not by you.`)
  return {
    read: statement(dialect, pen => {
      const rows = `${pen.name(table)} WHERE ${pen.where(where)}${FOR_UPDATE[dialect]}`
      return `SELECT ${pen.name(tokenColumn)} AS token FROM ${rows}`
    }),
    write: statement(dialect, pen => {
      const column = pen.name(tokenColumn)
      const sets = columnsOf(set, 'set').map(([name, value]) => `${pen.name(name)} = ${pen.value(value)}`)
      const changes = [...sets, `${column} = ${pen.integer(token)}`].join(', ')
      const unlessNewer = `COALESCE(${column}, 0) <= `
      return `UPDATE ${pen.name(table)} SET ${changes} WHERE ${pen.where(where)} AND ${unlessNewer}${pen.integer(token)}`
    }),
    judge(rows) {
      if (rows.length === 0) return 0
      const newest = Math.max(token, ...rows.map(row => tokenIn(row['token'], { dialect, update })))
      refuseStale({ key, token }, { resource: key, newest })
      return rows.length
    },
  }
}

function tokenIn(
  found: unknown,
  { dialect, update }: { readonly dialect: Dialect; readonly update: FencedUpdate },
): number {
  const token = found === null ? 0 : integerOf(found, dialect)
  if (token !== null) return token
  throw new ConfigurationError(
    `The token column of "${update.table}" holds ${JSON.stringify(String(found))}. ${adviceOf(update)}`,
  )
}

function adviceOf({ tokenColumn = 'fence_token' }: FencedUpdate): string {
  return `It needs a column "${tokenColumn}" of 64-bit integers, and those that the update names.`
}
