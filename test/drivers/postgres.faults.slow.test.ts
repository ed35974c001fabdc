/** The table of docs/drivers/postgres.md, a test or more for each row; and what an operator does to a database. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFileSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { ConfigurationError, LeaseLostError, StoreUnavailableError } from '../../src/base/errors.ts'
import { postgresStore } from '../../src/drivers/postgres.ts'
import type { PostgresStoreOptions } from '../../src/drivers/postgres.ts'
import { createLocks, open } from '../../src/index.ts'
import type { LocksOptions } from '../../src/index.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { MAKE_CERTIFICATE } from '../../src/servers/certificate.ts'
import { POSTGRES } from '../../src/servers/postgres.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import type { Entry, Store, TicketRequest } from '../../src/store/contract.ts'
import { ask, hold, migrate } from '../support/postgres.ts'
import { watchStalls } from '../support/stalls.ts'
import { describeWithStore } from '../support/stores.ts'

const IO = { timeoutMs: 10_000 }
const PATIENCE = { timeout: 20_000, interval: 50 }

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.toReversed()) await end()
  ends = []
})

function request(more: Partial<TicketRequest> = {}): TicketRequest {
  const id = randomUUID().replaceAll('-', '').slice(0, 22)
  const usual = {
    key: 'account:7',
    holder: 'test',
    mode: 'exclusive',
    limit: null,
    queue: true,
    tokens: 1,
    meta: {},
  } as const
  return { ...usual, id, ttlMs: 20_000, waiterTtlMs: 5_000, ...more }
}

function tokenOf(entry: Entry): number {
  if (entry.status === 'holds') return entry.token
  throw new Error(`it does not hold: ${entry.status}`)
}

/** Enters until it holds: for the seconds in which a server starts. */
function granted(store: Store, wanted: TicketRequest): Promise<number> {
  return vi.waitFor(async () => tokenOf(await store.enter(wanted, IO)), PATIENCE)
}

describeWithStore('postgres', 'postgres, fault by fault', () => {
  let server: FaultServer
  beforeAll(async () => {
    server = await startServer(POSTGRES)
    await migrate(server.address)
  })
  afterAll(() => server.close())

  const admin = (...statements: readonly string[]): ReturnType<typeof ask> => ask(server.address, ...statements)
  const as = (user: string, database = 'test'): string => `postgres://${user}@${server.host}:${server.port}/${database}`

  /** In a namespace of the test's own. */
  function setting(at: { readonly host: string; readonly port: number } = server): {
    store(options?: PostgresStoreOptions, user?: string): Store
    locks(options?: LocksOptions): ReturnType<typeof createLocks>
    readonly namespace: string
  } {
    const namespace = randomUUID()
    const store = (options: PostgresStoreOptions = {}, user = 'test'): Store => {
      const made = postgresStore(`postgres://${user}@${at.host}:${at.port}/test`, { namespace, ...options })
      ends.push(() => made.close())
      return made
    }
    return {
      namespace,
      store,
      locks(options) {
        const locks = createLocks(store(), options)
        ends.push(() => locks.close({ drain: 0 }))
        return locks
      },
    }
  }

  async function proxied(): Promise<FaultProxy> {
    const proxy = await startProxy({ port: server.port })
    ends.push(() => proxy.close())
    return proxy
  }

  test('the holder is killed or paused: nobody else holds before its ttl is over, then the next does', async () => {
    const { store } = setting()
    const [one, two] = [store(), store()]
    const before = performance.now()
    const old = tokenOf(await one.enter(request({ ttlMs: 600 }), IO))
    const token = await granted(two, request())
    expect(performance.now() - before).toBeGreaterThanOrEqual(600)
    expect(token).toBeGreaterThan(old)
  })

  test('the server is killed in a queue of 32 and comes back: one at a time goes on, each with a greater token', async () => {
    const { locks } = setting()
    const tokens: number[] = []
    let inside = 0
    let most = 0
    const two = [locks({ fair: 'strict', ttl: '60s', wait: '90s' }), locks({ fair: 'strict', ttl: '60s', wait: '90s' })]
    const tasks = two.flatMap(process =>
      Array.from({ length: 16 }, () =>
        process.run('queue', async lease => {
          most = Math.max(most, (inside += 1))
          tokens.push(lease.token)
          await sleep(20)
          inside -= 1
        }),
      ),
    )
    await vi.waitFor(() => expect(tokens.length).toBeGreaterThan(5), PATIENCE)
    await server.kill()
    await server.restart()
    await Promise.all(tasks)
    expect(most).toBe(1)
    expect(tokens).toHaveLength(32)
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
  }, 120_000)

  test('the server hangs: the signal aborts and assertHeld throws before the ttl is over', async () => {
    const { locks } = setting()
    const stalledMs = watchStalls()
    const process = locks({ ttl: '2s', storeTimeout: '1s' })
    const leases = await Promise.all(Array.from({ length: 20 }, (_, index) => process.acquire(`hung:${index}`)))
    const told = leases.map(async lease => {
      await new Promise<void>(resolve => lease.signal.addEventListener('abort', () => resolve(), { once: true }))
      return performance.now()
    })
    await server.pause()
    // The server can have renewed none of them after this, so at the latest 2 s from here each is free for others.
    const hungAt = performance.now()
    const abortedAt = await Promise.all(told)
    server.resume()
    for (const [index, lease] of leases.entries()) {
      expect(() => lease.assertHeld(), `lease ${index}`).toThrow(LeaseLostError)
      expect((abortedAt[index] ?? Infinity) - hungAt, `lease ${index}`).toBeLessThan(2_000 + stalledMs())
    }
  })

  test('the connection ends between statement and answer: who asks again has one ticket, who gives up leaves none', async () => {
    const proxy = await proxied()
    const [far, near] = [setting(proxy), setting()]
    const options = { namespace: far.namespace }
    const [store, witness] = [far.store(), near.store(options)]
    await store.enter(request({ key: 'warm' }), IO)
    const wanted = request()
    proxy.set({ toClient: { drop: true } })
    const lost = store.enter(wanted, IO)
    lost.catch(() => {})
    await vi.waitFor(
      async () => expect(await witness.inspect('account:7', IO)).toMatchObject({ holders: [{}] }),
      PATIENCE,
    )
    // Cuts what has lost bytes.
    proxy.clear()
    await expect(lost).rejects.toMatchObject({ name: 'StoreUnavailableError', ambiguous: true })
    expect(await granted(store, wanted)).toBeGreaterThan(0)
    expect(await witness.inspect('account:7', IO)).toMatchObject({ holders: [{}], waiters: [] })
    await store.leave({ key: wanted.key, id: wanted.id, keepMs: 0, forbidMs: 10_000 }, IO)
    expect(await witness.inspect('account:7', IO)).toBeNull()
  })

  test('the connection of all who wait ends: they ask again, and none is forgotten', async () => {
    const proxy = await proxied()
    const far = setting(proxy)
    const process = far.locks({ fair: 'strict', wait: '60s' })
    const first = await process.acquire('account:7')
    const waiting = Array.from({ length: 5 }, () => process.run('account:7', async () => {}))
    const witness = setting().store({ namespace: far.namespace })
    await vi.waitFor(async () => expect((await witness.inspect('account:7', IO))?.waiters).toHaveLength(5), PATIENCE)
    proxy.set({ both: { drop: true } })
    proxy.clear()
    await first.release()
    await Promise.all(waiting)
  }, 60_000)

  test('a request is carried out after its caller gave up: its id is forbidden, and it holds the lock for nobody', async () => {
    const proxy = await proxied()
    const far = setting(proxy)
    const [store, near] = [far.store(), setting().store({ namespace: far.namespace })]
    await store.enter(request({ key: 'warm' }), IO)
    await near.enter(request({ key: 'warm' }), IO)
    const wanted = request()
    proxy.set({ toServer: { hold: true } })
    await expect(store.enter(wanted, { timeoutMs: 200 })).rejects.toMatchObject({ ambiguous: true })
    await near.leave({ key: wanted.key, id: wanted.id, keepMs: 0, forbidMs: 20_000 }, IO)
    proxy.set({ toServer: { hold: false } })
    await store.enter(request({ key: 'after' }), IO)
    expect(await near.inspect('account:7', IO)).toBeNull()
    expect(await near.enter(wanted, IO)).toMatchObject({ status: 'forbidden', reason: 'left' })
  })

  test('somebody keeps the row of a lock: leases of other locks go on, and it goes on when the row is free', async () => {
    const { locks, namespace } = setting()
    // Were the others kept waiting with it, the lease would end.
    const process = locks({ ttl: '6s', wait: '60s', fair: 'strict' })
    const other = await process.acquire('other')
    await (await process.acquire('kept')).release()
    const kept = hold(server.address, namespace, { key: 'kept', ms: 10_000 })
    await vi.waitFor(async () => {
      const busy =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()"
      expect(await admin(busy)).toEqual(['1'])
    }, PATIENCE)
    let renewed = 0
    process.on('renewed', ({ key }) => void (renewed += key === 'other' ? 1 : 0))
    const through = Array.from({ length: 10 }, () => process.run('kept', async () => {}))
    await kept
    await Promise.all(through)
    expect(other.state).toBe('held')
    expect(renewed).toBeGreaterThan(1)
  }, 60_000)

  test('the clock of the server steps: forward a second grant comes early, back nothing is stretched; tokens grow', async () => {
    const stepped = await startServer(POSTGRES, { stepClock: true })
    ends.push(() => stepped.close())
    await migrate(stepped.address)
    const { store } = setting(stepped)
    const [one, two] = [store(), store()]
    const first = request()
    const old = tokenOf(await one.enter(first, IO))
    stepped.clock?.set(60_000)
    const early = request({ ttlMs: 1_500 })
    const second = tokenOf(await two.enter(early, IO))
    expect(second).toBeGreaterThan(old)
    expect(await one.renew([{ key: first.key, id: first.id, ttlMs: 20_000 }], IO)).toMatchObject([
      { status: 'lost', reason: 'gone' },
    ])
    stepped.clock?.set(-3_600_000)
    const refused = await one.enter(request({ queue: false }), IO)
    expect(refused).toMatchObject({ status: 'refused' })
    expect(refused.status === 'refused' ? refused.retryMs : Infinity).toBeLessThanOrEqual(1_500)
    expect(await granted(one, request())).toBeGreaterThan(second)
  }, 60_000)

  test('an administrator ends the session: it is made anew, and whoever waits is still told', async () => {
    const { locks } = setting()
    const [one, two] = [locks({ wait: '60s' }), locks({ wait: '60s' })]
    const lease = await one.acquire('account:7')
    const waiting = two.acquire('account:7')
    await vi.waitFor(async () => expect((await one.inspect('account:7'))?.waiters).toHaveLength(1), PATIENCE)
    await admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'")
    await vi.waitFor(() => one.inspect('account:7'), PATIENCE)
    expect(lease.state).toBe('held')
    await lease.release()
    expect((await waiting).token).toBeGreaterThan(lease.token)
  }, 60_000)

  test('limits that an administrator has set break nothing', async () => {
    const limits = {
      statement_timeout: "'2s'",
      lock_timeout: "'1ms'",
      idle_in_transaction_session_timeout: "'10ms'",
      idle_session_timeout: "'300ms'",
      default_transaction_isolation: 'serializable',
      synchronous_commit: 'off',
    }
    await admin(
      'CREATE ROLE limited LOGIN SUPERUSER',
      ...Object.entries(limits).map(([name, value]) => `ALTER ROLE limited SET ${name} = ${value}`),
    )
    const { store } = setting()
    const processes = [store({}, 'limited'), store({}, 'limited')].map(made => createLocks(made, { fair: 'strict' }))
    let inside = 0
    let most = 0
    const tasks = processes.flatMap(locks =>
      Array.from({ length: 10 }, () =>
        locks.run('account:7', async () => {
          most = Math.max(most, (inside += 1))
          await sleep(50)
          inside -= 1
        }),
      ),
    )
    await Promise.all(tasks)
    expect(most).toBe(1)
    await Promise.all(processes.map(locks => locks.close()))
  }, 60_000)

  test('a grant is on the disk, whatever the database says of commits', async () => {
    const call =
      "SELECT holdfast_enter('', 'disk', 'a', NULL, false, NULL, 1000000, 1000000, true, 1, '[\"\",{}]', NULL)"
    expect(await admin('SET synchronous_commit = off', 'BEGIN', call, 'SHOW synchronous_commit')).toEqual(['on'])
    expect(await admin('SET synchronous_commit = remote_apply', 'BEGIN', call, 'SHOW synchronous_commit')).toEqual([
      'remote_apply',
    ])
  })

  test('who only waits does not wait for the disk; who holds, lives longer or lets another hold by it, does', async () => {
    const enter = async (
      id: string,
      { known = 'NULL', ttl = 60_000_000, waiter = 60_000_000 } = {},
    ): Promise<unknown> => {
      const call = `holdfast_enter('', 'wait', '${id}', ${known}, false, NULL, ${ttl}, ${waiter}, true, 1, '["",{}]', NULL)`
      // The second column is computed when the first is there.
      const both = `SELECT concat_ws(' ', split_part(answer, ' ', 1), current_setting('synchronous_commit'),
          split_part(answer, ' ', 2))
        FROM (SELECT ${call} AS answer OFFSET 0) AS entered`
      const [first] = await admin('SET synchronous_commit = remote_apply', both)
      return first
    }
    const on = (status: string): unknown => expect.stringMatching(new RegExp(`^${status} remote_apply`))
    const off = (status: string): unknown => expect.stringMatching(new RegExp(`^${status} off`))
    expect(await enter('a')).toEqual(on('holds'))
    const waits = await enter('b')
    expect(waits).toEqual(off('waits'))
    expect(await enter('b', { known: String(waits).split(' ')[2] ?? '' })).toEqual(off('waits'))
    expect(await enter('c', { waiter: 1_000_000 })).toEqual(off('waits'))
    expect(await enter('c', { waiter: 60_000_000 })).toEqual(on('waits'))
    await admin(`UPDATE holdfast_tickets SET ends = 0 WHERE key = 'wait' AND id = 'a'`)
    // The first is over, so the second comes to hold by the next one's asking.
    expect(await enter('d')).toEqual(on('waits'))
    expect(await enter('e')).toEqual(off('waits'))
  })

  test('a waiter that the server forgot, killed a moment later, is told so and never holds beside the holder', async () => {
    const { store } = setting()
    const [one, two] = [store(), store()]
    const [held, waiting] = [request({ ttlMs: 60_000 }), request({ waiterTtlMs: 60_000 })]
    const token = tokenOf(await one.enter(held, IO))
    const entry = await two.enter(waiting, IO)
    expect(entry).toMatchObject({ status: 'waits' })
    await server.kill()
    await server.restart()
    const known = 'token' in entry ? { token: entry.token } : {}
    const again = await vi.waitFor(() => two.enter({ ...waiting, ...known }, IO), PATIENCE)
    expect(['gone', 'waits']).toContain(again.status)
    const renewed = await vi.waitFor(() => one.renew([{ key: held.key, id: held.id, ttlMs: 60_000 }], IO), PATIENCE)
    expect(renewed).toMatchObject([{ status: 'held' }])
    await two.leave({ key: waiting.key, id: waiting.id, keepMs: 0, forbidMs: 0 }, IO)
    await one.leave({ key: held.key, id: held.id, keepMs: 0, forbidMs: 0 }, IO)
    expect(tokenOf(await two.enter(request(), IO))).toBeGreaterThan(token)
  }, 60_000)

  test('a database that is read-only lets nobody in, and says so', async () => {
    await admin('CREATE DATABASE still')
    await migrate(as('test', 'still'))
    await ask(as('test', 'still'), 'ALTER DATABASE still SET default_transaction_read_only = on')
    const failing = open(as('test', 'still'))
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow('is set to be read-only')
  })

  test('a standby lets nobody in, and of several hosts the primary is found', async () => {
    const [folder] = await admin('SHOW data_directory')
    const standby = join(String(folder), 'standby.signal')
    const other = await startServer(POSTGRES)
    ends.push(() => other.close())
    await migrate(other.address)
    const { locks } = setting()
    const lease = await locks({ ttl: '2s', storeTimeout: '1s' }).acquire('account:7')
    writeFileSync(standby, '')
    await server.restart()
    try {
      const failing = open(server.address)
      await expect(failing).rejects.toThrow(StoreUnavailableError)
      await expect(failing).rejects.toThrow('is a standby')
      await vi.waitFor(() => expect(lease.state).toBe('lost'), PATIENCE)
      const both = await open(`postgres://test@${server.host}:${server.port},${other.host}:${other.port}/test`)
      expect((await both.acquire('account:7')).token).toBeGreaterThan(0)
      await both.close({ drain: 0 })
    } finally {
      await ask(server.address, 'SELECT pg_promote()')
      await vi.waitFor(async () => expect(await admin('SELECT pg_is_in_recovery()')).toEqual([false]), PATIENCE)
    }
  }, 120_000)

  test('tables that are missing, newer, or of another program are refused, with what to do', async () => {
    for (const name of ['empty', 'newer', 'others', 'odd']) await admin(`CREATE DATABASE ${name}`)
    const refused = async (database: string, what: string): Promise<void> => {
      const failing = open(as('test', database))
      await expect(failing, database).rejects.toThrow(ConfigurationError)
      await expect(failing, database).rejects.toThrow(what)
    }
    await refused('empty', 'has no tables of holdfast in schema public. Run "holdfast migrate"')

    await migrate(as('test', 'newer'))
    await ask(as('test', 'newer'), 'UPDATE holdfast_layout SET layout = 99')
    await refused('newer', 'layout 99, which a newer holdfast made')
    await expect(migrate(as('test', 'newer'))).rejects.toThrow('layout 99 is there')

    await ask(as('test', 'others'), 'CREATE TABLE holdfast_queues (key text)')
    await expect(migrate(as('test', 'others'))).rejects.toThrow('tables that holdfast did not make: the columns')
    await refused('others', 'has no tables of holdfast')

    await migrate(as('test', 'odd'))
    await ask(as('test', 'odd'), 'DROP VIEW holdfast_locks', 'ALTER TABLE holdfast_queues ALTER COLUMN ends TYPE text')
    await refused('odd', 'not as holdfast makes them: holdfast_queues.ends')
    await expect(migrate(as('test', 'odd'))).rejects.toThrow(
      'the columns holdfast_queues.ends are missing or of another',
    )
  }, 60_000)

  test('TLS, where the address or the options ask for it, and only with whom the certificate names', async () => {
    const [folder] = await admin('SHOW data_directory')
    const [program = '', ...words] = MAKE_CERTIFICATE.words
    await promisify(execFile)(program, [...words], { cwd: String(folder) })
    const { uid, gid } = statSync(String(folder))
    for (const name of ['server.key', 'server.crt']) chownSync(join(String(folder), name), uid, gid)
    await admin('ALTER SYSTEM SET ssl = on', 'SELECT pg_reload_conf()')
    const ca = join(String(folder), 'server.crt')
    const encrypted =
      'SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = '
    for (const name of ['pg', 'postgres'] as const) {
      const reached = async (parameters: string, options: PostgresStoreOptions = {}): Promise<void> => {
        const label = randomUUID()
        const address = `${server.address}?application_name=${label}&${parameters}`
        const store = postgresStore(address, { package: name, ...options })
        ends.push(() => store.close())
        await vi.waitFor(() => store.inspect('a', IO), PATIENCE)
        expect(await admin(`${encrypted}'${label}'`), name).toEqual([true])
      }
      await reached('sslmode=require')
      await reached(`sslmode=verify-full&sslrootcert=${encodeURIComponent(ca)}`)
      await reached('', { tls: { ca: readFileSync(ca) } })
      const unknown = postgresStore(`${server.address}?sslmode=verify-full`, { package: name })
      ends.push(() => unknown.close())
      await expect(unknown.inspect('a', IO), name).rejects.toThrow(/self.signed certificate/)
    }
  }, 60_000)

  test('a wrong password and an unknown database are told as such', async () => {
    const [file] = await admin("CREATE ROLE secret LOGIN PASSWORD 'right'", 'SHOW hba_file')
    const before = readFileSync(String(file), 'utf8')
    writeFileSync(String(file), '')
    appendFileSync(String(file), `host all secret 127.0.0.1/32 scram-sha-256\n${before}`)
    await admin('SELECT pg_reload_conf()')
    const wrong = as('secret:wrong')
    for (const name of ['pg', 'postgres'] as const) {
      await vi.waitFor(async () => {
        const store = postgresStore(wrong, { package: name })
        ends.push(() => store.close())
        const failing = store.inspect('a', IO)
        await expect(failing).rejects.toThrow(ConfigurationError)
        await expect(failing).rejects.toThrow('HOLDFAST_STORE_PASSWORD_FILE')
        await expect(failing).rejects.toMatchObject({ message: expect.not.stringContaining('wrong') })
      }, PATIENCE)
      const nowhere = postgresStore(as('test', 'nowhere'), { package: name })
      ends.push(() => nowhere.close())
      await expect(nowhere.inspect('a', IO)).rejects.toThrow(/"nowhere" does not exist.*Name a database that is there/)
    }
  }, 60_000)

  test('a lock that nobody has used for a day goes by the way, and not one that somebody is in', async () => {
    const { store, namespace } = setting()
    const one = store()
    const leave = async ({ key, id }: TicketRequest): Promise<unknown> =>
      one.leave({ key, id, keepMs: 0, forbidMs: 0 }, IO)
    const [old, held, forbidden] = [request({ key: 'old' }), request({ key: 'held' }), request({ key: 'forbidden' })]
    for (const each of [old, held]) await one.enter(each, IO)
    await leave(old)
    await one.leave({ ...forbidden, keepMs: 0, forbidMs: 60_000 }, IO)
    const mine = `namespace = convert_to('${namespace}', 'UTF8')`
    await admin(`UPDATE holdfast_queues SET token_end = token_end - 2 * 86400000000 WHERE ${mine}`)
    const keys = `SELECT convert_from(key, 'UTF8') FROM holdfast_queues WHERE ${mine} ORDER BY 1`
    await vi.waitFor(async () => {
      for (let index = 0; index < 64; index += 1) {
        const section = request({ key: 'section' })
        await one.enter(section, IO)
        await leave(section)
      }
      expect(await admin(keys)).toEqual(['forbidden', 'held', 'section'])
    }, PATIENCE)
    expect(await one.enter(request({ key: 'held', queue: false }), IO)).toMatchObject({ status: 'refused' })
    expect(await one.enter(forbidden, IO)).toMatchObject({ status: 'forbidden' })
  }, 60_000)

  test('a migration may run again while locks are held, and by several at once', async () => {
    const { locks } = setting()
    const process = locks()
    const lease = await process.acquire('account:7')
    const waiting = process.acquire('account:7', { meta: { own: 'ticket' } })
    await Promise.all([migrate(server.address), migrate(server.address), migrate(server.address)])
    expect(lease.state).toBe('held')
    await lease.release()
    await (await waiting).release()
  }, 60_000)

  test('roles have what they need and no more', async () => {
    const roles = readFileSync(new URL('../../docs/postgres-roles.sql', import.meta.url), 'utf8')
    await admin(...roles.split(/;$/m).filter(text => /^[A-Z]/m.test(text)))
    const refused = /permission denied|must be owner/
    await expect(migrate(`${as('holdfast_user')}?schema=locks`)).rejects.toThrow(refused)
    await expect(open(`${as('holdfast_user')}?schema=locks`)).rejects.toThrow(ConfigurationError)
    await migrate(`${as('holdfast_admin')}?schema=locks`)
    await ask(as('holdfast_admin'), 'GRANT SELECT ON locks.holdfast_locks TO holdfast_viewer')
    const users = await open(`${as('holdfast_user')}?schema=locks`, { holder: 'Åse\0' })
    const lease = await users.acquire('größe')
    expect(await ask(as('holdfast_viewer'), 'SELECT key FROM locks.holdfast_locks')).toEqual(['größe'])
    await lease.release()
    await users.close()
    for (const text of [
      'CREATE TABLE locks.mine (a int)',
      'DROP TABLE locks.holdfast_queues',
      'ALTER TABLE locks.holdfast_tickets ADD COLUMN a int',
      'TRUNCATE locks.holdfast_queues',
      'CREATE OR REPLACE FUNCTION locks.holdfast_micros() RETURNS bigint LANGUAGE sql AS $$ SELECT 1::bigint $$',
    ])
      await expect(ask(as('holdfast_user'), text), text).rejects.toThrow(refused)
    for (const text of ['SELECT * FROM locks.holdfast_tickets', 'DELETE FROM locks.holdfast_queues'])
      await expect(ask(as('holdfast_viewer'), text), text).rejects.toThrow(refused)
    await expect(open(`${as('holdfast_viewer')}?schema=locks`)).rejects.toThrow(refused)
  }, 60_000)

  test('a hostile search path has nothing of its own run', async () => {
    await admin(
      'CREATE SCHEMA evil',
      'CREATE TABLE evil.caught (what text)',
      ...[
        'clock_timestamp() RETURNS timestamptz',
        'pg_notify(a text, b text) RETURNS void',
        'holdfast_micros() RETURNS bigint',
      ].map(
        head =>
          `CREATE FUNCTION evil.${head} LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.caught VALUES ('${head}'); RAISE 'caught'; END $$`,
      ),
      ...['bytea', 'bigint', 'text'].flatMap(type => [
        `CREATE FUNCTION evil.same(a ${type}, b ${type}) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$`,
        `CREATE OPERATOR evil.= (LEFTARG = ${type}, RIGHTARG = ${type}, FUNCTION = evil.same)`,
        `CREATE OPERATOR evil.<= (LEFTARG = ${type}, RIGHTARG = ${type}, FUNCTION = evil.same)`,
      ]),
      'CREATE ROLE victim LOGIN SUPERUSER',
      'ALTER ROLE victim SET search_path = evil, public, pg_catalog',
    )
    await expect(ask(as('victim'), "SELECT 'a'::bytea = 'a'::bytea")).rejects.toThrow('caught')
    await migrate(as('victim'))
    const { store } = setting()
    const [one, two] = [store({}, 'victim'), store({ package: 'postgres' }, 'victim')].map(made =>
      createLocks(made, { fair: 'strict' }),
    )
    const lease = await one?.acquire('account:7')
    const next = two?.run('account:7', async () => {})
    await lease?.renew()
    await one?.revoke('account:7', { reason: 'test', tickets: 'holders' })
    await lease?.release()
    await next
    for await (const lock of one?.list() ?? []) expect(lock.key).toBe('account:7')
    expect(await admin('SELECT * FROM holdfast_locks', 'SELECT count(*) FROM evil.caught')).toEqual(['0'])
    await ask(as('victim'), 'SELECT * FROM public.holdfast_locks')
    await Promise.all([one?.close(), two?.close()])
  }, 60_000)

  test('a database in another encoding and another time zone keeps every key', async () => {
    await admin(
      "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0",
      "ALTER DATABASE latin SET timezone = 'Asia/Kolkata'",
    )
    await migrate(as('test', 'latin'))
    const locks = await open(as('test', 'latin'), { namespace: '店', holder: '世界 \0 🔒' })
    const keys = ['鍵'.repeat(341), '🔑', 'a\0b', 'é']
    const leases = await locks.acquireAll(keys)
    const seen: string[] = []
    for await (const { key, holders } of locks.list()) {
      seen.push(key)
      expect(holders[0]?.holder).toBe('世界 \0 🔒')
      expect(holders[0]?.leftMs).toBeGreaterThan(0)
    }
    expect(seen.toSorted()).toEqual(keys.toSorted())
    expect(await ask(as('test', 'latin'), 'SELECT count(*) FROM holdfast_locks')).toEqual(['4'])
    await leases.release()
    await locks.close()
  }, 60_000)
})

describeWithStore('pgbouncer', 'PgBouncer in transaction mode', pooler => {
  test('is noticed by a client that is alone, and whom to tell is then left out', async () => {
    await migrate(pooler)
    for (const name of ['pg', 'postgres'] as const) {
      const namespace = randomUUID()
      const store = postgresStore(pooler, { namespace, package: name })
      ends.push(() => store.close())
      await store.enter(request(), IO)
      const channel = `SELECT channel FROM holdfast_queues WHERE namespace = convert_to('${namespace}', 'UTF8')`
      expect(await ask(pooler, channel), name).toEqual([null])
    }
  })
})

describeWithStore('postgres', 'a process that has used PostgreSQL', url => {
  const opened = {
    'an address, by pg': `postgresStore(url, { package: 'pg' })`,
    'an address, by postgres': `postgresStore(url, { package: 'postgres' })`,
    'a Pool': `postgresStore(new pg.Pool({ connectionString: url }))`,
    'a sql': `postgresStore(postgres(url, { idle_timeout: 1 }))`,
  }
  test.each(Object.entries(opened))(
    'ends by itself when it has nothing more to do: %s',
    async (_, made) => {
      await migrate(url)
      const program = `
      import pg from 'pg'
      import postgres from 'postgres'
      import { createLocks } from 'holdfast'
      import { postgresStore } from 'holdfast/postgres'
      const url = ${JSON.stringify(url)}
      const locks = createLocks(${made}, { fair: 'strict' })
      await Promise.all([1, 2, 3].map(() => locks.run('ends', async () => {})))
      console.log('done')`
      const run = promisify(execFile)
      const words = ['--input-type=module', '-e', program]
      const { stdout } = await run(process.execPath, words, {
        timeout: 50_000,
        env: { ...process.env, PGUSER: 'test' },
      })
      expect(stdout).toBe('done\n')
    },
    60_000,
  )
})
