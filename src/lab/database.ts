/**
 * The database that an experiment works on: the embedded one, or the user's (--db). It says nothing about locks but how
 * a transaction of this database locks what it reads; the ways put that to use, rightly or wrongly.
 */
import { join } from 'node:path'
import { ConfigurationError } from '../base/errors.ts'
import type { Dialect, SqlTransaction } from '../sql/transaction.ts'
import type { Closable } from './declaration.ts'

export interface Database {
  /** How the workers open it too. */
  readonly address: string
  readonly dialect: Dialect
  /** What stands for a row lock here, for people. */
  readonly rowLock: string
  /** Ends a SELECT that locks what it reads: ` FOR UPDATE`, or nothing where the transaction has locked already. */
  readonly forUpdate: string
  /** @throws ConfigurationError  it cannot be used */
  connect(): Promise<Connection>
}

/** Outside of a transaction each statement is one of its own. Statements write `?` for their values. */
export interface Connection extends SqlTransaction, Closable {
  /** Commits when `task` resolves, rolls back when it rejects. */
  transaction<Answer>(task: (tx: SqlTransaction) => Promise<Answer>, options?: TransactionOptions): Promise<Answer>
}

export interface TransactionOptions {
  /** Gives up waiting for locks. */
  readonly signal?: AbortSignal
  /** Called once if somebody else is in the way, where the database tells. */
  readonly waiting?: () => void
  /**
   * Locks nothing before it writes, and works on what was there when it first read.
   * @throws TransactionConflict  somebody else has written since
   */
  readonly optimistic?: true
}

/** The database has undone a transaction that another one came before: nothing of it was written. */
export class TransactionConflict extends Error {
  override readonly name = 'TransactionConflict'
}

/** null: a file of the run's own. @throws ConfigurationError  not a database that the laboratory knows */
export async function databaseAt(address: string | null, directory: string): Promise<Database> {
  if (address === null) return databaseOf(`sqlite:${join(directory, 'data.db')}`)
  return databaseOf(address)
}

/** @throws ConfigurationError */
export async function databaseOf(address: string): Promise<Database> {
  const scheme = /^([a-z][a-z0-9+]+):/i.exec(address)?.[1]?.toLowerCase() ?? 'sqlite'
  if (scheme === 'sqlite') {
    const { sqliteDatabase } = await import('./databases/sqlite.ts')
    return sqliteDatabase(address)
  }
  if (scheme === 'mysql' || scheme === 'mariadb') {
    const { mysqlDatabase } = await import('./databases/mysql.ts')
    return mysqlDatabase(address)
  }
  if (scheme === 'postgres' || scheme === 'postgresql') {
    const { postgresDatabase } = await import('./databases/postgres.ts')
    return postgresDatabase(address)
  }
  throw new ConfigurationError(
    `--db does not support ${scheme}: name a file, sqlite:PATH, postgres://... or mysql://...`,
  )
}
