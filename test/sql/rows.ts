/** What holdfast/sql does with rows of the user's own, on every dialect and through every client of a database. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ConfigurationError,
  StaleTokenError,
  UnsupportedError,
  VersionConflictError,
  WaitTimeoutError,
} from '../../src/index.ts'
import {
  fencedUpdate,
  fencedUpdateStatements,
  idempotent,
  idempotentStatements,
  fence,
  lockRow,
  lockRowStatement,
  retryTransaction,
  sweep,
  sweepStatements,
  updateVersioned,
  updateVersionedStatements,
} from '../../src/sql/index.ts'
import type { FencedUpdate, IdempotentOptions, SqlTransaction } from '../../src/sql/index.ts'
import type { Database, Session } from './databases.ts'

const NAMES_OF_ATTACKERS = ['a"; DROP TABLE account; --', 'a`b', "a' OR '1'='1", 'a?', 'a$1', '', 'a.b.c', '1']
const KEY = 'account:7'

export function describeRows(title: string, make: () => Promise<Database>): void {
  describe(`rows on ${title}`, () => rows(title, make))
}

function rows(title: string, make: () => Promise<Database>): void {
  let database: Database
  let one: Session
  let other: Session
  beforeAll(async () => {
    database = await make()
    one = await database.connect()
    other = await database.connect()
    await one.run(
      'CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, state VARCHAR(40), version BIGINT, fence_token BIGINT)',
    )
  })
  afterAll(() => database.end())

  let count = 0
  /** A new row, with 100 in it. */
  async function account(fields: { readonly version?: number; readonly token?: number } = {}): Promise<{ id: number }> {
    count += 1
    const { version = 1, token = null } = fields
    await one.run('INSERT INTO account VALUES (?, 100, ?, ?, ?)', [count, 'open', version, token])
    return { id: count }
  }
  const rowOf = async ({ id }: { readonly id: number }): Promise<Record<string, unknown>> => {
    const [row = {}] = await one.run('SELECT * FROM account WHERE id = ?', [id])
    return Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, isInteger(value) ? Number(value) : value]),
    )
  }

  describe(`a fenced update on ${title}`, () => {
    const update = (session: Session, token: number, change: Partial<FencedUpdate>): Promise<number> =>
      session.within(tx =>
        fencedUpdate(tx, { key: KEY, token }, { table: 'account', where: {}, set: { balance: 90 }, ...change }),
      )

    test('writes the row and its token, over NULL, a smaller one and the same', async () => {
      const where = await account()
      for (const token of [5, 5, 1_795_240_547_670_301]) {
        expect(await update(one, token, { where, set: { balance: token % 97 } })).toBe(1)
        expect(await rowOf(where)).toMatchObject({ balance: token % 97, fence_token: token })
      }
    })

    test('refuses an older token, and writes nothing', async () => {
      const where = await account({ token: 9 })
      const error = await update(one, 8, { where }).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(StaleTokenError)
      expect(error).toMatchObject({ key: KEY, token: 8, newest: 9 })
      expect(await rowOf(where)).toMatchObject({ balance: 100, fence_token: 9 })
    })

    test('refuses all rows if one of them is newer', async () => {
      const [first, second] = [await account({ token: 1 }), await account({ token: 9 })]
      await one.run("UPDATE account SET state = 'both' WHERE id >= ?", [first.id])
      await expect(update(one, 8, { where: { state: 'both' } })).rejects.toThrow(StaleTokenError)
      expect(await update(one, 9, { where: { state: 'both' }, set: { state: 'done' } })).toBe(2)
      expect([await rowOf(first), await rowOf(second)]).toMatchObject([{ state: 'done' }, { state: 'done' }])
    })

    test('says 0 where there is no such row', async () => {
      expect(await update(one, 5, { where: { id: 0 } })).toBe(0)
    })

    test('waits for a transaction that has locked the row, and then sees its token', async () => {
      const where = await account({ token: 1 })
      const tx = await one.begin()
      await fencedUpdate(tx, { key: KEY, token: 9 }, { table: 'account', where, set: { balance: 50 } })
      const late = update(other, 8, { where }).catch((error: unknown) => error)
      await sleep(50)
      await one.commit()
      expect(await late).toBeInstanceOf(StaleTokenError)
      expect(await rowOf(where)).toMatchObject({ balance: 50, fence_token: 9 })
    })

    test('takes a column of another name, and NULL for IS NULL', async () => {
      const where = await account()
      expect(await update(one, 5, { where: { ...where, fence_token: null }, tokenColumn: 'version' })).toBe(1)
      expect(await rowOf(where)).toMatchObject({ version: 5, fence_token: null })
    })

    test('refuses what it could not mean', async () => {
      const where = await account()
      for (const change of [
        {},
        { where: {}, set: {} },
        { where, set: { fence_token: 3 } },
        { where, table: 'nowhere' },
        { where, tokenColumn: 'state' },
        { where: { missing: 'missing' } },
        { where, set: { missing: 1 } },
        ...NAMES_OF_ATTACKERS.flatMap(name => [
          { where, table: name },
          { where, tokenColumn: name },
          { where, set: { [name]: 1 } },
          { where: { [name]: 1 } },
        ]),
      ]) {
        await expect(update(one, 5, change), JSON.stringify(change)).rejects.toThrow(ConfigurationError)
      }
      for (const value of [undefined, { id: 7 }, [7], () => 7]) {
        // @ts-expect-error  not a value, as JavaScript may give it
        await expect(update(one, 5, { where: { id: value } })).rejects.toThrow(ConfigurationError)
      }
      await expect(update(one, 0, { where })).rejects.toThrow(UnsupportedError)
      expect(await rowOf(where)).toMatchObject({ balance: 100 })
    })

    test('binds values, whatever they look like', async () => {
      const where = await account()
      for (const state of ["'; DROP TABLE account; --", '? $1 :a', "\\' OR 1=1 -- "]) {
        expect(await update(one, 5, { where, set: { state } })).toBe(1)
        expect(await update(one, 5, { where: { ...where, state }, set: { balance: 1 } })).toBe(1)
        expect(await rowOf(where)).toMatchObject({ state })
      }
      expect(await update(one, 5, { where: { state: "nobody' OR '1'='1" } })).toBe(0)
    })

    test('gives its statements to those with another client', async () => {
      const where = await account({ token: 4 })
      const plan = fencedUpdateStatements(
        database.dialect,
        { key: KEY, token: 5 },
        { table: 'account', where, set: { balance: 7 } },
      )
      await one.within(async tx => {
        expect(plan.judge(await tx.rows(plan.read.text, plan.read.values))).toBe(1)
        await tx.execute(plan.write.text, plan.write.values)
      })
      expect(await rowOf(where)).toMatchObject({ balance: 7, fence_token: 5 })
    })
  })

  describe(`a locked row on ${title}`, () => {
    test('is given, and nobody else gets it before the transaction ends', async () => {
      const where = await account()
      const tx = await one.begin()
      const row = await lockRow(tx, { table: 'account', where })
      expect(row).toMatchObject({ state: 'open' })
      let got = false
      const next = other.within(async later => {
        const read = await lockRow(later, { table: 'account', where })
        got = true
        return read
      })
      await sleep(50)
      expect(got).toBe(false)
      await tx.execute("UPDATE account SET state = 'changed' WHERE state = 'open'", [])
      await one.commit()
      expect(await next).toMatchObject({ state: 'changed' })
    })

    test('is null where there is none', async () => {
      expect(await one.within(tx => lockRow(tx, { table: 'account', where: { id: 0 } }))).toBeNull()
    })

    test.each([0, 40, '60ms'] as const)('is waited for no longer than %s', async wait => {
      const where = await account()
      await lockRow(await one.begin(), { table: 'account', where })
      const late = await other.begin({ repeatable: database.dialect === 'sqlite' })
      const error = await lockRow(late, { table: 'account', where, wait }).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(WaitTimeoutError)
      await other.rollback()
      await one.commit()
      expect(await other.within(tx => lockRow(tx, { table: 'account', where, wait }))).not.toBeNull()
    })

    test('leaves the limit for waits of the transaction as it was', async () => {
      const where = await account()
      const limit = {
        postgres: "SELECT current_setting('lock_timeout') AS value",
        mysql: 'SELECT @@SESSION.innodb_lock_wait_timeout AS value',
        sqlite: 'PRAGMA busy_timeout',
      }[database.dialect]
      await one.within(async tx => {
        const before = await tx.rows(limit, [])
        for (const wait of [7_000, Infinity]) await lockRow(tx, { table: 'account', where, wait })
        expect(await tx.rows(limit, [])).toEqual(before)
      })
    })

    test("is shared with others who only read, but for SQLite, whose file is one writer's", async () => {
      const where = await account()
      if (database.dialect === 'sqlite') {
        await lockRow(await one.begin(), { table: 'account', where, mode: 'share' })
        const late = await other.begin({ repeatable: true })
        await expect(lockRow(late, { table: 'account', where, mode: 'share' })).rejects.toThrow(WaitTimeoutError)
        await other.rollback()
        await one.commit()
        return
      }
      await lockRow(await one.begin(), { table: 'account', where, mode: 'share' })
      expect(
        await other.within(tx => lockRow(tx, { table: 'account', where, mode: 'share', wait: '1s' })),
      ).not.toBeNull()
      await expect(other.within(tx => lockRow(tx, { table: 'account', where, wait: 0 }))).rejects.toThrow(
        WaitTimeoutError,
      )
      await one.commit()
    })

    test('is refused where table or column are not there, or could be something else', async () => {
      const where = await account()
      await expect(one.within(tx => lockRow(tx, { table: 'nowhere', where }))).rejects.toThrow(ConfigurationError)
      // SQLite would take a column that is not there for a text, in double quotes, and find every row.
      const odd = { missing: 'missing' }
      await expect(one.within(tx => lockRow(tx, { table: 'account', where: odd }))).rejects.toThrow(ConfigurationError)
      for (const table of NAMES_OF_ATTACKERS)
        await expect(
          one.within(tx => lockRow(tx, { table, where })),
          table,
        ).rejects.toThrow(ConfigurationError)
    })

    test('comes by a statement for those with another client', async () => {
      const where = await account()
      const { text, values } = lockRowStatement(database.dialect, { table: 'account', where, wait: 0 })
      expect(await one.within(tx => tx.rows(text, values))).toHaveLength(1)
    })
  })

  describe(`a versioned update on ${title}`, () => {
    const update = (tx: SqlTransaction, where: { readonly id: number }, version: number): Promise<number> =>
      updateVersioned(tx, { table: 'account', where, version, set: { balance: version } })

    test('writes, and counts the version on', async () => {
      const where = await account({ version: 3 })
      expect(await one.within(tx => update(tx, where, 3))).toBe(4)
      expect(await one.within(tx => update(tx, where, 4))).toBe(5)
      expect(await rowOf(where)).toMatchObject({ balance: 4, version: 5 })
    })

    test('refuses another version, tells which, and writes nothing', async () => {
      const where = await account({ version: 7 })
      for (const version of [6, 8]) {
        const error = await one.within(tx => update(tx, where, version)).catch((error: unknown) => error)
        expect(error).toBeInstanceOf(VersionConflictError)
        expect(error).toMatchObject({ current: 7 })
      }
      const error = await one.within(tx => update(tx, { id: 0 }, 1)).catch((error: unknown) => error)
      expect(error).toMatchObject({ name: 'VersionConflictError', current: null })
      expect(await rowOf(where)).toMatchObject({ balance: 100, version: 7 })
    })

    test('lets one of two through who read the same version', async () => {
      const where = await account({ version: 1 })
      const results = await Promise.allSettled([one, other].map(session => session.within(tx => update(tx, where, 1))))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: expect.any(VersionConflictError),
      })
    })

    test('loses no increment when those who are refused read again', async () => {
      const where = await account({ version: 1 })
      const increment = (session: Session): Promise<void> =>
        retryTransaction(
          async () => {
            const [row] = await session.run('SELECT balance, version FROM account WHERE id = ?', [where.id])
            const balance = Number(row?.['balance']) + 1
            await session.within(tx =>
              updateVersioned(tx, { table: 'account', where, version: Number(row?.['version']), set: { balance } }),
            )
          },
          { attempts: 100 },
        )
      const tenTimes = async (session: Session): Promise<void> => {
        for (let index = 0; index < 10; index += 1) await increment(session)
      }
      await Promise.all([tenTimes(one), tenTimes(other)])
      expect(await rowOf(where)).toMatchObject({ balance: 120, version: 21 })
    })

    test('refuses what it could not mean', async () => {
      const where = await account()
      for (const version of [1.5, Number.NaN, 2 ** 53 - 1])
        await expect(one.within(tx => update(tx, where, version))).rejects.toThrow(ConfigurationError)
      const odd = { table: 'account', where, version: 1, set: { version: 9 } }
      await expect(one.within(tx => updateVersioned(tx, odd))).rejects.toThrow(ConfigurationError)
      for (const versionColumn of [...NAMES_OF_ATTACKERS, 'missing']) {
        const change = { table: 'account', where, version: 1, set: {}, versionColumn }
        await expect(one.within(tx => updateVersioned(tx, change))).rejects.toThrow(ConfigurationError)
      }
    })

    test('gives its statements to those with another client', async () => {
      const where = await account({ version: 1 })
      const change = { table: 'account', where, version: 1, set: { balance: 5 } }
      const { read, write, judge } = updateVersionedStatements(database.dialect, change)
      await one.within(async tx => {
        expect(judge(await tx.rows(read.text, read.values))).toBe(2)
        await tx.execute(write.text, write.values)
      })
      expect(await rowOf(where)).toMatchObject({ balance: 5, version: 2 })
    })
  })

  describe(`what is done once on ${title}`, () => {
    const once = <T>(session: Session, key: string, value: T, options?: IdempotentOptions) =>
      session.within(tx => idempotent(tx, key, async () => value, options))

    test.each([[{ paid: 20, at: ['a', null] }], [null], [undefined], [''], [0], ['Ж🔒\0']])(
      'gives what it came to again: %j',
      async value => {
        const key = `value:${(count += 1)}`
        expect(await once(one, key, value)).toEqual({ first: true, value })
        expect(await once(other, key, 'never')).toEqual({ first: false, value })
      },
    )

    test('gives the first time, too, what JSON makes of it', async () => {
      const at = new Date(0)
      expect(await once(one, 'a date', { at })).toEqual({ first: true, value: { at: at.toJSON() } })
    })

    test('is not recorded where the task fails, or what it gives cannot be', async () => {
      const failing = (tx: SqlTransaction): Promise<unknown> =>
        idempotent(tx, 'fails', () => Promise.reject(new Error('no money')))
      await expect(one.within(failing)).rejects.toThrow('no money')
      // Also where the transaction is committed all the same.
      await one.within(tx => failing(tx).catch(() => undefined))
      await expect(once(one, 'fails', 5n)).rejects.toThrow(ConfigurationError)
      expect(await once(one, 'fails', 'paid')).toEqual({ first: true, value: 'paid' })
    })

    test('makes the second wait for the first, and be the first if that one rolls back', async () => {
      for (const [key, ending] of [
        ['commits', 'commit'],
        ['rolls back', 'rollback'],
      ] as const) {
        const tx = await one.begin()
        await idempotent(tx, key, async () => 'of the first')
        const second = once(other, key, 'of the second')
        await sleep(50)
        await one[ending]()
        expect(await second).toEqual(
          ending === 'commit' ? { first: false, value: 'of the first' } : { first: true, value: 'of the second' },
        )
      }
    })

    test('refuses a key that was used for something else', async () => {
      await once(one, 'shared', 1, { fingerprint: 'a' })
      expect(await once(one, 'shared', 2, { fingerprint: 'a' })).toEqual({ first: false, value: 1 })
      expect(await once(one, 'shared', 2)).toEqual({ first: false, value: 1 })
      await expect(once(one, 'shared', 2, { fingerprint: 'A' })).rejects.toThrow('used for something else')
    })

    test('tells keys apart, and refuses what is none', async () => {
      const keys = [
        'once',
        'Once',
        'once ',
        'once\0',
        "'; DROP TABLE account; --",
        'x'.repeat(2_000),
        `${'x'.repeat(2_000)}y`,
      ]
      for (const key of keys) expect(await once(one, key, key)).toEqual({ first: true, value: key })
      for (const key of keys) expect(await once(one, key, 'never')).toEqual({ first: false, value: key })
      await expect(once(one, '', 1)).rejects.toThrow(ConfigurationError)
      for (const table of [...NAMES_OF_ATTACKERS, 'nowhere'])
        await expect(once(one, 'k', 1, { table }), table).rejects.toThrow(ConfigurationError)
    })

    test('gives its statements to those with another client', async () => {
      const plan = idempotentStatements(database.dialect, 'by hand')
      const look = (): Promise<ReturnType<typeof plan.judge>> =>
        one.within(async tx => {
          await tx.execute(plan.claim.text, plan.claim.values)
          const known = plan.judge(await tx.rows(plan.read.text, plan.read.values))
          const { text, values } = known.first ? plan.record('done') : plan.forget
          await tx.execute(text, values)
          return known
        })
      expect([await look(), await look(), await look()]).toEqual([
        { first: true },
        { first: false, result: '{"value":"done"}' },
        { first: true },
      ])
    })
  })

  describe(`a sweep on ${title}`, () => {
    const LONG_AGO = { postgres: "'2020-01-01'", mysql: "'2020-01-01'", sqlite: "'2020-01-01T00:00:00.000Z'" }

    test('removes what is older, and nothing else', async () => {
      for (const table of ['holdfast_fences', 'holdfast_idempotency']) await one.run(`DELETE FROM ${table}`)
      const [fences, records] = ['holdfast_fences SET raised_at', 'holdfast_idempotency SET recorded_at']
      for (const key of ['old', 'new']) {
        await one.within(tx => fence(tx, { key, token: 5 }))
        await one.within(tx => idempotent(tx, key, async () => key))
        if (key === 'old')
          for (const column of [fences, records]) await one.run(`UPDATE ${column} = ${LONG_AGO[database.dialect]}`)
      }
      expect(await one.within(tx => sweep(tx, { olderThan: '30d', idempotency: null }))).toBe(1)
      expect(await one.within(tx => sweep(tx, { olderThan: '30d' }))).toBe(1)
      expect(await one.within(tx => sweep(tx, { olderThan: '30d' }))).toBe(0)
      await expect(one.within(tx => fence(tx, { key: 'new', token: 4 }))).rejects.toThrow(StaleTokenError)
    })

    test('refuses what it could not mean', async () => {
      // @ts-expect-error  as JavaScript may say it
      await expect(one.within(tx => sweep(tx, {}))).rejects.toThrow(ConfigurationError)
      for (const fences of [...NAMES_OF_ATTACKERS, 'nowhere'])
        await expect(one.within(tx => sweep(tx, { olderThan: '1d', fences }))).rejects.toThrow(ConfigurationError)
      expect(sweepStatements(database.dialect, { olderThan: '1d' }).map(({ table }) => table)).toEqual([
        'holdfast_fences',
        'holdfast_idempotency',
      ])
    })
  })
}

function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || (typeof value === 'string' && /^\d+$/.test(value))
}
