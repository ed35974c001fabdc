/**
 * MySQL and MariaDB as people have them: pools of their own, other defaults, users who may little, an operator's look.
 */
import { randomUUID } from 'node:crypto'
import { createPool as createCallbackPool } from 'mysql2'
import { createConnection, createPool } from 'mysql2/promise'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ConfigurationError } from '../../src/base/errors.ts'
import { tokenCases } from '../../src/conformance/cases/tokens.ts'
import { viewCases } from '../../src/conformance/cases/views.ts'
import { registerGroups } from '../../src/conformance/suite.ts'
import { migrationOf } from '../../src/drivers/mysql/migration.ts'
import { connect } from '../../src/drivers/mysql/connection.ts'
import { statement } from '../../src/drivers/mysql/statements.ts'
import { createSweeper } from '../../src/drivers/mysql/sweeper.ts'
import { mysqlStore } from '../../src/drivers/mysql.ts'
import { createLocks } from '../../src/locks/locks.ts'
import { obstacleOf } from '../../src/servers/find.ts'
import { MARIADB } from '../../src/servers/mysql.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import type { Store } from '../../src/store/contract.ts'
import { createSite } from '../support/holdfast.ts'
import { migrate, onDatabase } from '../support/mysql-database.ts'
import { describeWithStore } from '../support/stores.ts'
import { read } from '../tidy/sources.ts'

const IO = { timeoutMs: 10_000 }
const REQUEST = {
  holder: '',
  mode: 'exclusive',
  limit: null,
  waiterTtlMs: 5_000,
  queue: true,
  tokens: 1,
  meta: {},
} as const
const START_MS = 90_000

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.toReversed()) await end()
  ends = []
})

/** One section, by a store of its own namespace. */
async function section(store: Store): Promise<number> {
  const locks = createLocks(store, { wait: '10s' })
  const token = await locks.run('account:7', lease => lease.token)
  expect(await locks.inspect('account:7')).toBeNull()
  await locks.close()
  return token
}

for (const name of ['mariadb', 'mysql']) {
  describeWithStore(name, `what people have on ${name}`, url => {
    beforeAll(() => migrate(url), START_MS)

    test('a pool of promises lends a connection, and is left open', async () => {
      const pool = createPool({ uri: url, connectionLimit: 2 })
      ends.push(() => pool.end())
      expect(await section(mysqlStore(pool, { namespace: randomUUID() }))).toBeGreaterThan(0)
      await pool.query('SELECT 1')
    })

    test('a pool of callbacks too, whatever it is told about time, numbers and casts', async () => {
      const odd = { dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, decimalNumbers: true } as const
      const pool = createCallbackPool({ uri: url, connectionLimit: 1, rowsAsArray: true, timezone: '+09:00', ...odd })
      ends.push(() => pool.promise().end())
      expect(await section(mysqlStore(pool, { namespace: randomUUID() }))).toBeGreaterThan(0)
    })

    test('a connection that was given back in the middle of a transaction is no trap', async () => {
      const pool = createPool({ uri: url, connectionLimit: 1 })
      ends.push(() => pool.end())
      const careless = await pool.getConnection()
      await careless.query('SET SESSION autocommit = 0')
      await careless.beginTransaction()
      careless.release()
      const namespace = randomUUID()
      const locks = createLocks(mysqlStore(pool, { namespace }))
      const lease = await locks.acquire('account:7')
      const other = mysqlStore(url, { namespace })
      ends.push(() => other.close())
      expect(await other.inspect('account:7', IO)).toMatchObject({ holders: [{ token: lease.token }] })
      await locks.close()
    })

    test('a single connection is refused, since it may be inside a transaction', async () => {
      const connection = await createConnection(url)
      ends.push(() => connection.end())
      // @ts-expect-error From JavaScript, this is what somebody will try.
      expect(() => mysqlStore(connection)).toThrow(/ConfigurationError|no pool of mysql2/)
    })

    test('an operator sees who holds what until when, and no ids', async () => {
      const namespace = randomUUID()
      const store = mysqlStore(url, { namespace })
      ends.push(() => store.close())
      const who = { key: 'account:7', limit: null, ttlMs: 20_000, waiterTtlMs: 5_000, queue: true, tokens: 1 } as const
      const ask = (holder: string, mode: 'exclusive' | 'shared', meta = {}): ReturnType<Store['enter']> =>
        store.enter({ ...who, id: randomUUID(), holder, mode, meta }, IO)
      await ask('ada', 'shared', { why: 'payday' })
      await ask('bob', 'shared')
      await ask('cyn', 'exclusive')
      const rows = await onDatabase(url, async admin => {
        const select =
          'SELECT *, TIMESTAMPDIFF(SECOND, since_utc, until_utc) AS life FROM holdfast_locks WHERE namespace = ?'
        const [found] = await admin.query(select, [namespace])
        return found
      })
      expect(rows).toMatchObject([
        { lock_key: 'account:7', holder: 'ada', state: 'holds', mode: 'shared', life: 20, meta: { why: 'payday' } },
        { lock_key: 'account:7', holder: 'bob', state: 'holds', mode: 'shared', life: 20 },
        { lock_key: 'account:7', holder: 'cyn', state: 'waits', mode: 'exclusive', life: 5 },
      ])
      expect(Object.keys(Array.isArray(rows) ? (rows[0] ?? {}) : {})).not.toContain('id')
    })

    test('rows that nobody needs are removed as the work goes on, and no others', { timeout: START_MS }, async () => {
      const database = `db_${randomUUID().replaceAll('-', '')}`
      await onDatabase(url, admin => admin.query(`CREATE DATABASE ${database}`))
      ends.push(() => onDatabase(url, admin => admin.query(`DROP DATABASE ${database}`)))
      const there = String(Object.assign(new URL(url), { pathname: `/${database}` }))
      await migrate(there)
      const store = mysqlStore(there)
      ends.push(() => store.close())
      for (const [key, ttlMs] of Object.entries({ 'old:1': 200, 'old:2': 200, held: 300_000, young: 200 }))
        await store.enter({ ...REQUEST, key, id: key, ttlMs }, IO)
      await onDatabase(there, admin => admin.query("UPDATE holdfast_records SET token_end = 1 WHERE name <> 'young'"))
      const connection = connect(there)
      ends.push(() => connection.close())
      const sweeper = createSweeper((text, values, io) => connection.use(link => link.ask(statement(text, values)), io))
      const left = async (): Promise<readonly string[]> => {
        const [rows] = await onDatabase(there, admin => admin.query('SELECT name FROM holdfast_records'))
        return Array.isArray(rows) ? rows.map(row => ('name' in row ? String(row['name']) : '')).toSorted() : []
      }
      await vi.waitFor(
        async () => {
          for (let writes = 0; writes < 64; writes += 1) sweeper.wrote()
          expect(await left()).toEqual(['held', 'young'])
        },
        { timeout: 60_000, interval: 20 },
      )
    })

    test('the command line runs under a lock, and ends when the command does', async () => {
      const site = createSite()
      ends.push(() => site.clear())
      const store = ['--store', url, '--namespace', randomUUID()]
      const ran = await site.holdfast(['run', ...store, 'report', '--', 'sh', '-c', 'echo $HOLDFAST_FENCING_TOKEN'])
      expect(ran).toMatchObject({ code: 0, stderr: '' })
      expect(Number(ran.stdout)).toBeGreaterThan(1e15)
    })

    test('what is printed for migrations of one’s own makes a database that opens', async () => {
      const database = `db_${randomUUID().replaceAll('-', '')}`
      await onDatabase(url, async admin => {
        await admin.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb3`)
        await admin.query(`USE ${database}`)
        for (const statement of migrationOf(url).print().split(/;\n/))
          if (statement.trim()) await admin.query(statement)
      })
      const there = new URL(url)
      there.pathname = `/${database}`
      const namespace = 'ä'.repeat(128)
      const store = mysqlStore(String(there), { namespace })
      const locks = createLocks(store)
      // 1,024 bytes, and letters that a collation would fold.
      const keys = ['€'.repeat(341) + 'x', '€'.repeat(341) + 'X', 'a', 'a ', 'ä', 'a\0']
      const leases = await Promise.all(keys.map(key => locks.acquire(key, { wait: 0 })))
      expect(new Set(leases.map(lease => lease.key)).size).toBe(keys.length)
      await locks.close()
      await onDatabase(url, admin => admin.query(`DROP DATABASE ${database}`))
    })

    test('users with the privileges of the page can do what they must, and nothing else', async () => {
      const database = `db_${randomUUID().replaceAll('-', '').slice(0, 12)}`
      const suffix = database.slice(-6)
      const [migrating, running] = sqlOfPage(database, suffix)
      const as = (user: string): string => {
        const there = new URL(url)
        ;[there.username, there.password, there.pathname] = [`${user}_${suffix}`, 'secret', `/${database}`]
        return String(there)
      }
      const apply = (statements: readonly string[]): Promise<void> =>
        onDatabase(url, async admin => {
          for (const statement of statements) await admin.query(statement)
        })
      await apply([`CREATE DATABASE ${database}`, ...migrating])
      ends.push(() => apply([`DROP DATABASE ${database}`]))
      const users = ['holdfast_migrate', 'holdfast', 'holdfast_watch'].map(
        user => `DROP USER IF EXISTS ${user}_${suffix}`,
      )
      ends.push(() => apply(users))
      await migrate(as('holdfast_migrate'))
      await apply(running)
      await migrate(as('holdfast_migrate'))
      expect(await section(mysqlStore(as('holdfast')))).toBeGreaterThan(0)

      const denied = async (user: string, statement: string): Promise<void> => {
        const asking = onDatabase(as(user), connection => connection.query(statement))
        await expect(asking, `${user}: ${statement}`).rejects.toThrow(/denied/)
      }
      for (const table of ['holdfast_records', 'holdfast_layout']) await denied('holdfast', `DROP TABLE ${table}`)
      await denied('holdfast', 'ALTER TABLE holdfast_records ADD COLUMN more INT')
      await denied('holdfast', 'UPDATE holdfast_layout SET layout = 99')
      await denied('holdfast', 'CREATE TABLE other (id INT)')
      await denied('holdfast_migrate', 'CREATE TABLE other (id INT)')
      await denied('holdfast_watch', 'SELECT id, sole FROM holdfast_records')
      await denied('holdfast_watch', 'DELETE FROM holdfast_records')
      await onDatabase(as('holdfast_watch'), connection => connection.query('SELECT * FROM holdfast_locks'))
      await expect(migrationOf(as('holdfast')).apply(IO)).rejects.toThrow(ConfigurationError)
    })
  })
}

/** The two blocks of SQL in docs/drivers/mysql.md, for a database and users of the test's own. */
function sqlOfPage(database: string, suffix: string): readonly [readonly string[], readonly string[]] {
  const blocks = [...read('docs/drivers/mysql.md').matchAll(/^```sql\n([^`]*?)^```/gm)].map(([, text = '']) =>
    text
      .replaceAll('shop.', `${database}.`)
      .replaceAll(/'(holdfast\w*)'@/g, `'$1_${suffix}'@`)
      .split(/;\n/)
      .filter(statement => /^(CREATE USER|GRANT)/.test(statement.trim())),
  )
  const [migrating = [], running = []] = blocks.filter(statements => statements.length > 0)
  expect(migrating.length).toBeGreaterThan(0)
  expect(running.length).toBeGreaterThan(0)
  return [migrating, running]
}

describeWithStore('mysql', 'a MySQL with TLS', url => {
  beforeAll(() => migrate(url), START_MS)

  test('a connection is encrypted where the address asks for it, and a certificate that nobody vouches for is refused', async () => {
    const at = (mode: string): Store => mysqlStore(`${url}?ssl-mode=${mode}`, { namespace: randomUUID() })
    expect(await section(at('REQUIRED'))).toBeGreaterThan(0)
    const store = at('VERIFY_IDENTITY')
    ends.push(() => store.close())
    await expect(store.inspect('account:7', IO)).rejects.toThrow(/certificate/)
  })
})

const obstacle = obstacleOf(MARIADB)
if (obstacle === null) {
  describe('a server with other defaults: its time zone, its character set, its modes', () => {
    let server: FaultServer
    beforeAll(async () => {
      const modes = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,IGNORE_SPACE,HIGH_NOT_PRECEDENCE'
      server = await startServer(MARIADB, {
        args: [
          ...['--default-time-zone=+05:30', '--character-set-server=latin1', '--collation-server=latin1_german1_ci'],
          ...[`--sql-mode=${modes}`, '--lower-case-table-names=1', '--autocommit=0'],
          ...['--transaction-isolation=SERIALIZABLE', '--wait-timeout=2', '--sysdate-is-now'],
        ],
      })
      await migrate(server.address)
    }, START_MS)
    afterAll(() => server.close())
    const make = async (storage: string): Promise<Store> => {
      const store = mysqlStore(server.address, { namespace: storage })
      await store.connect?.(IO)
      return store
    }
    const runner = { describe, test, beforeAll, afterAll }
    const groups = { tokens: tokenCases, 'what people see': viewCases }
    registerGroups('mysql with other defaults', groups, make, runner, { coldMs: 100 })

    test('a connection that the server has ended for idleness is made anew', async () => {
      const store = await make(randomUUID())
      ends.push(() => store.close())
      await new Promise(resolve => setTimeout(resolve, 3_500))
      expect(await store.inspect('account:7', IO)).toBeNull()
    })
  })
} else test('a server with other defaults', context => context.skip(obstacle))
