/**
 * The table of faults in docs/drivers/redlock.md, row by row: may a second grant happen, when does the signal abort,
 * does the token grow, is the loser fenced (its token is the smaller one, so that a fenced resource refuses it).
 */
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { StoreUnavailableError, UnsupportedError } from '../../src/base/errors.ts'
import type { Lease, Locks } from '../../src/locks/types.ts'
import { createLocks } from '../../src/locks/locks.ts'
import { redlockStore } from '../../src/drivers/redlock.ts'
import type { RedlockStoreOptions } from '../../src/drivers/redlock.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import { REDIS_DURABLE } from '../../src/servers/redis.ts'
import { startServer } from '../../src/servers/start.ts'
import type { Store } from '../../src/store/contract.ts'
import { talk } from '../support/redis-talk.ts'
import { watchStalls } from '../support/stalls.ts'
import { skipWithoutRedis, startNodes } from './redlock-nodes.ts'
import type { TestNode, TestNodes } from './redlock-nodes.ts'

const KEY = 'account:7'
const now = (): number => systemClock.now()
const wait = (ms: number): Promise<void> => sleep(systemClock, ms)

async function tell(node: TestNode | undefined, line: string): Promise<string> {
  const client = await talk(node?.server.port ?? 0)
  try {
    return await client.ask(line)
  } finally {
    client.end()
  }
}

/** When the signal aborted; null if it did not within `ms`. */
function abortOf(lease: Lease, ms: number): Promise<number | null> {
  return new Promise(resolve => {
    if (lease.signal.aborted) return resolve(now())
    const timer = setTimeout(() => resolve(null), ms)
    lease.signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(now())
    })
  })
}

describe('faults of a redlock', () => {
  const closing: (() => Promise<unknown>)[] = []
  let stalledMs = (): number => 0
  beforeEach(context => {
    skipWithoutRedis(context)
    stalledMs = watchStalls()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  async function three(options: Parameters<typeof startNodes>[1] = {}): Promise<TestNodes> {
    const nodes = await startNodes(3, options)
    closing.push(() => nodes.close())
    return nodes
  }

  function locksOn(store: Store, ttl: number): Locks {
    const locks = createLocks(store, { ttl, wait: 20_000, storeTimeout: 1_000 })
    closing.push(() => locks.close({ drain: 0 }))
    return locks
  }

  /** A holds through the proxies; B comes directly. */
  async function scene(
    nodes: TestNodes,
    ttl: number,
    options: RedlockStoreOptions = {},
  ): Promise<{ lease: Lease; other: Locks; grantedAt: number }> {
    const other = locksOn(nodes.directly({ nodeTimeout: 300, ...options }), ttl)
    await other.inspect(KEY)
    const lease = await locksOn(nodes.store({ nodeTimeout: 300, ...options }), ttl).acquire(KEY)
    return { lease, other, grantedAt: now() }
  }

  /** A majority is enough for a lease: the last node may have no vote yet, and gets its part at a renewal. */
  async function onEveryNode(nodes: TestNodes, lease: Lease): Promise<void> {
    for (const node of nodes.nodes) {
      while ((await tell(node, `HSTRLEN holdfast:redlock:0::${KEY} token`)) !== `:${String(lease.token).length}`)
        await wait(20)
    }
  }

  /** Nobody is let in for so long: every attempt is refused, or finds no majority. */
  async function nobodyGetsIn(other: Locks, ms: number): Promise<void> {
    for (const deadline = now() + ms; now() < deadline; await wait(20)) {
      const lease = await other.tryAcquire(KEY).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StoreUnavailableError)
        return null
      })
      expect(lease).toBeNull()
    }
  }

  /** A lease on the first two nodes alone, a bare majority: its owner never reaches the third, others do. */
  function bareMajority(nodes: TestNodes, ttl: number): Promise<{ lease: Lease; other: Locks }> {
    nodes.nodes[2]?.proxy.set({ refuse: true })
    return scene(nodes, ttl)
  }

  test('a minority paused: no second grant, the signal does not abort, the token grows', async () => {
    const nodes = await three()
    const { lease, other } = await scene(nodes, 900)
    await nodes.nodes[0]?.server.pause()
    const aborted = abortOf(lease, 2_500)
    await nobodyGetsIn(other, 2_000)
    expect(await aborted).toBeNull()
    await lease.release()
    expect((await other.acquire(KEY)).token).toBeGreaterThan(lease.token)
  })

  test('a majority paused: no second grant, the signal aborts before the ttl is over, the token grows', async () => {
    const nodes = await three()
    const { lease, other, grantedAt } = await scene(nodes, 900)
    for (const { server } of nodes.nodes.slice(0, 2)) await server.pause()
    const aborted = abortOf(lease, 5_000)
    await nobodyGetsIn(other, 1_500)
    expect((await aborted) ?? Infinity).toBeLessThan(grantedAt + 900 + stalledMs())
    for (const { server } of nodes.nodes) server.resume()
    expect((await other.acquire(KEY)).token).toBeGreaterThan(lease.token)
  })

  test('all killed, with their data: no second grant, the lease goes on if they are back in time, the token grows', async () => {
    const nodes = await three()
    const { lease, other } = await scene(nodes, 6_000)
    for (const { server } of nodes.nodes) await server.kill()
    for (const { server } of nodes.nodes) await server.restart()
    await nobodyGetsIn(other, 500)
    await lease.renew()
    expect(lease.state).toBe('held')
    await lease.release()
    expect((await other.acquire(KEY)).token).toBeGreaterThan(lease.token)
  })

  test('a minority killed, without data: no second grant, the signal does not abort', async () => {
    const nodes = await three({ durable: false })
    const options = { maxTtl: 1_000 }
    const { lease, other } = await scene(nodes, 900, options)
    await onEveryNode(nodes, lease)
    await nodes.nodes[0]?.server.kill()
    await nodes.nodes[0]?.server.restart({ empty: true })
    const aborted = abortOf(lease, 2_500)
    await nobodyGetsIn(other, 2_000)
    expect(await aborted).toBeNull()
  })

  test('a majority killed, without data: the signal aborts, and there is no second grant before', async () => {
    const nodes = await three({ durable: false })
    const { lease, other, grantedAt } = await scene(nodes, 900, { maxTtl: 1_000 })
    const aborted = abortOf(lease, 10_000)
    for (const { server } of nodes.nodes.slice(0, 2)) await server.kill()
    for (const { server } of nodes.nodes.slice(0, 2)) await server.restart({ empty: true })
    const next = await other.acquire(KEY)
    const grantedAgainAt = now()
    const abortedAt = (await aborted) ?? Infinity
    expect(abortedAt).toBeLessThan(grantedAgainAt)
    expect(abortedAt).toBeLessThan(grantedAt + 900 + stalledMs())
    expect(next.token).toBeGreaterThan(lease.token)
  })

  test('replies of a majority dropped: no second grant while the lease is held, the signal aborts in time, the token grows', async () => {
    const nodes = await three()
    const { lease, other, grantedAt } = await scene(nodes, 900)
    const aborted = abortOf(lease, 5_000)
    for (const { proxy } of nodes.nodes.slice(0, 2)) proxy.set({ toClient: { drop: true } })
    const next = await other.acquire(KEY)
    const grantedAgainAt = now()
    const abortedAt = (await aborted) ?? Infinity
    expect(abortedAt).toBeLessThan(grantedAgainAt)
    expect(abortedAt).toBeLessThan(grantedAt + 900 + stalledMs())
    expect(next.token).toBeGreaterThan(lease.token)
  })

  test('a failover inside a node of a bare majority: a second grant, its token is greater, the signal aborts in time', async () => {
    const nodes = await three()
    const [first, second, last] = nodes.nodes
    const wire = await startProxy({ port: second?.server.port ?? 0 })
    const replica = await startServer(REDIS_DURABLE, { args: ['--replicaof', wire.host, String(wire.port)] })
    closing.push(async () => {
      await replica.close()
      await wire.close()
    })
    // From here on nothing of what is written comes to the replica, be it slow or quick.
    wire.set({ toClient: { drop: true } })
    const { lease } = await bareMajority(nodes, 4_000)
    const grantedAt = now()
    const aborted = abortOf(lease, 10_000)
    await second?.server.kill()
    const client = await talk(replica.port)
    expect(await client.ask('REPLICAOF NO ONE')).toBe('+OK')
    client.end()
    const store = redlockStore(
      [first, { server: replica }, last].map(node => `redis://127.0.0.1:${node?.server.port ?? 0}`),
    )
    closing.push(() => store.close())
    const next = await locksOn(store, 900).tryAcquire(KEY)
    expect(lease.state).not.toBe('lost')
    expect(next?.token).toBeGreaterThan(lease.token)
    expect((await aborted) ?? Infinity).toBeLessThan(grantedAt + 4_000 + stalledMs())
  }, 60_000)

  test('the record evicted on one node of a bare majority: a second grant, its token is greater, the signal aborts in time', async () => {
    const nodes = await three()
    const { lease, other } = await bareMajority(nodes, 4_000)
    const second = nodes.nodes[1]
    await tell(second, 'CONFIG SET maxmemory-policy allkeys-random')
    await tell(second, 'CONFIG SET maxmemory 3mb')
    const name = `holdfast:redlock:0::${KEY}`
    for (let filler = 0; (await tell(second, `EXISTS ${name}`)) === ':1' && filler < 20_000; filler += 1)
      await tell(second, `SET filler:${filler} ${'x'.repeat(8_000)}`)
    await tell(second, 'CONFIG SET maxmemory 0')
    const next = await other.acquire(KEY, { wait: 2_000 })
    expect(lease.state).not.toBe('lost')
    expect(next.token).toBeGreaterThan(lease.token)
    expect(await abortOf(lease, 4_000)).not.toBeNull()
  }, 60_000)

  test('the disk emptied of one node of a bare majority: a second grant, its token is greater, the signal aborts in time', async () => {
    const nodes = await three()
    const { lease, other } = await bareMajority(nodes, 4_000)
    await nodes.nodes[1]?.server.kill()
    await nodes.nodes[1]?.server.restart({ empty: true })
    const next = await other.acquire(KEY, { wait: 3_000 })
    expect(next.token).toBeGreaterThan(lease.token)
    expect(await abortOf(lease, 4_000)).not.toBeNull()
  }, 60_000)

  test('FLUSHALL on a minority: no second grant; on all: a second grant, its token is greater, the next renewal aborts the signal', async () => {
    const nodes = await three()
    const { lease, other } = await scene(nodes, 3_000)
    await tell(nodes.nodes[0], 'FLUSHALL')
    await nobodyGetsIn(other, 300)
    for (const node of nodes.nodes) await tell(node, 'FLUSHALL')
    const next = await other.tryAcquire(KEY)
    expect(next?.token).toBeGreaterThan(lease.token)
    expect(await abortOf(lease, 3_000)).not.toBeNull()
  })

  async function stepped(ttl: number): Promise<{ nodes: TestNodes; lease: Lease; other: Locks } | string> {
    try {
      const nodes = await three({ stepClock: true })
      return { nodes, ...(await scene(nodes, ttl)) }
    } catch (error) {
      if (error instanceof UnsupportedError) return error.message
      throw error
    }
  }

  test('clock +60 s on a minority: no second grant; on a majority: a second grant, its token is greater, the next renewal aborts the signal', async context => {
    const made = await stepped(3_000)
    if (typeof made === 'string') return context.skip(made)
    const { nodes, lease, other } = made
    nodes.nodes[0]?.server.clock?.set(60_000)
    await nobodyGetsIn(other, 300)
    nodes.nodes[1]?.server.clock?.set(60_000)
    const next = await other.tryAcquire(KEY)
    expect(next?.token).toBeGreaterThan(lease.token)
    expect(await abortOf(lease, 3_000)).not.toBeNull()
    await next?.release()
    for (const { server } of nodes.nodes) server.clock?.set(0)
    expect((await other.acquire(KEY)).token).toBeGreaterThan(next?.token ?? Infinity)
  })

  test('clock -1 h on a majority: no second grant, no lease of an hour, the token grows', async context => {
    const made = await stepped(1_500)
    if (typeof made === 'string') return context.skip(made)
    const { nodes, lease, other } = made
    for (const { server } of nodes.nodes.slice(0, 2)) server.clock?.set(-3_600_000)
    await nobodyGetsIn(other, 300)
    await lease.renew()
    // Its owner dies.
    for (const { proxy } of nodes.nodes) {
      proxy.set({ refuse: true })
      proxy.cut()
    }
    const diedAt = now()
    const next = await other.acquire(KEY)
    expect(now() - diedAt).toBeLessThan(15_000)
    expect(lease.state).toBe('lost')
    expect(next.token).toBeGreaterThan(lease.token)
  })

  test('500 who gave up in front: they have left nothing, and the next comes in at once', async () => {
    const nodes = await three()
    const { lease, other } = await scene(nodes, 10_000, { nodeTimeout: '2s' })
    const attempts = await Promise.all(Array.from({ length: 500 }, () => other.tryAcquire(KEY)))
    expect(attempts.every(attempt => attempt === null)).toBe(true)
    await lease.release()
    expect((await other.tryAcquire(KEY))?.token).toBeGreaterThan(lease.token)
  })

  test('who dies between the two rounds blocks the lock for two node timeouts, not for its ttl', async () => {
    const nodes = await three()
    const dying = nodes.store({ nodeTimeout: 400 })
    // The smallest of ids: nobody displaces its reservations.
    const request = {
      key: KEY,
      id: '!',
      holder: 'dying',
      mode: 'exclusive',
      limit: null,
      ttlMs: 60_000,
      waiterTtlMs: 5_000,
      queue: false,
      tokens: 1,
      meta: {},
    } as const
    expect((await dying.enter({ ...request, key: 'another key' }, { timeoutMs: 2_000 })).status).toBe('holds')
    for (const { proxy } of nodes.nodes) proxy.set({ toClient: { hold: true } })
    const enter = dying.enter(request, { timeoutMs: 2_000 }).catch((error: unknown) => error)
    await wait(100)
    for (const { proxy } of nodes.nodes) {
      proxy.set({ refuse: true })
      proxy.cut()
    }
    const other = locksOn(nodes.directly(), 10_000)
    expect(await other.tryAcquire(KEY)).toBeNull()
    const startedAt = now()
    await other.acquire(KEY)
    expect(now() - startedAt).toBeLessThan(10_000)
    expect(await enter).toBeInstanceOf(StoreUnavailableError)
  })

  test('the offline queue of given clients holds no request back: what failed stays undone when the servers return', async () => {
    const nodes = await three()
    const clients = nodes.nodes.map(({ server }) => new Redis(server.port, '127.0.0.1'))
    for (const client of clients) client.on('error', () => {})
    closing.push(async () => {
      for (const client of clients) client.disconnect()
    })
    const store = redlockStore(clients, { clockErrorMs: 5 })
    const first = await locksOn(store, 5_000).acquire('another key')
    expect(first.token).toBeGreaterThan(0)
    for (const { server } of nodes.nodes) await server.kill()
    await wait(50)
    await expect(createLocks(store, { ttl: 30_000, wait: 300 }).acquire(KEY)).rejects.toThrow(StoreUnavailableError)
    for (const { server } of nodes.nodes) await server.restart()
    await wait(1_500)
    const other = locksOn(nodes.directly(), 5_000)
    expect(await other.inspect(KEY)).toBeNull()
    expect((await other.tryAcquire(KEY))?.token).toBeGreaterThan(0)
  })

  test('replies that come after the caller gave up grant nothing', async () => {
    const nodes = await three()
    const locks = locksOn(nodes.store({ nodeTimeout: 400 }), 10_000)
    await locks.inspect(KEY)
    for (const { proxy } of nodes.nodes) proxy.set({ toClient: { hold: true } })
    await expect(locks.acquire(KEY, { wait: 300 })).rejects.toThrow(/answer|wait|acquired/)
    for (const { proxy } of nodes.nodes) proxy.clear()
    const other = locksOn(nodes.directly(), 10_000)
    const startedAt = now()
    const next = await other.acquire(KEY)
    expect(now() - startedAt).toBeLessThan(8_000)
    await wait(500)
    expect((await other.inspect(KEY))?.holders.map(({ token }) => token)).toEqual([next.token])
  })
})
