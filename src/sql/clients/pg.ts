/** `pg`: a client between BEGIN and COMMIT. It tells its state itself; before 8.16, a savepoint does. */
import type { SqlTransaction } from '../transaction.ts'
import { countIn, outside, provedBySavepoint, rowsIn } from './refusals.ts'

/** The part of pg's `Client` or `PoolClient` that is needed. */
export interface PgLike {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[]; readonly rowCount: number | null }>
  /** I: idle, T: in a transaction, E: in one that has failed. */
  getTransactionStatus?(): string | null
}

const ADVICE = "Take one client of the pool (await pool.connect()), and run client.query('BEGIN') first."

/**
 * A transaction on `pg`: a client between your own BEGIN and COMMIT. Never a pool, whose every query goes through
 * another connection.
 * @throws ConfigurationError  a pool; a client outside a transaction (now, or with the first statement)
 */
export function fromPg(client: PgLike): SqlTransaction {
  if ('totalCount' in client || typeof client.query !== 'function') throw outside('A pool of pg', ADVICE)
  const refusal = (cause?: unknown): Error => outside('This client of pg', ADVICE, cause)
  const bySavepoint = provedBySavepoint(text => client.query(text), refusal)
  const proved = async (): Promise<void> => {
    const status = client.getTransactionStatus?.()
    if (typeof status !== 'string') return bySavepoint()
    if (status === 'I') throw refusal()
  }
  if (client.getTransactionStatus?.() === 'I') throw refusal()
  return {
    dialect: 'postgres',
    async rows(text, values) {
      await proved()
      return rowsIn((await client.query(text, [...values])).rows)
    },
    async execute(text, values) {
      await proved()
      return countIn(await client.query(text, [...values]), 'rowCount')
    },
  }
}
