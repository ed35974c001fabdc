import { DatabaseSync } from '@photostructure/sqlite'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigurationError, createLocks, StaleTokenError, UnsupportedError } from '../../src/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { fence, fromNodeSqlite, schema } from '../../src/sql/index.ts'
import type { SqliteLike } from '../../src/sql/index.ts'

type Database = InstanceType<typeof DatabaseSync>

let directory: string
let open: Database[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-fence-'))
})
afterEach(() => {
  for (const database of open) database.close()
  open = []
  rmSync(directory, { recursive: true })
})

function connect(): Database {
  const database = new DatabaseSync(join(directory, 'data.db'))
  database.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 2000')
  open.push(database)
  return database
}

function prepared(): Database {
  const database = connect()
  database.exec(
    `${schema('sqlite')} CREATE TABLE account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL); INSERT INTO account VALUES ('7', 100)`,
  )
  return database
}

async function inTransaction<T>(
  database: Database,
  work: (tx: ReturnType<typeof fromNodeSqlite>) => Promise<T>,
): Promise<T> {
  database.exec('BEGIN IMMEDIATE')
  try {
    const value = await work(fromNodeSqlite(database))
    database.exec('COMMIT')
    return value
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

const fenced = (database: Database, token: number, options?: { resource?: string; table?: string }): Promise<void> =>
  inTransaction(database, tx => fence(tx, { key: 'account:7', token }, options))

describe('a fence', () => {
  test('lets the newest token pass as often as it likes, and greater ones', async () => {
    const database = prepared()
    await fenced(database, 5)
    await fenced(database, 5)
    await fenced(database, 1_795_240_547_670_301)
    await fenced(database, 1_795_240_547_670_301)
  })

  test('refuses an older token, and tells both', async () => {
    const database = prepared()
    await fenced(database, 1_795_240_547_670_301)
    const error = await fenced(database, 1_795_240_547_670_300).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(StaleTokenError)
    expect(error).toMatchObject({ resource: 'account:7', token: 1_795_240_547_670_300, newest: 1_795_240_547_670_301 })
  })

  test('refuses a paused holder after its successor has read and before it has written', async () => {
    const [first, second] = [prepared(), connect()]
    const locks = createLocks(memoryStore())
    const old = await locks.acquire('account:7')
    await locks.revoke('account:7', { reason: 'stands for a pause', tickets: 'all', now: true })
    const next = await locks.acquire('account:7')
    await inTransaction(second, async tx => {
      await fence(tx, next)
      await tx.rows('SELECT balance FROM account WHERE id = ?', ['7'])
    })
    await expect(inTransaction(first, tx => fence(tx, old))).rejects.toThrow(StaleTokenError)
    await next.release()
    await old.release()
    await locks.close()
  })

  test('keeps its height when the raising transaction commits, and not when it rolls back', async () => {
    const database = prepared()
    await inTransaction(database, async tx => {
      await fence(tx, { key: 'account:7', token: 9 })
      throw new Error('rolled back')
    }).catch(() => undefined)
    await fenced(database, 3)
  })

  test('stands for one resource alone', async () => {
    const database = prepared()
    await fenced(database, 9, { resource: 'other' })
    await fenced(database, 3)
  })

  test.each(['TEXT', 'BLOB', 'ANY'])('refuses a table whose tokens of type %s cannot be compared', async type => {
    const database = prepared()
    database.exec(
      `CREATE TABLE odd (resource TEXT PRIMARY KEY, token ${type}, raised_at TEXT) ${type === 'ANY' ? 'STRICT' : ''}`,
    )
    database.exec(`INSERT INTO odd VALUES ('account:7', '950', '')`)
    await expect(fenced(database, 1_000, { table: 'odd' })).rejects.toThrow('must be an integer')
    await expect(fenced(database, 900, { table: 'odd' })).rejects.toThrow('must be an integer')
  })

  test('refuses a table that keeps something else than was written', async () => {
    const database = prepared()
    database.exec(`CREATE TRIGGER odd AFTER INSERT ON holdfast_fences BEGIN DELETE FROM holdfast_fences; END`)
    await expect(fenced(database, 7)).rejects.toThrow('did not keep token 7')
  })

  test('tells resources apart that differ only after a NUL, in half a character, or in how they are kept', async () => {
    const database = prepared()
    const resources = ['a\0b', 'a\0c', 'a', 'a\ud800', 'a\ud801', 'a\ufffd', 'json:', 'json:"a\\u0000b"']
    for (const [index, resource] of resources.entries()) await fenced(database, 100 - index, { resource })
    for (const [index, resource] of resources.entries()) {
      await expect(fenced(database, 99 - index, { resource })).rejects.toThrow(StaleTokenError)
    }
  })

  test('refuses a handle whose transaction is over, whether the client says so or not', async () => {
    const silent = (database: Database): SqliteLike => ({
      prepare: text => database.prepare(text),
      exec: text => database.exec(text),
    })
    for (const like of [(database: Database): SqliteLike => database, silent]) {
      const database = prepared()
      database.exec('BEGIN IMMEDIATE')
      const tx = fromNodeSqlite(like(database))
      await fence(tx, { key: 'account:7', token: 5 })
      database.exec('COMMIT')
      await expect(fence(tx, { key: 'account:7', token: 6 })).rejects.toThrow('is not in a transaction')
      await expect(tx.rows('SELECT 1', [])).rejects.toThrow(ConfigurationError)
      expect(database.prepare('SELECT token FROM holdfast_fences').all()).toMatchObject([{ token: 5 }])
      database.exec('DROP TABLE account')
    }
  })

  test('refuses a shared lease, a store without tokens, a missing table, and a database outside a transaction', async () => {
    const database = prepared()
    await expect(inTransaction(database, tx => fence(tx, { key: 'k', token: 1, mode: 'shared' }))).rejects.toThrow(
      UnsupportedError,
    )
    await expect(fenced(database, 0)).rejects.toThrow(UnsupportedError)
    await expect(fenced(database, 2 ** 53)).rejects.toThrow(UnsupportedError)
    await expect(fenced(database, 1, { table: 'nowhere' })).rejects.toThrow(/schema\('sqlite'\)/)
    await expect(fenced(database, 1, { table: 'a; DROP TABLE account' })).rejects.toThrow(ConfigurationError)
    expect(() => fromNodeSqlite(database)).toThrow(ConfigurationError)
  })
})
