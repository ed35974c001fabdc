/**
 * The row that everybody wants to change, on a real database. It says nothing about locks: a database gives reading,
 * writing, and a transaction that locks the row; the ways (ways.ts) put these together rightly or wrongly.
 */
import { ConfigurationError } from '../../base/errors.ts'

export interface Employee {
  readonly version: number
  readonly salary: number
}

export interface EmployeeData {
  read(): Promise<Employee>
  /**
   * Writes the salary, adds one to the version, and tells it. `ifVersion`: only if the row is still at it; null: it is
   * not.
   */
  write(salary: number, ifVersion?: number): Promise<number | null>
  /** Runs `task` in a transaction that locked the row before any read. `signal` gives up waiting for it. */
  locked(task: () => Promise<void>, signal: AbortSignal): Promise<void>
  /** How often the database was busy and was asked again. */
  readonly retries: () => number
  close(): Promise<void>
}

export interface EmployeeDatabase {
  /** How the workers open it too. */
  readonly address: string
  /** What stands for a row lock here. */
  readonly rowLock: string
  /** A table with one employee at version 0, from nothing. */
  create(): Promise<void>
  open(): Promise<EmployeeData>
  drop(): Promise<void>
}

/** @throws ConfigurationError  not a database that this experiment knows */
export async function employeeDatabase(address: string): Promise<EmployeeDatabase> {
  const scheme = /^([a-z][a-z0-9+]+):/i.exec(address)?.[1]?.toLowerCase()
  if (scheme === undefined || scheme === 'sqlite') {
    const { sqliteEmployee } = await import('./sqlite.ts')
    return sqliteEmployee(address)
  }
  throw new ConfigurationError(`--db does not support ${scheme}: yet, only SQLite: name a file, or sqlite:PATH.`)
}
