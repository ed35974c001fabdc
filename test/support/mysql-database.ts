/** A database of MySQL or MariaDB for tests: with holdfast's tables in it, and a connection of the test's own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection, createPool } from 'mysql2/promise'
import type { Connection } from 'mysql2/promise'
import { migrationOf } from '../../src/drivers/mysql/migration.ts'

const MIGRATE_MS = 30_000

export async function migrate(url: string): Promise<void> {
  await migrationOf(url).apply({ timeoutMs: MIGRATE_MS })
}

/** Does the work on a connection of its own. */
export async function onDatabase<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await createConnection(url)
  try {
    return await work(connection)
  } finally {
    await connection.end()
  }
}

export interface Keeper {
  /** Keeps the row of a lock, as a transaction does that has read it FOR UPDATE. Resolves when it has let go. */
  hold(row: { readonly namespace: string; readonly key: string; readonly ms: number }): Promise<void>
  close(): Promise<void>
}

const MOST_KEPT = 4

/** Its connections are there already, so that a row is kept at once. */
export async function keeperOf(url: string): Promise<Keeper> {
  const pool = createPool({ uri: url, connectionLimit: MOST_KEPT })
  const connections = await Promise.all(Array.from({ length: MOST_KEPT }, () => pool.getConnection()))
  for (const connection of connections) connection.release()
  return {
    async hold({ namespace, key, ms }) {
      const connection = await pool.getConnection()
      await connection.beginTransaction()
      const select = 'SELECT id FROM holdfast_records WHERE namespace = ? AND name = ? FOR UPDATE'
      await connection.query(select, [Buffer.from(namespace), Buffer.from(key)])
      await sleep(ms)
      await connection.rollback()
      connection.release()
    },
    close: () => pool.end(),
  }
}

/** As if the table had been emptied. */
export async function wipe(url: string, namespace: string): Promise<void> {
  await onDatabase(url, connection =>
    connection.query('DELETE FROM holdfast_records WHERE namespace = ?', [Buffer.from(namespace)]),
  )
}
