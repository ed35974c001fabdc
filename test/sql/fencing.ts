/** What a fence owes its user, on every dialect and through every client of a database. */
import { channel } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ConfigurationError,
  createLocks,
  StaleTokenError,
  UnsupportedError,
  WaitTimeoutError,
} from '../../src/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { fence, fenceStatements } from '../../src/sql/index.ts'
import type { FenceOptions, SqlTransaction } from '../../src/sql/index.ts'
import type { Database, Session } from './databases.ts'

const WRONG_TYPES = {
  postgres: ['text', 'varchar(40)', 'integer', 'boolean', 'timestamptz'],
  mysql: ['INT', 'FLOAT', 'DATE', 'VARCHAR(3)'],
  sqlite: ['TEXT'],
}
const TOKEN = 1_795_240_547_670_301

export function describeFence(title: string, make: () => Promise<Database>): void {
  describe(`a fence on ${title}`, () => {
    let database: Database
    let one: Session
    let other: Session
    beforeAll(async () => {
      database = await make()
      one = await database.connect()
      other = await database.connect()
      await one.run('CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)')
      await one.run('INSERT INTO account VALUES (7, 100)')
    })
    afterAll(() => database.end())

    let count = 0
    const unused = (): string => `account:${(count += 1)}`
    const fenced = (session: Session, key: string, token: number, options?: FenceOptions): Promise<void> =>
      session.within(tx => fence(tx, { key, token }, options))

    test('lets the first token in, the same one again, and greater ones', async () => {
      const key = unused()
      for (const token of [5, 5, TOKEN, TOKEN]) await fenced(one, key, token)
      await fenced(other, key, TOKEN)
    })

    test('refuses an older token, and tells both', async () => {
      const key = unused()
      await fenced(one, key, TOKEN)
      const error = await fenced(other, key, TOKEN - 1).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(StaleTokenError)
      expect(error).toMatchObject({ key, resource: key, token: TOKEN - 1, newest: TOKEN })
    })

    test('refuses a late holder after its successor has read and before it has written', async () => {
      const locks = createLocks(memoryStore())
      const key = unused()
      const late = await locks.acquire(key)
      await locks.revoke(key, { reason: 'stands for a pause', tickets: 'all', now: true })
      const next = await locks.acquire(key)
      const tx = await one.begin()
      await fence(tx, next)
      await tx.rows('SELECT balance FROM account WHERE id = 7', [])
      const refused = fenced(other, key, late.token).catch((error: unknown) => error)
      await tx.execute('UPDATE account SET balance = 90 WHERE id = 7', [])
      await one.commit()
      expect(await refused).toBeInstanceOf(StaleTokenError)
      await next.release()
      await late.release()
      await locks.close()
    })

    test('keeps its height when the transaction commits, and not when it rolls back', async () => {
      const key = unused()
      await fence(await one.begin(), { key, token: 9 })
      await one.rollback()
      await fenced(one, key, 3)
      await expect(fenced(other, key, 2)).rejects.toThrow(StaleTokenError)
    })

    test('makes the next wait until the transaction that raised it has ended', async () => {
      const key = unused()
      const tx = await one.begin()
      await fence(tx, { key, token: 5 })
      let passed = false
      const next = fenced(other, key, 6).then(() => {
        passed = true
      })
      await sleep(100)
      expect(passed).toBe(false)
      await one.commit()
      await next
      expect(passed).toBe(true)
    })

    test('fails typed where the transaction in front outlives the limit for row locks', async () => {
      const key = unused()
      const impatient = await database.connect()
      await impatient.limitWaits(50)
      const tx = await one.begin()
      await fence(tx, { key, token: 5 })
      // Begun so that also on SQLite it is the fence that waits.
      const late = await impatient.begin({ repeatable: database.dialect === 'sqlite' })
      await expect(fence(late, { key, token: 6 })).rejects.toThrow(WaitTimeoutError)
      await impatient.rollback()
      await one.commit()
      await fenced(impatient, key, 6)
    })

    test('reads the newest token also where the transaction has an older snapshot', async () => {
      const key = unused()
      await fenced(one, key, 5)
      const tx = await one.begin({ repeatable: true })
      await tx.rows('SELECT balance FROM account WHERE id = 7', [])
      await fenced(other, key, 9)
      const error = await fence(tx, { key, token: 7 }).catch((error: unknown) => error)
      await one.rollback()
      // MySQL reads under the row's lock; the others (and a MariaDB that compares snapshots) refuse the transaction.
      expect(inspect(error)).toMatch(/StaleTokenError|could not serialize|database is locked|has changed/)
    })

    test('stands for one resource alone', async () => {
      const key = unused()
      await fenced(one, key, 9, { resource: `${key}:other` })
      await fenced(one, key, 3)
    })

    test('tells resources apart, however odd they are', async () => {
      const long = 'ключ'.repeat(400)
      const odd = ['a', 'A', 'á', 'a ', 'a\0b', 'a\0c', 'a\ud800', 'a\ud801', 'a\ufffd', '🔒', '🔑', '']
      const kept = ['json:', 'json:"a\\u0000b"', 'sha256:a', 'x'.repeat(513), `${'x'.repeat(513)}y`, long, `${long}!`]
      const resources = [...odd, ...kept]
      const height = (index: number): number => 1_000 - index
      await one.within(async tx => {
        for (const [index, resource] of resources.entries())
          await fence(tx, { key: 'odd', token: height(index) }, { resource })
      })
      for (const [index, resource] of resources.entries()) {
        await fenced(one, 'odd', height(index), { resource })
        await expect(fenced(one, 'odd', height(index) - 1, { resource })).rejects.toThrow(StaleTokenError)
      }
    })

    test('takes NULL in the token column for no token yet', async () => {
      await one.run(
        'CREATE TABLE empty_fences (resource VARCHAR(600) PRIMARY KEY, token BIGINT, raised_at VARCHAR(40))',
      )
      await one.run("INSERT INTO empty_fences (resource) VALUES ('account:7')")
      await fenced(one, 'account:7', 5, { table: 'empty_fences' })
      await expect(fenced(one, 'account:7', 4, { table: 'empty_fences' })).rejects.toThrow(StaleTokenError)
    })

    test('refuses a table that cannot keep tokens, or is missing, and says what to do', async () => {
      for (const [index, type] of WRONG_TYPES[database.dialect].entries()) {
        const table = `wrong_${index}`
        await one.run(`CREATE TABLE ${table} (resource VARCHAR(40) PRIMARY KEY, token ${type}, raised_at VARCHAR(40))`)
        await expect(fenced(one, 'account:7', TOKEN, { table }), type).rejects.toThrow(ConfigurationError)
      }
      await expect(fenced(one, 'account:7', 1, { table: 'nowhere' })).rejects.toThrow(/schema\('/)
    })

    test('refuses a table in which a resource can stand twice', async () => {
      await one.run('CREATE TABLE keyless (resource VARCHAR(40), token BIGINT, raised_at VARCHAR(40))')
      await one.run("INSERT INTO keyless VALUES ('account:7', 1, '')")
      await expect(fenced(one, 'account:7', 5, { table: 'keyless' })).rejects.toThrow(ConfigurationError)
    })

    test('quotes the name of its table, and takes none that could be anything else', async () => {
      const sane = 'my fences-2'
      const quote = database.dialect === 'postgres' ? '"' : '`'
      const [fences = ''] =
        /CREATE TABLE[^;]*;/.exec((await import('../../src/sql/index.ts')).schema(database.dialect)) ?? []
      await one.run(fences.replace('holdfast_fences', `${quote}${sane}${quote}`))
      await fenced(one, 'account:7', 5, { table: sane })
      await expect(fenced(one, 'account:7', 4, { table: sane })).rejects.toThrow(StaleTokenError)
      const attacks = ['a; DROP TABLE account', 'a"; --', 'a`b', "a'", 'a?', 'a$1', 'a\0', '', 'a.b.c', '1 = 1']
      for (const table of attacks)
        await expect(fenced(one, 'account:7', 5, { table }), table).rejects.toThrow(ConfigurationError)
    })

    test('binds what is in a resource, whatever it looks like', async () => {
      for (const resource of ["'; DROP TABLE account; --", '$1', '?', '??', ':a', "\\' OR 1=1 -- ", '%s'])
        await fenced(one, 'k', 5, { resource })
      expect(await one.run('SELECT COUNT(*) AS n FROM account')).toHaveLength(1)
    })

    test('refuses a shared lease, a permit of a semaphore, and tokens that are none', async () => {
      const locks = createLocks(memoryStore())
      const permit = await locks.semaphore('pool', 3).acquire()
      await one.within(async tx => {
        await expect(fence(tx, permit)).rejects.toThrow(UnsupportedError)
        await expect(fence(tx, { key: 'k', token: 5, mode: 'shared' })).rejects.toThrow(UnsupportedError)
        for (const token of [0, -1, 2 ** 53, 1.5, Number.NaN])
          await expect(fence(tx, { key: 'k', token })).rejects.toThrow(UnsupportedError)
      })
      await permit.release()
      await locks.close()
    })

    test('gives its statements to those with another client', async () => {
      const key = unused()
      const raise = async (tx: SqlTransaction, token: number): Promise<void> => {
        const { raise, read, judge } = fenceStatements(database.dialect, { key, token })
        await tx.execute(raise.text, raise.values)
        judge(await tx.rows(read.text, read.values))
      }
      await one.within(tx => raise(tx, 5))
      await expect(one.within(tx => raise(tx, 4))).rejects.toThrow(StaleTokenError)
    })

    test('tells what it let pass and what it refused', async () => {
      const key = unused()
      const told: unknown[] = []
      const listen = (event: unknown): number => told.push(event)
      for (const type of ['fenced', 'stale']) channel(`holdfast:${type}`).subscribe(listen)
      await fenced(one, key, 5)
      await fenced(one, key, 4).catch(() => undefined)
      for (const type of ['fenced', 'stale']) channel(`holdfast:${type}`).unsubscribe(listen)
      expect(told).toEqual([
        { type: 'fenced', resource: key, token: 5, newest: 5 },
        { type: 'stale', resource: key, token: 4, newest: 5 },
      ])
    })
  })
}
