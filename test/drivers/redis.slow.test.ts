import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { createClient } from 'redis'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ConfigurationError, StoreUnavailableError } from '../../src/base/errors.ts'
import { redisStore } from '../../src/drivers/redis.ts'
import { connect, script } from '../../src/drivers/redis/connection.ts'
import type { Entry, Store, StoreListener, TicketRequest } from '../../src/store/contract.ts'
import { freePort } from '../../src/servers/ports.ts'
import { redisSentinel, redisServer } from '../support/redis-server.ts'
import type { RedisServer } from '../support/redis-server.ts'
import { describeWithStore, memberUrls } from '../support/stores.ts'

const IO = { timeoutMs: 5_000 }
const PACKAGES = ['ioredis', 'iovalkey', 'redis'] as const

let open: (() => unknown)[] = []
const closing = <Thing extends { close(): unknown }>(thing: Thing): Thing => {
  open.push(() => thing.close())
  return thing
}
afterEach(async () => {
  for (const close of open.toReversed()) await close()
  open = []
})

function id(): string {
  return randomUUID().replaceAll('-', '').slice(0, 22)
}

function request(key: string, more: Partial<TicketRequest> = {}): TicketRequest {
  return {
    key,
    id: id(),
    holder: 'test',
    mode: 'exclusive',
    limit: null,
    ttlMs: 10_000,
    waiterTtlMs: 5_000,
    queue: true,
    tokens: 1,
    meta: {},
    ...more,
  }
}

function tokenOf(entry: Entry): number {
  if (entry.status === 'holds' || entry.status === 'waits') return entry.token
  throw new Error(`no token: ${entry.status}`)
}

interface Heard extends StoreListener {
  readonly held: number[]
  readonly gaps: () => number
}
function ear(): Heard {
  const held: number[] = []
  let gaps = 0
  return {
    held,
    gaps: () => gaps,
    holds: (_key, tokens) => void held.push(...tokens),
    revoked() {},
    gap: () => void (gaps += 1),
  }
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error,
  )
}

async function unavailable(promise: Promise<unknown>): Promise<StoreUnavailableError> {
  const error = await failureOf(promise)
  if (error instanceof StoreUnavailableError) return error
  throw new Error('not a StoreUnavailableError', { cause: error })
}

async function until(what: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(what()).toBe(true), { timeout: 20_000, interval: 20 })
}

describe('a server of its own', () => {
  let server: RedisServer
  beforeEach(async () => void (server = await redisServer()))
  afterEach(() => server.close())
  const storeOn = (options = {}): Store => closing(redisStore(server.url, options))

  test('a server that forgot its scripts is sent them again', async () => {
    const store = storeOn()
    const first = request('a')
    await store.enter(first, IO)
    await server.ask('script', 'flush')
    expect(await store.renew([{ key: 'a', id: first.id, ttlMs: 10_000 }], IO)).toMatchObject([{ status: 'held' }])
    await server.ask('script', 'flush')
    expect(await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)).toEqual({ was: 'held' })
  })

  test('after FLUSHALL under a held lease the renewal is lost, and the token of the next grows', async () => {
    const store = storeOn()
    const first = request('a')
    const old = tokenOf(await store.enter(first, IO))
    await server.ask('flushall')
    expect(await store.renew([{ key: 'a', id: first.id, ttlMs: 10_000 }], IO)).toMatchObject([
      { status: 'lost', reason: 'gone' },
    ])
    expect(tokenOf(await store.enter(request('a'), IO))).toBeGreaterThan(old)
  })

  test('an evicted record is lost as a whole: neither place nor ban outlives it, and the token grows', async () => {
    const store = storeOn()
    const [first, second] = [request('a'), request('a')]
    const old = tokenOf(await store.enter(first, IO))
    await store.enter(second, IO)
    await server.ask('del', 'holdfast::a')
    expect(await store.enter({ ...second, token: old + 1 }, IO)).toEqual({ status: 'gone' })
    expect(await store.inspect('a', IO)).toBeNull()
    expect(tokenOf(await store.enter(request('a'), IO))).toBeGreaterThan(old)
  })

  test('where memory is full nobody new gets in, and those inside renew and leave', async () => {
    const store = storeOn()
    const [first, second] = [request('a'), request('b')]
    await store.enter(first, IO)
    await store.enter(second, IO)
    await store.enter(request('b'), IO)
    await server.ask('config', 'set', 'maxmemory', '1')
    expect((await unavailable(store.enter(request('c'), IO))).ambiguous).toBe(false)
    const renewals = [first, second].map(({ key, id: of }) => ({ key, id: of, ttlMs: 10_000 }))
    expect(await store.renew(renewals, IO)).toMatchObject([{ status: 'held' }, { status: 'held', waiters: 1 }])
    expect(await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 1_000 }, IO)).toEqual({ was: 'held' })
    expect(await store.leave({ key: 'b', id: second.id, keepMs: 0, forbidMs: 0 }, IO)).toEqual({ was: 'held' })
  })

  test("somebody else's value under the name of a lock is told as such, and spares the other locks", async () => {
    const store = storeOn({ namespace: 'app' })
    await server.ask('set', 'holdfast:app:a', 'mine')
    const error = await failureOf(store.enter(request('a'), IO))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toHaveProperty('message', expect.stringContaining('namespace'))
    const other = request('b')
    await store.enter(other, IO)
    const renewals = [
      { key: 'a', id: id(), ttlMs: 10_000 },
      { key: 'b', id: other.id, ttlMs: 10_000 },
    ]
    expect(await store.renew(renewals, IO)).toMatchObject([{ status: 'unknown' }, { status: 'held' }])
  })

  test('a record of another version is refused, not misread', async () => {
    await server.ask('hset', 'holdfast::a', 'head', '3 1 1 1 1 1 1', 'queue', `${id()} `)
    const store = storeOn()
    const { id: own } = request('a')
    for (const call of [
      store.enter(request('a'), IO),
      store.leave({ key: 'a', id: own, keepMs: 0, forbidMs: 0 }, IO),
      store.inspect('a', IO),
    ])
      expect(await failureOf(call)).toHaveProperty('message', expect.stringContaining('another version of holdfast'))
  })

  test('a record of before numbers were packed is taken over once nobody is in it, and its tokens go on', async () => {
    const future = Date.now() * 1_000 + 3_600e6
    await server.ask('hset', 'holdfast::a', 'head', `1 ${future} 1 1 1 1 1`)
    expect(tokenOf(await storeOn().enter(request('a'), IO))).toBe(future)
  })

  test('of steps that are sent together, one on a key of somebody else fails alone', async () => {
    const store = storeOn()
    await server.ask('set', 'holdfast::1', 'mine')
    const answers = await Promise.allSettled([0, 1, 2].map(key => store.enter(request(String(key)), IO)))
    expect(answers).toMatchObject([
      { status: 'fulfilled', value: { status: 'holds' } },
      { status: 'rejected', reason: { code: 'HOLDFAST_CONFIGURATION' } },
      { status: 'fulfilled', value: { status: 'holds' } },
    ])
  })

  test('of steps that are sent together, one on a key that the user may not touch fails alone', async () => {
    await server.ask('acl', 'setuser', 'some', 'on', '>secret', '+@all', '&*', '~holdfast::a*')
    const store = closing(redisStore(`redis://some:secret@127.0.0.1:${server.port}`))
    const answers = await Promise.allSettled(['a0', 'a1', 'b', 'a2'].map(key => store.enter(request(key), IO)))
    expect(answers).toMatchObject([
      { status: 'fulfilled' },
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'HOLDFAST_CONFIGURATION' } },
      { status: 'fulfilled', value: { status: 'holds' } },
    ])
  })

  test('of steps that are sent together, those who leave a full memory make no room for those who enter', async () => {
    const store = storeOn()
    const inside = [0, 1, 2].map(key => request(`in${key}`))
    for (const each of inside) await store.enter(each, IO)
    await server.ask('config', 'set', 'maxmemory', '1')
    const left = inside.map(each => store.leave({ key: each.key, id: each.id, keepMs: 0, forbidMs: 0 }, IO))
    const entered = await Promise.allSettled([0, 1, 2].map(key => store.enter(request(`new${key}`), IO)))
    expect(await Promise.all(left)).toEqual([{ was: 'held' }, { was: 'held' }, { was: 'held' }])
    for (const answer of entered)
      expect(answer).toMatchObject({
        status: 'rejected',
        reason: { code: 'HOLDFAST_STORE_UNAVAILABLE', ambiguous: false },
      })
  })

  test('of steps that are sent together, each ends by its own deadline', async () => {
    const store = storeOn()
    await store.enter(request('warm'), IO)
    await server.pause()
    const startedAt = performance.now()
    const calls = [60, 5_000, 120].map(timeoutMs => store.enter(request(`at ${timeoutMs}`), { timeoutMs }))
    const late = await Promise.all([calls[0], calls[2]].map(call => unavailable(call ?? Promise.resolve())))
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(late.map(({ ambiguous }) => ambiguous)).toEqual([true, true])
    server.resume()
    expect(await calls[1]).toMatchObject({ status: 'holds' })
  })

  test('a hundred steps of one turn cost a few commands', async () => {
    const store = storeOn()
    await store.enter(request('warm'), IO)
    await server.ask('config', 'resetstat')
    const all = Array.from({ length: 100 }, (_, index) => request(`many:${index}`))
    const entries = await Promise.all(all.map(each => store.enter(each, IO)))
    expect(entries.filter(entry => entry.status === 'holds')).toHaveLength(100)
    const left = await Promise.all(
      all.map(({ key, id: of }) => store.leave({ key, id: of, keepMs: 0, forbidMs: 0 }, IO)),
    )
    expect(left.filter(({ was }) => was === 'held')).toHaveLength(100)
    const calls = /cmdstat_evalsha:calls=(\d+)/.exec(String(await server.ask('info', 'commandstats')))?.[1]
    // Those of scripts that the server did not know were sent again.
    expect(Number(calls)).toBeLessThanOrEqual(12)
  })

  test('all connections killed again and again, and scripts forgotten, cost no lease and leave no key without an end', async () => {
    const [store, other] = [storeOn(), storeOn()]
    const heard = ear()
    await other.listen?.(heard)
    const first = request('a')
    let token = tokenOf(await store.enter(first, IO))
    for (let time = 1; time <= 5; time += 1) {
      await server.ask('client', 'kill', 'type', 'normal')
      await server.ask('client', 'kill', 'type', 'pubsub')
      await server.ask('script', 'flush')
      await until(() => heard.gaps() === time)
      const held = await vi.waitFor(async () => store.renew([{ key: 'a', id: first.id, ttlMs: 10_000 }], IO))
      expect(held).toMatchObject([{ status: 'held' }])
      await server.ask('script', 'flush')
      const crowd = await Promise.all([0, 1, 2].map(() => other.enter(request('a', { waiterTtlMs: 100 }), IO)))
      for (const entry of crowd) {
        expect(tokenOf(entry)).toBeGreaterThan(token)
        token = tokenOf(entry)
      }
    }
    expect(await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)).toEqual({ was: 'held' })
    const names = await server.ask('keys', '*')
    expect(names).toEqual(['holdfast::a'])
    expect(Number(await server.ask('pttl', 'holdfast::a'))).toBeGreaterThan(0)
  })

  test('the record goes when nobody needs it, a day after its tokens at the earliest', async () => {
    const store = storeOn()
    const first = request('a', { ttlMs: 1_000 })
    await store.enter(first, IO)
    await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)
    const left = Number(await server.ask('pttl', 'holdfast::a'))
    expect(left).toBeGreaterThan(86_400_000 - 60_000)
    expect(left).toBeLessThan(86_400_000 + 2 * 3_600_000)
  })

  for (const name of PACKAGES) {
    test(`a stopped server: the call rejects by its deadline, ambiguous; later it works again (${name})`, async () => {
      const store = storeOn({ package: name })
      await store.enter(request('warm'), IO)
      await server.pause()
      const startedAt = performance.now()
      const error = await unavailable(store.enter(request('a'), { timeoutMs: 300 }))
      expect(performance.now() - startedAt).toBeLessThan(3_000)
      expect(error.ambiguous).toBe(true)
      server.resume()
      expect(await store.enter(request('b'), IO)).toMatchObject({ status: 'holds' })
    })

    test(`a server that stays stopped: a new connection is made, and does not hang either (${name})`, async () => {
      const store = storeOn({ package: name })
      await store.enter(request('warm'), IO)
      await server.pause()
      for (let attempt = 0; attempt < 4; attempt += 1) await unavailable(store.enter(request('a'), { timeoutMs: 500 }))
      server.resume()
      expect(await store.enter(request('b'), IO)).toMatchObject({ status: 'holds' })
    })

    test(`a killed server: calls say so at once; after its restart there was a gap, and pushes come again (${name})`, async () => {
      const store = storeOn({ package: name })
      const heard = ear()
      await store.listen?.(heard)
      const before = request('a')
      const old = tokenOf(await store.enter(before, IO))
      await server.kill()
      await unavailable(store.enter(request('a'), IO))
      expect((await unavailable(store.enter(request('a'), IO))).ambiguous).toBe(false)
      await server.start()
      await until(() => heard.gaps() > 0)
      const first = request('a')
      expect(tokenOf(await store.enter(first, IO))).toBeGreaterThan(old)
      const next = tokenOf(await store.enter(request('a'), IO))
      await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)
      await until(() => heard.held.includes(next))
    })

    test(`a subscriber that is cut off tells of the gap, and hears again (${name})`, async () => {
      const store = storeOn({ package: name })
      const heard = ear()
      await store.listen?.(heard)
      await server.ask('client', 'kill', 'type', 'pubsub')
      await until(() => heard.gaps() === 1)
      const first = request('a')
      await store.enter(first, IO)
      const next = tokenOf(await store.enter(request('a'), IO))
      await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)
      await until(() => heard.held.includes(next))
    })
  }

  test('a client of the user that is down is not asked, so nothing waits in its offline queue', async () => {
    const client = new Redis(server.url, { retryStrategy: () => 100 })
    client.on('error', () => {})
    open.push(() => client.disconnect())
    const store = closing(redisStore(client))
    await store.enter(request('warm'), IO)
    await server.kill()
    await until(() => client.status !== 'ready')
    const late = request('a')
    expect((await unavailable(store.enter(late, IO))).ambiguous).toBe(false)
    await server.start()
    await until(() => client.status === 'ready')
    await sleep(200)
    expect(await store.inspect('a', IO)).toBeNull()
    expect(await store.enter(late, IO)).toMatchObject({ status: 'holds' })
  })

  test('a client of the user that is still connecting is waited for, and left open by close()', async () => {
    const client = new Redis(server.url, { lazyConnect: true })
    open.push(() => client.disconnect())
    const store = redisStore(client)
    expect(await store.enter(request('a'), IO)).toMatchObject({ status: 'holds' })
    await store.close()
    expect(await client.ping()).toBe('PONG')
  })

  test('a client of the user that was never connected says what to do', async () => {
    const error = await unavailable(closing(redisStore(createClient({ url: server.url }))).enter(request('a'), IO))
    expect(error.message).toContain('connect()')
    expect(error.ambiguous).toBe(false)
  })

  test('a client that answers in bytes does as well', async () => {
    const client = createClient({ url: server.url })
    await client.connect()
    open.push(() => client.destroy())
    const bytes = client.withTypeMapping({ 36: Buffer })
    expect(await closing(redisStore(bytes)).enter(request('a'), IO)).toMatchObject({ status: 'holds' })
  })

  test('two stores on one client each have their own pushes', async () => {
    const client = new Redis(server.url)
    open.push(() => client.disconnect())
    const [one, two] = [closing(redisStore(client)), closing(redisStore(client))]
    const [first, second] = [ear(), ear()]
    await one.listen?.(first)
    await two.listen?.(second)
    const holds = request('a')
    await one.enter(holds, IO)
    const next = tokenOf(await two.enter(request('a'), IO))
    await one.leave({ key: 'a', id: holds.id, keepMs: 0, forbidMs: 0 }, IO)
    await until(() => second.held.includes(next))
    expect(first.held).toEqual([])
  })

  for (const [who, pushes] of [
    ['another process', 1],
    ['one of its own', 0],
  ] as const) {
    test(`a release to ${who} tells nobody else, however many wait, and costs one command and ${pushes === 1 ? 'one push' : 'no push'}`, async () => {
      const [store, other] = [storeOn(), storeOn()]
      const [own, others] = [ear(), ear()]
      await store.listen?.(own)
      await other.listen?.(others)
      const first = request('a')
      await store.enter(first, IO)
      const next = tokenOf(await (pushes === 1 ? other : store).enter(request('a'), IO))
      await Promise.all(
        Array.from({ length: 64 }, () => Promise.all([store.enter(request('a'), IO), other.enter(request('a'), IO)])),
      )
      await server.ask('config', 'resetstat')
      await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)
      const stats = String(await server.ask('info', 'commandstats'))
      expect(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]).toBe('1')
      expect(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? '0').toBe(String(pushes))
      const [told, untold] = pushes === 1 ? [others, own] : [own, others]
      await until(() => told.held.length > 0)
      expect(told.held).toEqual([next])
      expect(untold.held).toEqual([])
    })
  }

  test('256 leases are renewed by one command', async () => {
    const store = storeOn()
    const all = Array.from({ length: 256 }, (_, index) => request(`many:${index}`))
    await Promise.all(all.map(each => store.enter(each, IO)))
    await server.ask('config', 'resetstat')
    const answers = await store.renew(
      all.map(({ key, id: of }) => ({ key, id: of, ttlMs: 10_000 })),
      IO,
    )
    expect(answers.filter(answer => answer.status === 'held')).toHaveLength(256)
    expect(/cmdstat_evalsha:calls=(\d+)/.exec(String(await server.ask('info', 'commandstats')))?.[1]).toBe('1')
  })

  test('500 dead waiters in front cost one step', async () => {
    const store = storeOn()
    const first = request('a', { ttlMs: 60_000 })
    await store.enter(first, IO)
    await Promise.all(Array.from({ length: 500 }, () => store.enter(request('a', { waiterTtlMs: 100 }), IO)))
    const living = request('a')
    await store.enter(living, IO)
    await sleep(150)
    await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)
    expect(await store.renew([{ key: 'a', id: living.id, ttlMs: 10_000 }], IO)).toMatchObject([
      { status: 'held', waiters: 0 },
    ])
  })
})

describe('a server that refuses', () => {
  test('a wrong password is told as such, without the password', async () => {
    const server = closing(await redisServer('--requirepass', 'secret'))
    for (const name of PACKAGES) {
      for (const login of ['', ':wrong@']) {
        const store = closing(redisStore(`redis://${login}127.0.0.1:${server.port}`, { package: name }))
        const error = await failureOf(store.enter(request('a'), IO))
        expect(error, `${name} with "${login}"`).toBeInstanceOf(ConfigurationError)
        expect(String(error)).toContain('password')
        expect(String(error)).not.toContain('wrong@')
      }
      const right = closing(redisStore(`redis://:secret@127.0.0.1:${server.port}/2`, { package: name }))
      expect(await right.enter(request(name), IO)).toMatchObject({ status: 'holds' })
    }
  })

  test('a server that is not there is told at once, and nothing was carried out', async () => {
    const port = await freePort()
    for (const name of PACKAGES) {
      const error = await unavailable(
        closing(redisStore(`redis://127.0.0.1:${port}`, { package: name })).enter(request('a'), IO),
      )
      expect(error.ambiguous, name).toBe(false)
      expect(error.message, name).toContain(`127.0.0.1:${port}`)
    }
  })

  test('something that accepts and never answers is given up at the deadline', async () => {
    const silent = createServer(socket => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    open.push(() => silent.close())
    const address = silent.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    for (const name of PACKAGES) {
      const startedAt = performance.now()
      expect(
        (
          await unavailable(
            closing(redisStore(`redis://127.0.0.1:${port}`, { package: name })).enter(request('a'), { timeoutMs: 300 }),
          )
        ).ambiguous,
        name,
      ).toBe(false)
      expect(performance.now() - startedAt).toBeLessThan(3_000)
    }
  })

  test('a call that is aborted settles at once', async () => {
    const server = closing(await redisServer())
    const store = closing(redisStore(server.url))
    await store.enter(request('warm'), IO)
    await server.pause()
    const error = await unavailable(store.enter(request('a'), { timeoutMs: 60_000, signal: AbortSignal.timeout(100) }))
    server.resume()
    expect(error.ambiguous).toBe(true)
  })

  test('what is no client is refused with the clients that are', () => {
    expect(() => redisStore({ status: 'ready', call: async () => 1, on: () => undefined })).toThrow(ConfigurationError)
  })
})

describeWithStore('pair', 'a replica', () => {
  test('writes nothing, and says that nothing was carried out', async () => {
    const replica = memberUrls('pair')[1] ?? ''
    for (const name of PACKAGES) {
      const error = await unavailable(closing(redisStore(replica, { package: name })).enter(request('a'), IO))
      expect(error.message, name).toContain('READONLY')
      expect(error.ambiguous).toBe(false)
    }
  })
})

describe('Sentinel', () => {
  for (const name of PACKAGES) {
    test(
      `when the primary dies the replica is found, tokens grow, and pushes come again (${name})`,
      { timeout: 60_000 },
      async () => {
        const primary = closing(await redisServer())
        const replica = closing(
          await redisServer('--replicaof', `127.0.0.1 ${primary.port}`, '--repl-diskless-sync-delay', '0'),
        )
        const sentinel = closing(await redisSentinel(primary))
        await vi.waitFor(
          async () => expect(String(await replica.ask('info', 'replication'))).toContain('master_link_status:up'),
          { timeout: 20_000 },
        )
        await vi.waitFor(async () => expect(await sentinel.ask('sentinel', 'replicas', 'mymaster')).toHaveLength(1), {
          timeout: 20_000,
        })
        const store = closing(redisStore(`redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`, { package: name }))
        const heard = ear()
        await store.listen?.(heard)
        const old = tokenOf(await store.enter(request('a', { ttlMs: 500 }), IO))
        await primary.kill()
        const first = request('a', { ttlMs: 60_000 })
        const token = await vi.waitFor(async () => tokenOf(await store.enter(first, { timeoutMs: 1_000 })), {
          timeout: 30_000,
          interval: 200,
        })
        expect(token).toBeGreaterThan(old)
        await until(() => heard.gaps() > 0)
        await vi.waitFor(async () => expect(await store.enter(first, IO)).toMatchObject({ status: 'holds' }), {
          timeout: 10_000,
          interval: 100,
        })
        const next = tokenOf(await store.enter(request('a'), IO))
        await store.leave({ key: 'a', id: first.id, keepMs: 0, forbidMs: 0 }, IO)
        await until(() => heard.held.includes(next))
      },
    )
  }
})

describe('a process that does not close its store', () => {
  const program = `
    import { redisStore } from 'DIST/drivers/redis.js'
    const store = redisStore(process.argv[1], { package: process.argv[2] })
    const id = String(Math.random()).padEnd(22, 'x').slice(0, 22)
    await store.listen({ holds() {}, revoked() {}, gap() {} })
    const io = { timeoutMs: 5000 }
    const times = { ttlMs: 1000, waiterTtlMs: 1000 }
    const wish = { holder: 'test', mode: 'exclusive', limit: null, queue: true, tokens: 1, meta: {} }
    await store.enter({ key: id, id, ...times, ...wish }, io)
    await store.leave({ key: id, id, keepMs: 0, forbidMs: 0 }, io)
    process.stdout.write('done')
  `.replace('DIST', new URL('../../dist', import.meta.url).href)
  for (const store of ['redis', 'cluster', 'sentinel']) {
    describeWithStore(store, `on ${store}`, url => {
      test.each(PACKAGES)('ends all the same (%s)', async name => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', program, url, name], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        const said: string[] = []
        child.stdout.on('data', text => said.push(String(text)))
        const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
        const [code] = await once(child, 'close')
        clearTimeout(timer)
        expect({ code, said: said.join('') }).toEqual({ code: 0, said: 'done' })
      })
    })
  }
})

describeWithStore('cluster', 'a cluster', url => {
  test('locks of many slots are listed once each, and renewed together', async () => {
    for (const name of ['ioredis', 'redis'] as const) {
      const store = closing(redisStore(url, { package: name, namespace: id() }))
      const all = Array.from({ length: 60 }, (_, index) => request(`many:{${index}}:${index}`))
      await Promise.all(all.map(each => store.enter(each, IO)))
      const answers = await store.renew(
        all.map(({ key, id: of }) => ({ key, id: of, ttlMs: 10_000 })),
        IO,
      )
      expect(answers.filter(answer => answer.status === 'held')).toHaveLength(60)
      const listed: string[] = []
      for await (const lock of store.list('many:', IO)) listed.push(lock.key)
      expect(listed.toSorted()).toEqual(all.map(each => each.key).toSorted())
    }
  })
})

describeWithStore('redis', 'a connection', url => {
  test('keys and arguments of any text arrive as they are', async () => {
    const echo = script(`return KEYS[1] .. '|' .. ARGV[1]`)
    for (const name of PACKAGES) {
      const connection = closing(connect(url, { package: name }))
      const call = { script: echo, keys: ['{}} \0\n*é😀'], args: ['\0\r\n$5'], read: String }
      expect(await connection.run(call, IO)).toBe('{}} \0\n*é😀|\0\r\n$5')
    }
  })

  test('a command that changes what the connection is for breaks no ioredis, old or new', async () => {
    const clients = [new Redis(url), new Redis5(url)]
    for (const client of clients) open.push(() => client.disconnect())
    for (const client of clients) expect(await connect(client).command('SUBSCRIBE', ['news'], IO)).toBeDefined()
  })
})

test('the user of the documentation may do all that holdfast does, and nothing else', async () => {
  const server = closing(await redisServer())
  const file = readFileSync(new URL('../../docs/redis.acl', import.meta.url), 'utf8')
  const [rule = '', password = ''] = /^user holdfast on >(\S+) .*$/m.exec(file) ?? []
  await server.ask('acl', 'setuser', ...rule.split(' ').slice(1))
  for (const name of PACKAGES) {
    for (const protocol of [2, 3] as const) {
      const store = closing(
        redisStore(`redis://holdfast:${password}@127.0.0.1:${server.port}`, { package: name, protocol }),
      )
      const heard = ear()
      await store.listen?.(heard)
      const [first, next] = [request(`${name}:${protocol}`), request(`${name}:${protocol}`)]
      await store.enter(first, IO)
      const token = tokenOf(await store.enter(next, IO))
      expect(await store.renew([{ key: first.key, id: first.id, ttlMs: 10_000 }], IO)).toMatchObject([
        { status: 'held' },
      ])
      const listed: string[] = []
      for await (const lock of store.list(first.key, IO)) listed.push(lock.key)
      expect(listed).toEqual([first.key])
      await store.leave({ key: first.key, id: first.id, keepMs: 0, forbidMs: 1_000 }, IO)
      await until(() => heard.held.includes(token))
      expect(await store.revoke(first.key, { tickets: 'all', reason: 'test', now: true }, IO)).toBe(1)
      const elsewhere = closing(
        redisStore(`redis://holdfast:${password}@127.0.0.1:${server.port}`, {
          package: name,
          protocol,
          prefix: 'other',
        }),
      )
      expect(await failureOf(elsewhere.enter(request('a'), IO))).toBeInstanceOf(ConfigurationError)
    }
  }
})
