/**
 * The table of faults in docs/drivers/consul.md, row by row: may a second grant happen, and when does the signal of the
 * first abort.
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { LeaseLostError, StoreUnavailableError } from '../../src/base/errors.ts'
import { consulStore } from '../../src/drivers/consul.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Lease, Locks, LocksOptions } from '../../src/locks/types.ts'
import { CONSUL, consulMember } from '../../src/servers/consul.ts'
import { freePort } from '../../src/servers/ports.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { until } from '../support/holdfast.ts'
import { watchStalls } from '../support/stalls.ts'
import { skipWithout } from '../support/stores.ts'

const KEY = 'account:7'
const TTL_MS = 3_000
/** The servers of the tests let sessions in that are shorter than Consul's own least. */
const SHORT = { minTtlMs: 1_000 }
const now = (): number => systemClock.now()
const wait = (ms: number): Promise<void> => sleep(systemClock, ms)
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** When the signal aborted; Infinity if it did not within `ms`. */
function abortOf({ signal }: Lease, ms: number): Promise<number> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve(now())
    const timer = setTimeout(() => resolve(Infinity), ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(now())
    })
  })
}

function locksAt(ports: number | readonly number[], options: LocksOptions = {}): Locks {
  const hosts = [ports].flat().map(port => `127.0.0.1:${port}`)
  const store = consulStore(`consul://${hosts.join(',')}`, SHORT)
  const locks = createLocks(store, { ttl: TTL_MS, wait: 30_000, storeTimeout: 1_000, ...options })
  closing.push(() => locks.close({ drain: 0 }))
  return locks
}

async function nobodyGetsIn(other: Locks, ms: number): Promise<void> {
  for (const deadline = now() + ms; now() < deadline; await wait(50)) {
    const lease = await other.tryAcquire(KEY).catch((error: unknown) => {
      expect(error).toBeInstanceOf(StoreUnavailableError)
      return null
    })
    expect(lease).toBeNull()
  }
}

/** What an operator would say. */
async function tell({ port }: FaultServer, method: string, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/${path}`, { method })
  return answer.text()
}

describe('faults of Consul', () => {
  interface Scene {
    readonly server: FaultServer
    readonly proxy: FaultProxy
    readonly lease: Lease
    readonly other: Locks
    readonly grantedAt: number
    readonly stalledMs: () => number
  }

  async function servers(context: TestContext): Promise<Pick<Scene, 'server' | 'proxy' | 'stalledMs'>> {
    skipWithout(CONSUL, context)
    const stalledMs = watchStalls()
    const server = await startServer(CONSUL)
    closing.push(() => server.close())
    const proxy = await startProxy({ port: server.port })
    closing.push(() => proxy.close())
    return { server, proxy, stalledMs }
  }

  /** A holds through the proxy; B comes directly. */
  async function scene(context: TestContext): Promise<Scene> {
    const { server, proxy, stalledMs } = await servers(context)
    const other = locksAt(server.port)
    await other.inspect(KEY)
    const lease = await locksAt(proxy.port).acquire(KEY)
    return { server, proxy, lease, other, grantedAt: now(), stalledMs }
  }

  test('the server is paused: of fifty leases each aborts before another could hold', async context => {
    const { server, proxy } = await servers(context)
    const keys = Array.from({ length: 50 }, (_, index) => `${KEY}:${index}`)
    const [here, there] = [locksAt(proxy.port), locksAt(server.port)]
    const leases = await Promise.all(keys.map(key => here.acquire(key)))
    const aborts = leases.map(lease => abortOf(lease, 20_000))
    await server.pause()
    setTimeout(() => server.resume(), TTL_MS)
    const next = keys.map(async key => {
      await there.acquire(key)
      return now()
    })
    const grantedAt = await Promise.all(next)
    for (const [index, abortedAt] of (await Promise.all(aborts)).entries())
      expect(abortedAt).toBeLessThan(grantedAt[index] ?? 0)
  }, 60_000)

  test('a short pause: no second grant, the signal does not abort', async context => {
    const { server, lease, other } = await scene(context)
    const aborted = abortOf(lease, TTL_MS)
    await server.pause()
    await wait(400)
    server.resume()
    await nobodyGetsIn(other, TTL_MS - 500)
    expect(await aborted).toBe(Infinity)
  })

  test('the server is killed: nobody gets in, the signal aborts in time', async context => {
    const { server, lease, other, grantedAt, stalledMs } = await scene(context)
    const aborted = abortOf(lease, 10_000)
    await server.kill()
    await nobodyGetsIn(other, 1_000)
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })

  test('the server is killed and comes back: the lease goes on, and no token is given twice', async context => {
    const { server, proxy, other } = await scene(context)
    const lease = await locksAt(proxy.port).acquire('long', { ttl: '30s' })
    await server.kill()
    await server.restart()
    await until('a renewal', () =>
      lease.renew().then(
        () => true,
        () => false,
      ),
    )
    expect(await other.tryAcquire('long')).toBeNull()
    expect(await lease.release()).toBe('released')
    const next = await other.acquire('long')
    expect(next.token).toBeGreaterThan(lease.token)
  }, 60_000)

  test('the server comes back without its data: nobody who knew a greater token is given a lesser one', async context => {
    const { server, lease, other } = await scene(context)
    const aborted = abortOf(lease, 10_000)
    for (let round = 0; round < 5; round += 1) await (await other.acquire('before')).release()
    await server.restart({ empty: true })
    expect(await aborted).not.toBe(Infinity)
    const refused = until('a refusal', () =>
      other.tryAcquire('before').then(
        () => null,
        (error: unknown) => (error instanceof LeaseLostError ? error : null),
      ),
    )
    expect(await refused).toHaveProperty('reason', 'store-regressed')
  }, 60_000)

  test('replies are dropped: no second grant while the lease is held, the signal aborts in time', async context => {
    const { proxy, lease, other, grantedAt, stalledMs } = await scene(context)
    const aborted = abortOf(lease, 10_000)
    proxy.set({ toClient: { drop: true } })
    await other.acquire(KEY)
    const grantedAgainAt = now()
    expect(await aborted).toBeLessThan(grantedAgainAt)
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })

  test('every request is carried out a second time, later: one at a time holds, and in the end nobody', async context => {
    const { server, proxy } = await servers(context)
    proxy.set({ repeat: { chance: 1, afterMs: 300 } })
    const people = [locksAt(proxy.port), locksAt(proxy.port)]
    let [inside, most] = [0, 0]
    const section = async (): Promise<void> => {
      most = Math.max(most, (inside += 1))
      await wait(5)
      inside -= 1
    }
    await Promise.all(
      people.map(async locks => {
        for (let round = 0; round < 10; round += 1) await locks.run(KEY, section)
      }),
    )
    await wait(600)
    expect(most).toBe(1)
    expect(await locksAt(server.port).inspect(KEY)).toBeNull()
  }, 60_000)

  test('a request that is carried out after its caller gave up takes the lock for nobody', async context => {
    const { server, proxy } = await servers(context)
    const late = locksAt(proxy.port, { storeTimeout: 500 })
    await until('a connection', () =>
      late.inspect(KEY).then(
        () => true,
        () => false,
      ),
    )
    proxy.set({ toServer: { hold: true } })
    await expect(late.tryAcquire(KEY, { ttl: '1m' })).rejects.toThrow(StoreUnavailableError)
    proxy.clear()
    // Its leave is under way too. Somebody who held for nobody would be in the way for a minute.
    const lease = await locksAt(server.port).acquire(KEY, { wait: 20_000 })
    await wait(500)
    expect(lease.state).toBe('held')
    await lease.renew()
  }, 60_000)

  test('a leave is lost: it is sent again, and the next comes in before the ttl is over', async context => {
    const { proxy, lease, other, server } = await scene(context)
    const long = await locksAt(proxy.port, { ttl: '2m' }).acquire('long')
    proxy.cut()
    proxy.set({ refuse: true })
    expect(await long.release()).toBe('unconfirmed')
    expect(await other.tryAcquire('long')).toBeNull()
    proxy.clear()
    await (await locksAt(server.port).acquire('long', { wait: 20_000 })).release()
    await lease.release()
  }, 60_000)

  test('the holder is killed: the next comes in after the ttl, and not much later', async context => {
    const { server, stalledMs } = await servers(context)
    const dead = consulStore(server.address, SHORT)
    const there = locksAt(server.port)
    const after = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        await wait(index * 230)
        const key = `${KEY}:${index}`
        const request = { key, id: `dead ${index}`, holder: 'dead', mode: 'exclusive', limit: null } as const
        const rest = { ttlMs: TTL_MS, waiterTtlMs: TTL_MS, queue: true, tokens: 1, meta: {} }
        const enteredAt = now()
        expect(await dead.enter({ ...request, ...rest }, { timeoutMs: 5_000 })).toHaveProperty('status', 'holds')
        await there.acquire(key)
        return now() - enteredAt
      }),
    )
    await dead.close()
    for (const ms of after) {
      expect(ms).toBeGreaterThan(TTL_MS - 100)
      // How soon on a machine at rest, `npm run proof:recovery` measures.
      expect(ms).toBeLessThan(4 * TTL_MS + stalledMs())
    }
  }, 60_000)

  test('its session ends behind the back of the holder: a second grant; the next renewal aborts the signal', async context => {
    const { server, lease, other } = await scene(context)
    const aborted = abortOf(lease, 10_000)
    const sessions = await tell(server, 'GET', 'kv/holdfast/ns/ticket/?recurse')
    await tell(server, 'PUT', `session/destroy/${/"Session":"([^"]+)"/.exec(sessions)?.[1] ?? ''}`)
    await other.acquire(KEY)
    expect(await aborted).not.toBe(Infinity)
    expect(await lease.release()).toBe('lost')
    expect((await other.inspect(KEY))?.holders).toHaveLength(1)
  })

  test('its key is deleted by an operator: a second grant; the next renewal aborts the signal', async context => {
    const { server, lease, other } = await scene(context)
    const aborted = abortOf(lease, 10_000)
    await tell(server, 'DELETE', 'kv/holdfast/ns/ticket/?recurse')
    await other.acquire(KEY)
    expect(await aborted).not.toBe(Infinity)
    expect(await lease.release()).toBe('lost')
    expect((await other.inspect(KEY))?.holders).toHaveLength(1)
  })

  test('the watch is cut, and one that went silent: who waits comes in all the same', async context => {
    const { server, proxy } = await servers(context)
    const [here, there] = [locksAt(server.port, { ttl: '1m' }), locksAt(proxy.port)]
    for (const fault of ['cut', 'silence'] as const) {
      const lease = await here.acquire(KEY)
      const next = there.acquire(KEY)
      await until('a waiter', async () => (await here.inspect(KEY))?.waiters.length === 1)
      if (fault === 'cut') proxy.cut()
      else proxy.set({ toClient: { drop: true } })
      await lease.release()
      await wait(200)
      proxy.clear()
      await (await next).release()
    }
  }, 60_000)

  test('a waiter that is dead is passed over, and so is the next', async context => {
    const { server } = await servers(context)
    const dead = consulStore(server.address, SHORT)
    const [here, there] = [locksAt(server.port), locksAt(server.port)]
    const lease = await here.acquire(KEY)
    for (const id of ['first', 'second']) {
      const request = { key: KEY, id, holder: 'dead', mode: 'exclusive', limit: null } as const
      const rest = { ttlMs: 60_000, waiterTtlMs: TTL_MS, queue: true, tokens: 1, meta: {} }
      expect(await dead.enter({ ...request, ...rest }, { timeoutMs: 5_000 })).toHaveProperty('status', 'waits')
    }
    await dead.close()
    const next = there.acquire(KEY)
    await lease.release()
    await (await next).release()
  }, 60_000)
})

describe('faults of three Consul', () => {
  interface Cluster {
    readonly ports: readonly number[]
    leader(): Promise<FaultServer>
  }

  async function cluster(context: TestContext): Promise<Cluster> {
    skipWithout(CONSUL, context)
    const ports = [await freePort(3), await freePort(3), await freePort(3)]
    const starting = ports.map(port => startServer(consulMember(ports), { port }))
    closing.push(async () => {
      for (const member of await Promise.allSettled(starting))
        if (member.status === 'fulfilled') await member.value.close()
    })
    const members = await Promise.all(starting)
    return {
      ports,
      leader: () =>
        until('a leader', async () => {
          const [first] = members
          const told = first === undefined ? '' : await tell(first, 'GET', 'status/leader')
          return members.find(({ port }) => told === `"127.0.0.1:${port + 1}"`)
        }),
    }
  }

  test('the leader is killed: the lease goes on, no second grant, and tokens grow', async context => {
    const { ports, leader } = await cluster(context)
    const [here, there] = [locksAt(ports, { ttl: '40s' }), locksAt(ports, { ttl: '40s' })]
    const lease = await here.acquire(KEY)
    const aborted = abortOf(lease, 12_000)
    await (await leader()).kill()
    await nobodyGetsIn(there, 10_000)
    expect(await aborted).toBe(Infinity)
    await lease.renew()
    expect(await lease.release()).toBe('released')
    expect((await there.acquire(KEY)).token).toBeGreaterThan(lease.token)
  }, 120_000)

  test('the leader is paused: the others go on, and what it renews when it wakes gives nobody time', async context => {
    const { ports, leader } = await cluster(context)
    const paused = await leader()
    const [here, there] = [locksAt(paused.port), locksAt(ports.filter(port => port !== paused.port))]
    const lease = await here.acquire(KEY)
    const aborted = abortOf(lease, 60_000)
    await paused.pause()
    await there.acquire(KEY)
    const grantedAt = now()
    paused.resume()
    expect(await aborted).toBeLessThan(grantedAt)
    await wait(500)
    expect(lease.signal.aborted).toBe(true)
  }, 120_000)
})
