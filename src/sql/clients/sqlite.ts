/** SQLite's clients with calls instead of promises: node:sqlite, @photostructure/sqlite and better-sqlite3. */
import { ConfigurationError } from '../../base/errors.ts'
import type { SqlTransaction } from '../transaction.ts'
import { outside, rowsIn } from './refusals.ts'

/**
 * The part of node:sqlite's or @photostructure/sqlite's `DatabaseSync`, or better-sqlite3's `Database`, that is needed.
 */
export interface SqliteLike {
  prepare(text: string): {
    all(...values: SqliteValue[]): unknown[]
    run(...values: SqliteValue[]): { readonly changes: number | bigint }
    /** Of better-sqlite3: whether it gives rows, without which `all` is refused. */
    readonly reader?: boolean
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
 * A transaction on better-sqlite3: between your own BEGIN IMMEDIATE and COMMIT. (Its `database.transaction()` takes no
 * function with promises.)
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
    async rows(text, values) {
      const statement = prepared(text)
      if (statement.reader !== false) return rowsIn(statement.all(...values.map(sqliteValue)))
      statement.run(...values.map(sqliteValue))
      return []
    },
    execute: async (text, values) => Number(prepared(text).run(...values.map(sqliteValue)).changes),
  }
}

function refuseOutsideTransaction(database: SqliteLike): void {
  if (!isInTransaction(database)) throw outside('This SQLite database', 'Run BEGIN IMMEDIATE first.')
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

/** What SQLite has no type for, as it is usually kept in it. */
export function sqliteValue(value: unknown): SqliteValue {
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
