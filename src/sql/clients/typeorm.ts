/** TypeORM: the `manager` of `dataSource.transaction()`, or of a query runner with a transaction. */
import { ConfigurationError } from '../../base/errors.ts'
import type { Dialect, SqlTransaction } from '../transaction.ts'
import { countIn, outside, rowsIn } from './refusals.ts'

/** The part of TypeORM's `EntityManager` that is needed. */
export interface TypeOrmLike {
  readonly queryRunner?: {
    readonly isTransactionActive: boolean
    query(text: string, values: unknown[], structured: true): Promise<unknown>
  }
  /** Its name before version 1 was `connection`. */
  readonly dataSource?: DataSource
  readonly connection?: DataSource
}

interface DataSource {
  readonly options: { readonly type: string }
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  ...{ postgres: 'postgres', 'aurora-postgres': 'postgres', mysql: 'mysql', mariadb: 'mysql', 'aurora-mysql': 'mysql' },
  ...{ sqlite: 'sqlite', 'better-sqlite3': 'sqlite' },
}

/**
 * A transaction of TypeORM: the `manager` that your function gets from `dataSource.transaction(async manager => ...)`.
 * @throws ConfigurationError  the manager of the data source itself, whose every query goes through another connection;
 * a transaction that is over; a database that holdfast does not know
 */
export function fromTypeOrm(manager: TypeOrmLike): SqlTransaction {
  const { queryRunner } = manager
  const type = (manager.dataSource ?? manager.connection)?.options.type ?? ''
  const dialect = DIALECTS[type]
  const refusal = (): Error =>
    outside('This manager of TypeORM', 'Take the one that dataSource.transaction(async manager => ...) hands out.')
  if (queryRunner?.isTransactionActive !== true) throw refusal()
  if (dialect === undefined)
    throw new ConfigurationError(`TypeORM speaks ${type} here: PostgreSQL, MySQL and SQLite are supported.`)
  const run = async (text: string, values: readonly unknown[]): Promise<unknown> => {
    if (!queryRunner.isTransactionActive) throw refusal()
    return queryRunner.query(text, [...values], true)
  }
  return {
    dialect,
    rows: async (text, values) => rowsIn(recordsOf(await run(text, values))),
    execute: async (text, values) => countIn(await run(text, values), 'affected'),
  }
}

function recordsOf(answer: unknown): unknown {
  return typeof answer === 'object' && answer !== null && 'records' in answer ? answer.records : []
}
