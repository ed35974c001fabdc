/**
 * `mysql2`: a connection between START TRANSACTION and COMMIT, of `mysql2/promise` or of the package with callbacks.
 *
 * Values go through prepared statements, so the server binds them: what `query` puts into the text depends on the
 * server's sql_mode.
 */
import type { SqlTransaction } from '../transaction.ts'
import { countIn, outside, provedBySavepoint, rowsIn } from './refusals.ts'

interface Query {
  readonly sql: string
  readonly values?: unknown
  readonly rowsAsArray?: boolean
  readonly namedPlaceholders?: boolean
}

/** The part of the package's `Connection` that is needed. */
export interface Mysql2Like {
  execute(query: Query): unknown
  query(query: Query): unknown
  /** Of the package with callbacks: the same connection with promises. */
  promise?(): { execute(query: Query): unknown; query(query: Query): unknown }
}

const ADVICE = 'Take one connection of the pool (await pool.getConnection()), and await its beginTransaction() first.'
const IN_TRANSACTION = 1

/**
 * A transaction on `mysql2` (MySQL or MariaDB): a connection between your own `beginTransaction()` and `commit()`.
 * Never a pool, whose every query goes through another connection.
 * @throws ConfigurationError  a pool; a connection outside a transaction (with the first statement)
 */
export function fromMysql2(connection: Mysql2Like): SqlTransaction {
  if ('getConnection' in connection || typeof connection.execute !== 'function')
    throw outside('A pool of mysql2', ADVICE)
  const client = connection.promise?.() ?? connection
  const refusal = (cause?: unknown): Error => outside('This connection of mysql2', ADVICE, cause)
  const proved = provedBySavepoint(async text => client.query({ sql: text }), refusal)
  const run = async (text: string, values: readonly unknown[]): Promise<unknown> => {
    await proved()
    const query = { sql: text, values: [...values], rowsAsArray: false, namedPlaceholders: false }
    const answer: unknown = await client.execute(query)
    return Array.isArray(answer) ? answer[0] : answer
  }
  return {
    dialect: 'mysql',
    rows: async (text, values) => rowsIn(await run(text, values)),
    async execute(text, values) {
      const answer = await run(text, values)
      // The server says with each answer whether a transaction is open: an earlier statement may have ended it.
      if ((countIn(answer, 'serverStatus') & IN_TRANSACTION) === 0) throw refusal()
      return countIn(answer, 'affectedRows')
    },
  }
}
