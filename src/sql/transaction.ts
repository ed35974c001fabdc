/**
 * A transaction of the user's, as this module needs it: whoever writes an adapter for a driver or ORM writes these two
 * functions.
 */
import { ConfigurationError } from '../base/errors.ts'

export type Dialect = 'postgres' | 'mysql' | 'sqlite'

export interface SqlTransaction {
  readonly dialect: Dialect
  rows(text: string, values: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Changed or matched rows, as the driver counts: holdfast never depends on which. */
  execute(text: string, values: readonly unknown[]): Promise<number>
}

/** A Lease fits; so does { key, token } out of a queue message. */
export interface Fencing {
  readonly key: string
  readonly token: number
  readonly mode?: 'exclusive' | 'shared'
}

/**
 * The part of node:sqlite's or @photostructure/sqlite's `DatabaseSync`, or better-sqlite3's `Database`, that is needed.
 */
export interface SqliteLike {
  prepare(text: string): {
    all(...values: readonly SqliteValue[]): unknown[]
    run(...values: readonly SqliteValue[]): { readonly changes: number | bigint }
  }
  exec(text: string): unknown
  /** Of node:sqlite and @photostructure/sqlite. */
  readonly isTransaction?: boolean
  /** Of better-sqlite3. */
  readonly inTransaction?: boolean
}
export type SqliteValue = string | number | bigint | Uint8Array | null

/**
 * A transaction on node:sqlite or @photostructure/sqlite: between your own BEGIN IMMEDIATE and COMMIT.
 * @throws ConfigurationError  no transaction is open: outside of one nothing would be protected
 */
export function fromNodeSqlite(database: SqliteLike): SqlTransaction {
  return fromSqlite(database)
}

/**
 * A transaction on better-sqlite3: inside `database.transaction(...)`, or between your own BEGIN IMMEDIATE and COMMIT.
 * @throws ConfigurationError  no transaction is open: outside of one nothing would be protected
 */
export function fromBetterSqlite3(database: SqliteLike): SqlTransaction {
  return fromSqlite(database)
}

function fromSqlite(database: SqliteLike): SqlTransaction {
  refuseOutsideTransaction(database)
  // Before each statement: after the COMMIT the handle is still there, and would protect nothing.
  const prepared = (text: string): ReturnType<SqliteLike['prepare']> => {
    refuseOutsideTransaction(database)
    return database.prepare(text)
  }
  return {
    dialect: 'sqlite',
    rows: async (text, values) =>
      prepared(text)
        .all(...values.map(sqliteValue))
        .filter(isRow),
    execute: async (text, values) => Number(prepared(text).run(...values.map(sqliteValue)).changes),
  }
}

function refuseOutsideTransaction(database: SqliteLike): void {
  if (isInTransaction(database)) return
  throw new ConfigurationError(
    'No transaction is open on this SQLite database, so nothing would be protected. Run BEGIN IMMEDIATE first.',
  )
}

/** Older engines do not say; but all of them refuse a BEGIN inside a transaction, and leave that one as it is. */
function isInTransaction(database: SqliteLike): boolean {
  const said = database.isTransaction ?? database.inTransaction
  if (typeof said === 'boolean') return said
  try {
    database.exec('BEGIN')
  } catch {
    return true
  }
  database.exec('ROLLBACK')
  return false
}

function sqliteValue(value: unknown): SqliteValue {
  if (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    value instanceof Uint8Array
  )
    return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.toISOString()
  throw new ConfigurationError(`SQLite cannot store a value of type ${typeof value}.`)
}

function isRow(row: unknown): row is Record<string, unknown> {
  return typeof row === 'object' && row !== null
}
