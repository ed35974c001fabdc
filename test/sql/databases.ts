/**
 * Databases for the tests of holdfast/sql: each gives sessions, which are connections with a transaction at a time, and
 * is one that nobody else uses. A session writes `?` for values, whatever the dialect, outside of holdfast.
 */
import { DatabaseSync } from '@photostructure/sqlite'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import { fromMysql2, fromNodeSqlite, fromPg, fromPostgresJs, schema } from '../../src/sql/index.ts'
import type { Dialect, SqlTransaction } from '../../src/sql/index.ts'

export interface Session {
  /** A new transaction; at REPEATABLE READ where it says so (SQLite has nothing less). */
  begin(options?: { readonly repeatable?: boolean }): Promise<SqlTransaction>
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Commits what `work` does, or rolls it back. */
  within<T>(work: (tx: SqlTransaction) => Promise<T>): Promise<T>
  /** Outside of a transaction. */
  run(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Row locks are waited for no longer than about this. */
  limitWaits(ms: number): Promise<void>
}

export interface Database {
  readonly dialect: Dialect
  connect(): Promise<Session>
  /** Ends all sessions, and drops what they made. */
  end(): Promise<void>
}

/** What a session is made of: the rest is the same for all clients. */
interface Parts {
  readonly dialect: Dialect
  /** Commands without values. */
  command(text: string): Promise<unknown>
  query(text: string, values: readonly unknown[]): Promise<unknown>
  tx(): SqlTransaction
  limitWaits(ms: number): Promise<unknown>
}

const BEGIN: Readonly<Record<Dialect, readonly string[]>> = {
  postgres: ['BEGIN'],
  mysql: ['SET TRANSACTION ISOLATION LEVEL READ COMMITTED', 'START TRANSACTION'],
  sqlite: ['BEGIN IMMEDIATE'],
}
const BEGIN_REPEATABLE: Readonly<Record<Dialect, readonly string[]>> = {
  postgres: ['BEGIN ISOLATION LEVEL REPEATABLE READ'],
  mysql: ['SET TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'START TRANSACTION'],
  sqlite: ['BEGIN'],
}

function session(parts: Parts): Session {
  const within: Session['within'] = async work => {
    const tx = await begin()
    try {
      const value = await work(tx)
      await parts.command('COMMIT')
      return value
    } catch (error) {
      await parts.command('ROLLBACK')
      throw error
    }
  }
  const begin: Session['begin'] = async (options = {}) => {
    for (const text of (options.repeatable === true ? BEGIN_REPEATABLE : BEGIN)[parts.dialect]) {
      await withoutWaiting(() => parts.command(text))
    }
    return parts.tx()
  }
  return {
    begin,
    within,
    commit: async () => void (await parts.command('COMMIT')),
    rollback: async () => void (await parts.command('ROLLBACK')),
    async run(text, values = []) {
      const answer = await withoutWaiting(() => parts.query(numbered(text, parts.dialect), values))
      return Array.isArray(answer) ? answer : []
    },
    limitWaits: async ms => void (await parts.limitWaits(ms)),
  }
}

/** SQLite would block the whole process while it waits for another session of the same process. */
async function withoutWaiting<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Error && /database is locked/.test(error.message))) throw error
      await sleep(5)
    }
  }
}

function numbered(text: string, dialect: Dialect): string {
  let count = 0
  return dialect === 'postgres' ? text.replaceAll('?', () => `$${(count += 1)}`) : text
}

function statements(dialect: Dialect): readonly string[] {
  return schema(dialect)
    .split(';\n')
    .filter(text => text.trim() !== '')
}

/** Makes sessions, keeps what ends them, and creates holdfast's tables through the first. */
async function database(
  dialect: Dialect,
  open: () => Promise<{ readonly parts: Parts; readonly close: () => unknown }>,
  drop: () => unknown,
): Promise<Database> {
  const closing: (() => unknown)[] = []
  const connect = async (): Promise<Session> => {
    const { parts, close } = await open()
    closing.push(close)
    return session(parts)
  }
  const first = await connect()
  for (const text of statements(dialect)) await first.run(text)
  return {
    dialect,
    connect,
    async end() {
      for (const close of closing) await close()
      await drop()
    },
  }
}

export async function sqlite(): Promise<Database> {
  const { address, drop } = await place('sqlite', '')
  const open = async () => {
    const file = new DatabaseSync(address)
    file.exec('PRAGMA busy_timeout = 0')
    const parts: Parts = {
      dialect: 'sqlite',
      command: async text => file.exec(text),
      query: async (text, values) => file.prepare(text).all(...values.map(value => bound(value))),
      tx: () => fromNodeSqlite(file),
      limitWaits: async ms => file.exec(LIMIT_WAITS.sqlite(ms)),
    }
    return { parts, close: () => file.close() }
  }
  return database('sqlite', open, drop)
}

function bound(value: unknown): string | number | null {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  throw new TypeError(`no value for a test: ${typeof value}`)
}

function ownName(): string {
  return `holdfast_${randomUUID().replaceAll('-', '').slice(0, 12)}`
}

export async function onPg(url: string): Promise<Database> {
  const { address, drop } = await place('postgres', url)
  const open = async () => {
    const client = new pg.Client(address)
    await client.connect()
    const parts: Parts = {
      dialect: 'postgres',
      command: text => client.query(text),
      query: async (text, values) => (await client.query(text, [...values])).rows,
      tx: () => fromPg(client),
      limitWaits: ms => client.query(LIMIT_WAITS.postgres(ms)),
    }
    return { parts, close: () => client.end() }
  }
  return database('postgres', open, drop)
}

/** A client that begins a transaction by a function: here the function waits until the test ends it. */
export function byFunction(
  dialect: Dialect,
  transaction: (work: (tx: SqlTransaction) => Promise<void>) => PromiseLike<unknown>,
): Parts {
  let current: { readonly tx: SqlTransaction; end(error?: Error): void; readonly ended: Promise<unknown> } | undefined
  const begin = async (): Promise<void> => {
    current = await new Promise((resolve, reject) => {
      const ended: Promise<unknown> = Promise.resolve(
        transaction(
          tx =>
            new Promise<void>((commit, rollback) => {
              const end = (error?: Error): void => (error === undefined ? commit() : rollback(error))
              setImmediate(() => resolve({ tx, end, ended }))
            }),
        ),
      )
      ended.catch(reject)
    })
  }
  const now = (): SqlTransaction => {
    if (current === undefined) throw new Error('no transaction was begun')
    return current.tx
  }
  const end = async (error?: Error): Promise<void> => {
    const over = current
    over?.end(error)
    await over?.ended.catch((reason: unknown) => {
      if (reason !== error) throw reason
    })
  }
  const alone = async <T>(work: (tx: SqlTransaction) => Promise<T>): Promise<T> => {
    const answers: T[] = []
    await transaction(async tx => void answers.push(await work(tx)))
    const [answer] = answers
    if (answer === undefined) throw new Error('the transaction did nothing')
    return answer
  }
  return {
    dialect,
    async command(text) {
      if (text.startsWith('SET TRANSACTION')) return
      if (text === 'COMMIT') return end()
      if (text === 'ROLLBACK') return end(new Error('rolled back'))
      await begin()
      if (text.endsWith('REPEATABLE READ')) await now().execute('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ', [])
    },
    query: (text, values) => alone(tx => tx.rows(text, values)),
    tx: now,
    limitWaits: ms => alone(tx => tx.execute(LIMIT_WAITS[dialect](ms), [])),
  }
}

const LIMIT_WAITS: Readonly<Record<Dialect, (ms: number) => string>> = {
  postgres: ms => `SET lock_timeout = ${ms}`,
  mysql: ms => `SET innodb_lock_wait_timeout = ${Math.ceil(ms / 1_000)}`,
  sqlite: ms => `PRAGMA busy_timeout = ${ms}`,
}

export interface Client {
  transaction(work: (tx: SqlTransaction) => Promise<void>): PromiseLike<unknown>
  close(): unknown
}

/** A schema, database or file of its own; `open` gets its address for each session. */
export async function on(
  dialect: Dialect,
  url: string,
  open: (address: string) => Promise<Client>,
): Promise<Database & { readonly address: string }> {
  const { address, drop } = await place(dialect, url)
  const parts = async () => {
    const client = await open(address)
    return { parts: byFunction(dialect, work => client.transaction(work)), close: () => client.close() }
  }
  return { ...(await database(dialect, parts, drop)), address }
}

async function place(dialect: Dialect, url: string): Promise<{ readonly address: string; drop(): unknown }> {
  const name = ownName()
  if (dialect === 'sqlite') {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-sql-'))
    const address = join(folder, 'data.db')
    const file = new DatabaseSync(address)
    file.exec('PRAGMA journal_mode = WAL')
    file.close()
    return { address, drop: () => rmSync(folder, { recursive: true }) }
  }
  if (dialect === 'mysql') {
    const admin = await mysql.createConnection(url)
    await admin.query(`CREATE DATABASE ${name}`)
    const drop = async () => {
      await admin.query(`DROP DATABASE ${name}`)
      await admin.end()
    }
    return { address: url.replace(/\/[^/]*$/, `/${name}`), drop }
  }
  const admin = new pg.Client(url)
  await admin.connect()
  await admin.query(`CREATE SCHEMA ${name}`)
  const drop = async () => {
    await admin.query(`DROP SCHEMA ${name} CASCADE`)
    await admin.end()
  }
  return { address: `${url}?options=-c%20search_path%3D${name}`, drop }
}

export function onPostgresJs(url: string): Promise<Database> {
  return on('postgres', url, async address => {
    const [, name = ''] = /search_path%3D(\w+)/.exec(address) ?? []
    const sql = postgres(url, { max: 1, connection: { search_path: name }, onnotice: () => {} })
    return { transaction: work => sql.begin(tx => work(fromPostgresJs(tx))), close: () => sql.end() }
  })
}

export async function onMysql2(url: string): Promise<Database> {
  const { address, drop } = await place('mysql', url)
  const open = async () => {
    const connection = await mysql.createConnection({ uri: address })
    const parts: Parts = {
      dialect: 'mysql',
      command: text => connection.query(text),
      query: async (text, values) => (await connection.query(text, [...values]))[0],
      tx: () => fromMysql2(connection),
      limitWaits: ms => connection.query(LIMIT_WAITS.mysql(ms)),
    }
    return { parts, close: () => connection.end() }
  }
  return database('mysql', open, drop)
}
