// Databases for the proofs of holdfast/sql: servers of their own on free ports, or a file; and connections with
// transactions of their own, at READ COMMITTED. Statements write `?` for values.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromMysql2, fromNodeSqlite, fromPg, schema } from '../dist/sql/index.js'
import { MARIADB, MYSQL } from '../dist/servers/mysql.js'
import { POSTGRES } from '../dist/servers/postgres.js'
import { startServer } from '../dist/servers/start.js'

/** A row lock is waited for no longer than this. */
export const LOCK_WAIT_MS = 1_000

export const DIALECTS = ['sqlite', 'postgres', 'mysql']

/** Resolves with the address of a new, empty database of this dialect, and how to end it. */
export async function startDatabase(dialect, directory) {
  if (dialect === 'sqlite') return { address: `sqlite:${join(directory, 'data.db')}`, stop: () => {} }
  const server = await startServer({ postgres: POSTGRES, mysql: MARIADB, mysql9: MYSQL }[dialect])
  return { address: server.address, host: server.host, port: server.port, stop: () => server.close() }
}

export async function connect(address) {
  const scheme = address.split(':')[0]
  return { sqlite: onSqlite, postgres: onPostgres, mysql: onMysql }[scheme](address)
}

/** holdfast's tables, and statements of the proof's own. */
export async function migrate(connection, ...statements) {
  for (const text of [...schema(connection.dialect).split(';\n'), ...statements])
    if (text.trim() !== '') await connection.query(text)
}

async function onPostgres(address) {
  const { Client } = await import('pg')
  const client = new Client(address)
  client.on('error', () => {})
  await client.connect()
  await client.query(`SET lock_timeout = ${LOCK_WAIT_MS}`)
  const numbered = text => {
    let count = 0
    return text.replaceAll('?', () => `$${(count += 1)}`)
  }
  const query = async (text, values = []) => (await client.query(numbered(text), values)).rows
  return {
    ...{ dialect: 'postgres', query, close: () => client.end() },
    ...transactions({ begin: () => query('BEGIN'), query, tx: () => fromPg(client) }),
  }
}

async function onMysql(address) {
  const { createConnection } = await import('mysql2/promise')
  const connection = await createConnection({ uri: address })
  connection.on('error', () => {})
  await connection.query(`SET innodb_lock_wait_timeout = ${LOCK_WAIT_MS / 1_000}`)
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  const query = async (text, values = []) => (await connection.query(text, values))[0]
  return {
    ...{ dialect: 'mysql', query, close: () => connection.end() },
    ...transactions({ begin: () => query('START TRANSACTION'), query, tx: () => fromMysql2(connection) }),
  }
}

/** A busy file is asked again, since the engine's own wait would stop the whole process. */
async function onSqlite(address) {
  const { DatabaseSync } = await import('@photostructure/sqlite')
  const file = new DatabaseSync(address.slice('sqlite:'.length))
  file.exec('PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 0')
  const query = async (text, values = []) => file.prepare(text).all(...values)
  const begin = async ({ lateLock = false } = {}) => {
    if (lateLock) return file.exec('BEGIN')
    const deadline = performance.now() + LOCK_WAIT_MS
    for (;;) {
      try {
        return file.exec('BEGIN IMMEDIATE')
      } catch (error) {
        if (performance.now() > deadline || !/locked/.test(error.message)) throw error
        await sleep(1 + Math.random() * 4)
      }
    }
  }
  return {
    ...{ dialect: 'sqlite', query, close: async () => file.close() },
    ...transactions({ begin, query, tx: () => fromNodeSqlite(file) }),
  }
}

function transactions({ begin, query, tx }) {
  return {
    /** Commits what `work(tx)` does, or rolls it back. lateLock: SQLite locks with the first write, not before. */
    async transaction(work, options) {
      await begin(options)
      try {
        const value = await work(tx())
        await query('COMMIT')
        return value
      } catch (error) {
        await query('ROLLBACK').catch(() => {})
        throw error
      }
    },
  }
}
