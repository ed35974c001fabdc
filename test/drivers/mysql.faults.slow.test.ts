/**
 * The table of faults in docs/drivers/mysql.md, row by row: may a second grant happen, does the token grow, is the
 * loser told; and what a server or a database that is not as it should be is told.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ConfigurationError, LeaseLostError, StoreUnavailableError } from '../../src/base/errors.ts'
import { migrationOf } from '../../src/drivers/mysql/migration.ts'
import { mysqlStore } from '../../src/drivers/mysql.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Locks, LocksOptions } from '../../src/locks/types.ts'
import { obstacleOf } from '../../src/servers/find.ts'
import { MARIADB } from '../../src/servers/mysql.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import type { Entry, Store, TicketRequest } from '../../src/store/contract.ts'
import { keeperOf, migrate, onDatabase, wipe } from '../support/mysql-database.ts'
import { watchStalls } from '../support/stalls.ts'

const IO = { timeoutMs: 5_000 }
const KEY = 'account:7'
const START_MS = 90_000

let ends: (() => unknown)[] = []
let namespace = ''
afterEach(async () => {
  for (const end of ends.toReversed()) await end()
  ends = []
  namespace = ''
})

/** Of the running test. */
function space(): string {
  return (namespace ||= randomUUID())
}

function storeAt(url: string): Store {
  const store = mysqlStore(url, { namespace: space() })
  ends.push(() => store.close())
  return store
}

function locksAt(url: string, options: LocksOptions = {}): Locks {
  const locks = createLocks(mysqlStore(url, { namespace: space() }), options)
  ends.push(() => locks.close({ drain: 0 }))
  return locks
}

async function proxyTo({ port }: FaultServer): Promise<FaultProxy & { readonly address: string }> {
  const proxy = await startProxy({ port })
  ends.push(() => proxy.close())
  return Object.assign(proxy, { address: `mysql://test:test@127.0.0.1:${proxy.port}/test` })
}

function request(more: Partial<TicketRequest> = {}): TicketRequest {
  const who = { key: KEY, id: randomUUID(), holder: 'test', mode: 'exclusive', limit: null } as const
  return { ...who, ttlMs: 20_000, waiterTtlMs: 5_000, queue: true, tokens: 1, meta: {}, ...more }
}

function tokenOf(entry: Entry): number {
  if (entry.status === 'holds') return entry.token
  throw new Error(`it does not hold: ${entry.status}`)
}

/** Enters until it holds: for the seconds in which a server starts. */
function granted(store: Store, wanted: TicketRequest): Promise<number> {
  return vi.waitFor(async () => tokenOf(await store.enter(wanted, IO)), { timeout: 30_000, interval: 50 })
}

const leave = (store: Store, { key, id }: TicketRequest, forbidMs = 0): Promise<unknown> =>
  store.leave({ key, id, keepMs: 0, forbidMs }, IO)

const renewed = async (store: Store, { key, id }: TicketRequest): Promise<unknown> =>
  (await store.renew([{ key, id, ttlMs: 20_000 }], IO))[0]

const obstacle = obstacleOf(MARIADB)
const faults = (): void => {
  let mariadb: FaultServer
  beforeAll(async () => {
    mariadb = await startServer(MARIADB)
    await migrate(mariadb.address)
  }, START_MS)
  afterAll(() => mariadb.close())

  test('the holder is killed or paused: nobody else holds before its ttl is over, then the next does', async () => {
    const [one, two] = [storeAt(mariadb.address), storeAt(mariadb.address)]
    const before = performance.now()
    const old = tokenOf(await one.enter(request({ ttlMs: 600 }), IO))
    const token = await granted(two, request())
    expect(performance.now() - before).toBeGreaterThanOrEqual(600)
    expect(token).toBeGreaterThan(old)
  })

  test('a process stands still in the middle of any verb: nobody else waits for its row', async () => {
    const proxy = await proxyTo(mariadb)
    const [far, near] = [storeAt(proxy.address), storeAt(mariadb.address)]
    const [holds, waits] = [request(), request()]
    await far.enter(holds, IO)
    await far.enter(waits, IO)
    const verbs = [
      () => far.enter(request(), IO),
      () => far.enter(request({ key: 'free' }), IO),
      () => renewed(far, holds),
      () => leave(far, waits),
      () => leave(far, holds),
    ]
    for (const verb of verbs) {
      proxy.set({ toClient: { hold: true } })
      const standing = verb().catch((error: unknown) => error)
      await sleep(30)
      // A row that is kept would be waited for to the end.
      for (const key of [KEY, 'free']) await near.enter(request({ key, queue: false }), { timeoutMs: 15_000 })
      proxy.clear()
      await standing
    }
  })

  test('the server hangs: of fifty leases each aborts before its ttl is over', { timeout: START_MS }, async () => {
    const stalledMs = watchStalls()
    const locks = locksAt(mariadb.address, { ttl: '3s', storeTimeout: '1s' })
    const leases = await Promise.all(Array.from({ length: 50 }, (_, index) => locks.acquire(`hung:${index}`)))
    const told = leases.map(async lease => {
      if (!lease.signal.aborted)
        await new Promise<void>(resolve => lease.signal.addEventListener('abort', () => resolve(), { once: true }))
      return performance.now()
    })
    await mariadb.pause()
    const hungAt = performance.now()
    const abortedAt = await Promise.all(told).finally(() => mariadb.resume())
    for (const [index, lease] of leases.entries()) {
      expect(() => lease.assertHeld(), `lease ${index}`).toThrow(LeaseLostError)
      expect((abortedAt[index] ?? Infinity) - hungAt, `lease ${index}`).toBeLessThan(3_000 + stalledMs())
    }
  })

  test('the server hangs while a connection is made: calls fail in time, and the next one connects anew', async () => {
    const store = storeAt(mariadb.address)
    await mariadb.pause()
    const before = performance.now()
    await expect(store.enter(request(), { timeoutMs: 300 })).rejects.toMatchObject({ ambiguous: false })
    expect(performance.now() - before).toBeLessThan(5_000)
    mariadb.resume()
    await granted(store, request())
  })

  test('the server is killed and comes back: the lease goes on', { timeout: START_MS }, async () => {
    const store = storeAt(mariadb.address)
    const holds = request({ ttlMs: 60_000 })
    const old = tokenOf(await store.enter(holds, IO))
    await mariadb.kill()
    await expect(store.enter(request({ queue: false }), IO)).rejects.toThrow(StoreUnavailableError)
    await mariadb.restart()
    await vi.waitFor(async () => expect(await renewed(store, holds)).toMatchObject({ status: 'held' }), {
      ...{ timeout: 30_000, interval: 50 },
    })
    const refused = { status: 'refused', holders: [{ token: old }] }
    expect(await store.enter(request({ queue: false }), IO)).toMatchObject(refused)
  })

  test(
    'the server is killed and restarted in a queue of 32: each comes in, one at a time, with growing tokens',
    { timeout: START_MS },
    async () => {
      const options = { ttl: '5s', wait: '80s', storeTimeout: '2s', fair: 'strict' } as const
      const [one, two] = [locksAt(mariadb.address, options), locksAt(mariadb.address, options)]
      const tokens: number[] = []
      let [inside, most, lost] = [0, 0, 0]
      const section = async ({ token }: { readonly token: number }): Promise<void> => {
        most = Math.max(most, (inside += 1))
        tokens.push(token)
        await sleep(5)
        inside -= 1
      }
      const all = Array.from({ length: 32 }, (_, index) =>
        (index % 2 === 0 ? one : two).run(KEY, section).catch((error: unknown) => {
          if (!(error instanceof LeaseLostError)) throw error
          lost += 1
        }),
      )
      await vi.waitFor(() => expect(tokens.length).toBeGreaterThan(3), { timeout: 30_000 })
      await mariadb.kill()
      await mariadb.restart()
      await Promise.all(all)
      expect(most).toBe(1)
      expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b))
      expect(tokens).toHaveLength(32)
      // Who was inside when the server was gone may have learnt that its lease could not be proved any more.
      expect(lost).toBeLessThanOrEqual(2)
    },
  )

  test('the table is emptied: a second grant, with a greater token, and the first holder is told', async () => {
    const lease = await locksAt(mariadb.address, { ttl: '3s' }).acquire(KEY)
    await wipe(mariadb.address, space())
    expect(await granted(storeAt(mariadb.address), request())).toBeGreaterThan(lease.token)
    await vi.waitFor(() => expect(lease.state).toBe('lost'), { timeout: 10_000 })
    expect(lease.signal.aborted).toBe(true)
  })

  test('replies are dropped: who asks again has one ticket, and who gives up leaves none', async () => {
    const proxy = await proxyTo(mariadb)
    const [far, near] = [storeAt(proxy.address), storeAt(mariadb.address)]
    await far.enter(request({ key: 'warm' }), IO)
    const wanted = request()
    proxy.set({ toClient: { drop: true } })
    await expect(far.enter(wanted, { timeoutMs: 300 })).rejects.toMatchObject({ ambiguous: true })
    await vi.waitFor(async () => expect(await near.inspect(KEY, IO)).toMatchObject({ holders: [{}] }), {
      timeout: 10_000,
    })
    proxy.clear()
    expect(await granted(far, wanted)).toBeGreaterThan(0)
    expect(await near.inspect(KEY, IO)).toMatchObject({ holders: [{}], waiters: [] })
    await leave(far, wanted, 10_000)
    expect(await near.inspect(KEY, IO)).toBeNull()
  })

  test('the connection is cut between the commit and its answer: an ambiguous error, and one ticket', async () => {
    const proxy = await proxyTo(mariadb)
    const [far, near] = [storeAt(proxy.address), storeAt(mariadb.address)]
    await far.enter(request({ key: 'warm' }), IO)
    const wanted = request()
    proxy.set({ toClient: { hold: true } })
    const answer = far.enter(wanted, IO).catch((error: unknown) => error)
    await vi.waitFor(async () => expect(await near.inspect(KEY, IO)).not.toBeNull(), { timeout: 10_000 })
    proxy.cut()
    expect(await answer).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', ambiguous: true })
    proxy.clear()
    const token = await granted(far, wanted)
    expect(await near.inspect(KEY, IO)).toMatchObject({ holders: [{ token }], waiters: [] })
  })

  test('the connection is cut before the statement has arrived: nothing is granted, and the next call connects anew', async () => {
    const proxy = await proxyTo(mariadb)
    const [far, near] = [storeAt(proxy.address), storeAt(mariadb.address)]
    await far.enter(request({ key: 'warm' }), IO)
    proxy.set({ toServer: { hold: true } })
    const answer = far.enter(request(), IO).catch((error: unknown) => error)
    await sleep(50)
    proxy.cut()
    expect(await answer).toBeInstanceOf(StoreUnavailableError)
    proxy.clear()
    expect(await near.inspect(KEY, IO)).toBeNull()
    await granted(far, request())
  })

  test('a statement is carried out after its caller gave up: its id is forbidden, and it holds the lock for nobody', async () => {
    const proxy = await proxyTo(mariadb)
    const [far, near] = [storeAt(proxy.address), storeAt(mariadb.address)]
    await far.enter(request({ key: 'warm' }), IO)
    const wanted = request()
    proxy.set({ toServer: { hold: true } })
    await expect(far.enter(wanted, { timeoutMs: 200 })).rejects.toMatchObject({ ambiguous: true })
    await leave(near, wanted, 10_000)
    proxy.set({ toServer: { hold: false } })
    await far.enter(request({ key: 'after' }), IO)
    await sleep(100)
    expect(await near.inspect(KEY, IO)).toBeNull()
    expect(await near.enter(wanted, IO)).toMatchObject({ status: 'forbidden', reason: 'left' })
  })

  test('the connection of a holder is killed by an administrator: it renews by another, and goes on', async () => {
    const locks = locksAt(mariadb.address, { ttl: '3s' })
    const lease = await locks.acquire(KEY)
    await onDatabase(mariadb.address, async admin => {
      const own = 'SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()'
      const [rows] = await admin.query(own)
      for (const row of Array.isArray(rows) ? rows : [])
        if ('id' in row) await admin.query(`KILL ${String(row['id'])}`).catch(() => {})
    })
    await vi.waitFor(async () => expect(await lease.renew()).toBeUndefined(), { timeout: 10_000 })
    expect(lease.state).toBe('held')
  })

  test('somebody keeps the row for three seconds: calls for it wait, those for other locks go on', async () => {
    const store = storeAt(mariadb.address)
    await leave(store, await entered(store, request()))
    const keeper = await keeperOf(mariadb.address)
    ends.push(() => keeper.close())
    const kept = keeper.hold({ namespace: space(), key: KEY, ms: 3_000 })
    const waiting = granted(store, request())
    await granted(storeAt(mariadb.address), request({ key: 'other' }))
    await kept
    expect(await waiting).toBeGreaterThan(0)
  })

  async function entered(store: Store, wanted: TicketRequest): Promise<TicketRequest> {
    await granted(store, wanted)
    return wanted
  }

  test('its tablespace is full: nothing is granted, and an error says what to do', { timeout: START_MS }, async () => {
    const args = ['--innodb-data-file-path=ibdata1:12M', '--innodb-file-per-table=0']
    const full = await startServer(MARIADB, { args })
    ends.push(() => full.close())
    await migrate(full.address)
    const store = storeAt(full.address)
    const held = tokenOf(await store.enter(request(), IO))
    await onDatabase(full.address, async admin => {
      await admin.query('CREATE TABLE filler (id INT AUTO_INCREMENT PRIMARY KEY, x LONGBLOB)')
      for (const bytes of [1e6, 1e5, 1e4, 1e3, 100]) {
        const fill = () => admin.query('INSERT INTO filler (x) VALUES (?)', [Buffer.alloc(bytes)])
        for (let filled = true; filled;) filled = await fill().then(Boolean, () => false)
      }
    })
    // A row may find room in a page that is there already.
    const enters = Array.from({ length: 50 }, (_, index) =>
      store.enter(request({ key: `new:${index}`, holder: 'h'.repeat(4_000) }), IO),
    )
    const failed = (await Promise.allSettled(enters)).flatMap(each => (each.status === 'rejected' ? [each.reason] : []))
    expect(failed.length).toBeGreaterThan(0)
    for (const error of failed) {
      expect(error).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', ambiguous: false })
      expect(String(error)).toContain('make room')
    }
    expect(await store.inspect(KEY, IO)).toMatchObject({ holders: [{ token: held }] })
    let listed = 0
    for await (const lock of store.list('new:', IO)) listed += lock.holders.length
    expect(listed).toBe(enters.length - failed.length)
  })

  describe('the clock of the server', () => {
    let stepped: FaultServer | null = null
    let why = ''
    beforeAll(async () => {
      // It needs a compiler.
      stepped = await startServer(MARIADB, { stepClock: true }).catch((cause: unknown) => {
        why = String(cause)
        return null
      })
      if (stepped !== null) await migrate(stepped.address)
    }, START_MS)
    afterAll(() => stepped?.close())

    test('steps 60 s forward: a second grant comes early, with a greater token', async context => {
      if (stepped === null) return context.skip(why)
      const store = storeAt(stepped.address)
      const first = request()
      const old = tokenOf(await store.enter(first, IO))
      stepped.clock?.set(60_000)
      expect(await granted(store, request())).toBeGreaterThan(old)
      expect(await renewed(store, first)).toMatchObject({ status: 'lost', reason: 'gone' })
    })

    test('steps an hour back: no lease is stretched beyond its own ttl, and tokens still grow', async context => {
      if (stepped === null) return context.skip(why)
      const store = storeAt(stepped.address)
      const old = tokenOf(await store.enter(request({ ttlMs: 1_500 }), IO))
      stepped.clock?.set(-3_600_000)
      const waiting = await store.enter(request({ queue: false }), IO)
      expect(waiting).toMatchObject({ status: 'refused' })
      expect(waiting.status === 'refused' ? waiting.retryMs : 0).toBeLessThanOrEqual(1_500)
      expect(await granted(store, request())).toBeGreaterThan(old)
    })
  })

  describe('what is not as it should be', () => {
    const opening = async (url: string): Promise<unknown> =>
      createLocks(mysqlStore(url))
        .tryAcquire(KEY)
        .catch((error: unknown) => error)
    const at = (path: string): string => `mysql://test:test@127.0.0.1:${mariadb.port}/${path}`

    /** A database of its own; `make` puts something into it. */
    async function database(...statements: readonly string[]): Promise<string> {
      const name = `db_${randomUUID().replaceAll('-', '')}`
      await onDatabase(mariadb.address, async admin => {
        await admin.query(`CREATE DATABASE ${name}`)
        await admin.query(`USE ${name}`)
        for (const statement of statements) await admin.query(statement)
      })
      return at(name)
    }

    test('a wrong password: says where it goes', async () => {
      const error = await opening(`mysql://test:wrong@127.0.0.1:${mariadb.port}/test`)
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(String(error)).toMatch(/Access denied.*HOLDFAST_STORE_PASSWORD_FILE/)
      expect(String(error)).not.toContain('wrong')
    })

    test('an unknown database', async () => {
      expect(String(await opening(at('nowhere')))).toMatch(
        /ConfigurationError: .*Unknown database 'nowhere'.*Create the/,
      )
    })

    test('no server: unavailable, and nothing was done', async () => {
      const error = await opening('mysql://test:test@127.0.0.1:1/test')
      expect(error).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', ambiguous: false })
    })

    test('no tables: names the command', async () => {
      expect(String(await opening(await database()))).toMatch(
        /ConfigurationError: .*no tables of holdfast.*holdfast migrate/,
      )
    })

    test('a newer layout: neither used nor migrated', async () => {
      const url = await database()
      await migrate(url)
      await onDatabase(url, admin => admin.query('UPDATE holdfast_layout SET layout = 99'))
      expect(String(await opening(url))).toMatch(/ConfigurationError: .*layout 99.*Upgrade holdfast/)
      await expect(migrationOf(url).apply({ timeoutMs: 10_000 })).rejects.toThrow(/layout 99.*Upgrade holdfast/)
    })

    test('a table of our name that is not ours: neither used nor altered', async () => {
      const url = await database('CREATE TABLE holdfast_records (id INT PRIMARY KEY, title TEXT)')
      expect(String(await opening(url))).toMatch(/ConfigurationError: .*holdfast_records.*not as holdfast makes it/)
      await expect(migrationOf(url).apply({ timeoutMs: 10_000 })).rejects.toThrow(ConfigurationError)
    })

    test.each([
      ['name', 'MODIFY name VARCHAR(1024) CHARACTER SET latin1 NOT NULL'],
      ['queue', 'MODIFY queue BLOB NOT NULL'],
      ['token_end', 'MODIFY token_end INT NOT NULL'],
    ])('a column of the wrong type: %s', async (column, alter) => {
      const url = await database()
      await migrate(url)
      await onDatabase(url, admin => admin.query(`ALTER TABLE holdfast_records ${alter}`))
      expect(String(await opening(url))).toMatch(new RegExp(`ConfigurationError: .*it has ${column} `))
    })

    test('an engine without transactions', async () => {
      const url = await database()
      await migrate(url)
      await onDatabase(url, admin => admin.query('ALTER TABLE holdfast_records ENGINE=MyISAM'))
      expect(String(await opening(url))).toMatch(/ConfigurationError: .*MyISAM engine/)
    })

    test('read only: refused as long as it is', async () => {
      const locks = locksAt(mariadb.address, { wait: '20s' })
      await onDatabase(mariadb.address, admin => admin.query('SET GLOBAL read_only = ON'))
      const refused = await locks.tryAcquire(KEY).catch((error: unknown) => error)
      expect(String(refused)).toMatch(/StoreUnavailableError: .*takes no writes \(read_only\)/)
      const waits = locks.acquire(KEY)
      await onDatabase(mariadb.address, admin => admin.query('SET GLOBAL read_only = OFF'))
      await (await waits).release()
    })
  })
}

if (obstacle === null) describe('mysql, fault by fault', faults)
else test('mysql, fault by fault', context => context.skip(obstacle))
