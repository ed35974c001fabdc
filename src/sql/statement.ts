/**
 * SQL text of three dialects. Values are always bound, in the order in which they are written; names are quoted, and
 * only ordinary ones are taken, so that no client finds a placeholder of its own in one.
 */
import { ConfigurationError } from '../base/errors.ts'
import type { Dialect, Scalar, SqlTransaction, Statement, Where } from './transaction.ts'

/** Ends a SELECT, so that it locks what it reads, and reads what is newest and not what a snapshot has. */
export const FOR_UPDATE: Readonly<Record<Dialect, string>> = {
  postgres: ' FOR UPDATE',
  mysql: ' FOR UPDATE',
  // A transaction that wrote has locked the file, and one that read before another wrote is refused its own write.
  sqlite: '',
}

export const NOW: Readonly<Record<Dialect, string>> = {
  postgres: 'clock_timestamp()',
  mysql: 'UTC_TIMESTAMP(6)',
  sqlite: "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
}

const INTEGER: Readonly<Record<Dialect, string>> = { postgres: 'bigint', mysql: 'SIGNED', sqlite: 'INTEGER' }

/** What a statement is written with. */
export interface Pen {
  /** A table or column, quoted. */
  name(name: string): string
  /** A placeholder. */
  value(value: Scalar): string
  /** A placeholder for a token or a version, whatever type the client would give it. */
  integer(value: number): string
  where(where: Where): string
}

export function statement(dialect: Dialect, write: (pen: Pen) => string): Statement {
  const values: Scalar[] = []
  const name = (given: string): string => identifier(dialect, given)
  const value = (given: Scalar): string => {
    values.push(scalar(given))
    return dialect === 'postgres' ? `$${values.length}` : '?'
  }
  const text = write({
    name,
    value,
    integer: given => `CAST(${value(given)} AS ${INTEGER[dialect]})`,
    where: where => {
      const conditions = columnsOf(where, 'where').map(([column, given]) =>
        given === null ? `${name(column)} IS NULL` : `${name(column)} = ${value(given)}`,
      )
      if (conditions.length > 0) return conditions.join(' AND ')
      throw new ConfigurationError('where names no column, so every row would be meant. Name the row.')
    },
  })
  return { text, values }
}

export function rowsOf(tx: SqlTransaction, { text, values }: Statement): ReturnType<SqlTransaction['rows']> {
  return tx.rows(text, values)
}

export function execute(tx: SqlTransaction, { text, values }: Statement): Promise<number> {
  return tx.execute(text, values)
}

/** @throws ConfigurationError  from JavaScript, where nobody checks */
export function columnsOf(columns: Where, option: string): readonly (readonly [string, Scalar])[] {
  if (typeof columns !== 'object' || columns === null)
    throw new ConfigurationError(`${option} must be an object of columns and their values.`)
  return Object.entries(columns)
}

function scalar(value: Scalar): Scalar {
  if (value === null || value instanceof Date || value instanceof Uint8Array) return value
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof value)) return value
  throw new ConfigurationError(
    `A value is ${value === undefined ? 'undefined' : `of type ${typeof value}`}: give text, a number, a boolean, a date, bytes or null.`,
  )
}

/**
 * A table or column name as SQL text; a schema in front allowed. SQLite takes an unknown name in double quotes for a
 * text, so that `WHERE "nowhere" = ?` may be true: there, backquotes.
 * @throws ConfigurationError  anything but letters, digits, underscores, hyphens and spaces
 */
function identifier(dialect: Dialect, name: string): string {
  const quote = dialect === 'postgres' ? '"' : '`'
  if (typeof name !== 'string' || !/^[\p{L}_][\p{L}\p{N}_ -]*(\.[\p{L}_][\p{L}\p{N}_ -]*)?$/u.test(name))
    throw new ConfigurationError(
      `${JSON.stringify(name)} is not a name of a table or column: letters, digits, underscores, hyphens, spaces.`,
    )
  return name
    .split('.')
    .map(part => `${quote}${part}${quote}`)
    .join('.')
}

/**
 * A token or version as a column gave it: clients read a 64-bit integer as a number, a bigint or text. null: it is no
 * integer that can be compared. SQLite gives text only where a column holds text, which sorts 950 after 1000.
 */
export function integerOf(found: unknown, dialect: Dialect): number | null {
  const digits = typeof found === 'string' && dialect !== 'sqlite' && /^-?\d+(\.0*)?$/.test(found)
  const value = typeof found === 'bigint' || digits ? Number(found) : found
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null
}
