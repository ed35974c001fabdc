/**
 * A database server, as the laboratory works on it: a row lock is SELECT ... FOR UPDATE, and keeps nobody from another
 * row.
 *
 * Where it matters who waits, the row is asked for without waiting first (NOWAIT), since a server tells nobody that it
 * keeps somebody waiting. Waiting itself is the server's own, a second at a time, so that one can give up. A statement
 * that was refused the lock is taken back by a savepoint: in PostgreSQL it would spoil the transaction.
 */
import { withoutPassword } from '../../base/address.ts'
import { ConfigurationError } from '../../base/errors.ts'
import type { Dialect, SqlTransaction } from '../../sql/transaction.ts'
import type { Connection, Database, TransactionOptions } from '../database.ts'

/** A client of such a server, connected. Statements write `?` for their values. */
export interface Client {
  /** A statement without values. @throws  what the client throws */
  run(text: string): Promise<unknown>
  /** Each statement by itself. */
  readonly outside: Pick<SqlTransaction, 'rows' | 'execute'>
  /** Between BEGIN and COMMIT. */
  inside(): SqlTransaction
  /** Somebody else has kept a row for longer than one may wait. */
  isKept(cause: unknown): boolean
  close(): Promise<unknown>
}

export interface Kind {
  readonly dialect: Dialect
  /** Its row lock, for people. */
  readonly rowLock: string
  /** Has the server give up waiting for a row after a second. */
  readonly patience: string
  open(address: string): Promise<Client>
}

const FOR_UPDATE = ' FOR UPDATE'

export function serverDatabase(address: string, kind: Kind): Database {
  const { dialect, rowLock } = kind
  return {
    address,
    dialect,
    rowLock,
    forUpdate: FOR_UPDATE,
    async connect() {
      try {
        const client = await kind.open(address)
        await client.run(kind.patience)
        return connection(client, dialect)
      } catch (cause) {
        if (cause instanceof ConfigurationError) throw cause
        const why = cause instanceof Error ? cause.message || String(cause) : String(cause)
        throw new ConfigurationError(
          `--db: "${withoutPassword(address)}" cannot be used: ${why}. Name a database that this user may make tables in.`,
          { cause },
        )
      }
    },
  }
}

function connection(client: Client, dialect: Dialect): Connection {
  async function transaction<Answer>(
    task: (tx: SqlTransaction) => Promise<Answer>,
    options: TransactionOptions = {},
  ): Promise<Answer> {
    await client.run('BEGIN')
    try {
      const answer = await task(patient(client, options))
      await client.run('COMMIT')
      return answer
    } catch (error) {
      await client.run('ROLLBACK')
      throw error
    }
  }
  return { dialect, ...client.outside, transaction, close: async () => void (await client.close()) }
}

/** Waits for rows as long as it takes, or until it is told to give up. */
function patient(client: Client, { signal, waiting }: TransactionOptions): SqlTransaction {
  const tx = client.inside()

  /** null: somebody keeps the row. */
  async function attempt(text: string, values: readonly unknown[]): Promise<readonly Record<string, unknown>[] | null> {
    await client.run('SAVEPOINT before_the_row')
    try {
      return await tx.rows(text, values)
    } catch (cause) {
      if (!client.isKept(cause)) throw cause
      await client.run('ROLLBACK TO SAVEPOINT before_the_row')
      return null
    }
  }

  return {
    ...tx,
    async rows(text, values) {
      if (!text.endsWith(FOR_UPDATE)) return tx.rows(text, values)
      const free = waiting === undefined ? null : await attempt(`${text} NOWAIT`, values)
      if (free !== null) return free
      waiting?.()
      for (;;) {
        const rows = await attempt(text, values)
        if (rows !== null) return rows
        signal?.throwIfAborted()
      }
    },
  }
}
