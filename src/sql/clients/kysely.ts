/** Kysely: the `trx` of `db.transaction().execute()`, or of a controlled transaction. */
import type { Dialect, SqlTransaction } from '../transaction.ts'
import { countIn, outside, rowsIn } from './refusals.ts'

/** The part of Kysely's `Transaction` that is needed. */
export interface KyselyLike {
  readonly isTransaction: boolean
  executeQuery(query: CompiledQuery): Promise<{ readonly rows: unknown[]; readonly numAffectedRows?: bigint }>
  getExecutor(): { readonly adapter: Adapter }
}

interface Adapter {
  readonly supportsReturning: boolean
  readonly supportsTransactionalDdl: boolean
}

interface CompiledQuery {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly query: {
    readonly kind: 'RawNode'
    readonly sqlFragments: readonly string[]
    readonly parameters: readonly never[]
  }
  readonly queryId: { readonly queryId: string }
}

/**
 * A transaction of Kysely: the `trx` that your function gets from `db.transaction().execute(async trx => ...)`.
 * @throws ConfigurationError  the `db` itself, whose every query goes through another connection
 */
export function fromKysely(trx: KyselyLike): SqlTransaction {
  if (!trx.isTransaction)
    throw outside('This Kysely', 'Take the trx that db.transaction().execute(async trx => ...) hands out.')
  // As `CompiledQuery.raw` of the package makes it.
  const run = (sql: string, values: readonly unknown[]): ReturnType<KyselyLike['executeQuery']> =>
    trx.executeQuery({
      sql,
      parameters: [...values],
      query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
      queryId: { queryId: 'holdfast' },
    })
  return {
    dialect: dialectOf(trx.getExecutor().adapter),
    rows: async (text, values) => rowsIn((await run(text, values)).rows),
    execute: async (text, values) => countIn(await run(text, values), 'numAffectedRows'),
  }
}

/** By what the dialect can do, since its class may be one of somebody else, or of another name once it is bundled. */
function dialectOf({ supportsReturning, supportsTransactionalDdl }: Adapter): Dialect {
  if (!supportsReturning) return 'mysql'
  return supportsTransactionalDdl ? 'postgres' : 'sqlite'
}
