/**
 * The table of faults in docs/drivers/zookeeper.md, row by row: may a second grant happen, and when does the signal of
 * the first abort.
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { LeaseLostError, StoreUnavailableError } from '../../src/base/errors.ts'
import { zookeeperStore } from '../../src/drivers/zookeeper.ts'
import { dial } from '../../src/drivers/zookeeper/client.ts'
import type { Link, Session } from '../../src/drivers/zookeeper/client.ts'
import { alone, ANY, childrenOf, getNode, removeNode } from '../../src/drivers/zookeeper/statements.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Lease, Locks, LocksOptions } from '../../src/locks/types.ts'
import type { Store } from '../../src/store/contract.ts'
import { ZOOKEEPER, zookeeperMember } from '../../src/servers/zookeeper.ts'
import { ask } from '../../src/servers/ask.ts'
import { freePort } from '../../src/servers/ports.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { until } from '../support/holdfast.ts'
import { watchStalls } from '../support/stalls.ts'
import { skipWithout } from '../support/stores.ts'

const KEY = 'account:7'
const TTL_MS = 3_000
/** Two ticks of the servers. */
const LATE_MS = 1_000
const TICK = '500ms'
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

function storeAt(ports: readonly number[]): Store {
  return zookeeperStore(`zookeeper://${ports.map(port => `127.0.0.1:${port}`).join(',')}`, { tick: TICK })
}

function locksAt(ports: readonly number[], options: LocksOptions = {}): Locks {
  const store = storeAt(ports)
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

/** A session as ZooKeeper's own command line has one, or one that is taken over. */
async function operatorAt({ port }: FaultServer, session: Session | null = null): Promise<Link> {
  const greeting = { session, ms: 10_000, login: null, beatMs: 1_000 }
  const link = await dial({ host: '127.0.0.1', port }, greeting, 5_000)
  closing.push(async () => link.end())
  return link
}

const TICKETS = '/holdfast/@/locks/account%3A7'

async function ticketAt(link: Link): Promise<{ readonly path: string; readonly owner: string }> {
  const children = await link.ask(childrenOf(TICKETS))
  const path = `${TICKETS}/${children.ok ? children.value[0] : ''}`
  const node = await link.ask(getNode(path))
  if (!node.ok) throw new Error(`there is no ${path}`)
  return { path, owner: node.value.life }
}

/**
 * What a server makes of a session's id (ZooKeeperServer.generatePasswd: java.util.Random of it, with a constant mixed
 * in).
 */
function passwordOf(id: string): Buffer {
  const MASK = (1n << 48n) - 1n
  let seed = (BigInt(id) ^ 0xb3415c00n ^ 0x5deece66dn) & MASK
  const password = Buffer.alloc(16)
  for (let at = 0; at < 16; at += 4) {
    seed = (seed * 0x5deece66dn + 0xbn) & MASK
    password.writeInt32LE(Number(BigInt.asIntN(32, seed >> 16n)), at)
  }
  return password
}

describe('faults of one ZooKeeper', () => {
  interface Scene {
    readonly server: FaultServer
    readonly proxy: FaultProxy
    readonly lease: Lease
    readonly other: Locks
    readonly grantedAt: number
    readonly stalledMs: () => number
  }

  async function servers(context: TestContext): Promise<Pick<Scene, 'server' | 'proxy' | 'stalledMs'>> {
    skipWithout(ZOOKEEPER, context)
    const stalledMs = watchStalls()
    const server = await startServer(ZOOKEEPER)
    closing.push(() => server.close())
    const proxy = await startProxy({ port: server.port })
    closing.push(() => proxy.close())
    return { server, proxy, stalledMs }
  }

  /** A holds through the proxy; B comes directly. */
  async function scene(context: TestContext): Promise<Scene> {
    const { server, proxy, stalledMs } = await servers(context)
    const other = locksAt([server.port])
    await other.inspect(KEY)
    const lease = await locksAt([proxy.port]).acquire(KEY)
    return { server, proxy, lease, other, grantedAt: now(), stalledMs }
  }

  test('the server is paused: of fifty leases each aborts before another could hold', async context => {
    const { server, proxy } = await servers(context)
    const keys = Array.from({ length: 50 }, (_, index) => `${KEY}:${index}`)
    const [here, there] = [locksAt([proxy.port]), locksAt([server.port])]
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
    const lease = await locksAt([proxy.port]).acquire('long', { ttl: '30s' })
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

  test('a request that is carried out after its caller gave up takes the lock for nobody', async context => {
    const { server, proxy } = await servers(context)
    const late = locksAt([proxy.port], { storeTimeout: 300 })
    await late.inspect(KEY)
    proxy.set({ toServer: { hold: true } })
    await expect(late.tryAcquire(KEY, { ttl: '1m' })).rejects.toThrow(StoreUnavailableError)
    proxy.clear()
    // Its leave is under way too. Somebody who held for nobody would be in the way for a minute.
    const lease = await locksAt([server.port]).acquire(KEY, { wait: 20_000 })
    await wait(500)
    expect(lease.state).toBe('held')
    await lease.renew()
  }, 60_000)

  test('a leave is lost: it is sent again, and the next comes in before the ttl is over', async context => {
    const { proxy, lease, other, server } = await scene(context)
    const long = await locksAt([proxy.port], { ttl: '2m' }).acquire('long')
    proxy.cut()
    proxy.set({ refuse: true })
    expect(await long.release()).toBe('unconfirmed')
    expect(await other.tryAcquire('long')).toBeNull()
    proxy.clear()
    await (await locksAt([server.port]).acquire('long', { wait: 20_000 })).release()
    await lease.release()
  }, 60_000)

  test('the holder is killed: the next comes in after the ttl, and not much later', async context => {
    const { server, stalledMs } = await servers(context)
    const dead = storeAt([server.port])
    const there = locksAt([server.port])
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
      expect(ms).toBeLessThan(3 * TTL_MS + LATE_MS + stalledMs())
    }
  }, 60_000)

  test('its session ends behind the back of the holder: a second grant; the signal aborts at the next renewal', async context => {
    const { server, lease, other } = await scene(context)
    const aborted = abortOf(lease, 10_000)
    const { owner } = await ticketAt(await operatorAt(server))
    const taken = await operatorAt(server, { id: owner, password: passwordOf(owner), ms: 10_000 })
    await taken.endSession()
    await other.acquire(KEY)
    expect(await aborted).not.toBe(Infinity)
    expect(await lease.release()).toBe('lost')
    expect((await other.inspect(KEY))?.holders).toHaveLength(1)
  })

  test('its node is deleted by an operator: a second grant; the signal aborts at the next renewal', async context => {
    const { server, lease, other } = await scene(context)
    const aborted = abortOf(lease, 10_000)
    const operator = await operatorAt(server)
    await operator.ask(alone(removeNode((await ticketAt(operator)).path, ANY)))
    await other.acquire(KEY)
    expect(await aborted).not.toBe(Infinity)
    expect(await lease.release()).toBe('lost')
    expect((await other.inspect(KEY))?.holders).toHaveLength(1)
  })

  test('the watch is cut, and one that went silent: who waits comes in all the same', async context => {
    const { server, proxy } = await servers(context)
    const [here, there] = [locksAt([server.port], { ttl: '1m' }), locksAt([proxy.port])]
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

  test('two hundred wait in a row: one after the other comes in, in order', async context => {
    const { server } = await servers(context)
    const many = Array.from({ length: 8 }, () =>
      locksAt([server.port], { fair: 'strict', wait: '4m', ttl: '20s', storeTimeout: '20s' }),
    )
    const first = await locksAt([server.port], { ttl: '4m', storeTimeout: '20s' }).acquire(KEY)
    const tokens: number[] = []
    const all = Array.from({ length: 200 }, async (_, index) =>
      many[index % many.length]?.run(KEY, async lease => void tokens.push(lease.token)),
    )
    const done = Promise.all(all)
    done.catch(() => {})
    const seen = async (): Promise<boolean> => {
      await wait(250)
      return (await many[0]?.inspect(KEY))?.waiters.length === 200
    }
    await until('two hundred waiters', seen, 120_000)
    await first.release()
    await done
    expect(tokens).toHaveLength(200)
    expect(tokens).toEqual(tokens.toSorted((one, other) => one - other))
  }, 300_000)

  test('a waiter that is dead is passed over, and so is the next', async context => {
    const { server } = await servers(context)
    const dead = storeAt([server.port])
    const [here, there] = [locksAt([server.port]), locksAt([server.port])]
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

describe('faults of three ZooKeeper', () => {
  interface Cluster {
    readonly members: readonly FaultServer[]
    readonly ports: readonly number[]
    leader(): Promise<FaultServer>
  }

  async function cluster(context: TestContext): Promise<Cluster> {
    skipWithout(ZOOKEEPER, context)
    const ports = [await freePort(3), await freePort(3), await freePort(3)]
    const starting = ports.map(port => startServer(zookeeperMember(ports), { port }))
    closing.push(async () => {
      for (const member of await Promise.allSettled(starting))
        if (member.status === 'fulfilled') await member.value.close()
    })
    const members = await Promise.all(starting)
    return {
      members,
      ports,
      leader: () =>
        until('a leader', async () => {
          for (const member of members)
            if ((await ask(member.port, { send: 'srvr', until: 'Node count' })).includes('Mode: leader')) return member
          return null
        }),
    }
  }

  test('the leader is killed: the lease goes on, no second grant, and tokens grow', async context => {
    const { ports, leader } = await cluster(context)
    const [here, there] = [locksAt(ports, { ttl: '20s' }), locksAt(ports, { ttl: '20s' })]
    const lease = await here.acquire(KEY)
    const aborted = abortOf(lease, 8_000)
    await (await leader()).kill()
    await nobodyGetsIn(there, 6_000)
    expect(await aborted).toBe(Infinity)
    await lease.renew()
    expect(await lease.release()).toBe('released')
    expect((await there.acquire(KEY)).token).toBeGreaterThan(lease.token)
  }, 90_000)

  test('the leader is paused: the others go on, and what it renews when it wakes gives nobody time', async context => {
    const { ports, leader } = await cluster(context)
    const paused = await leader()
    const [here, there] = [locksAt([paused.port]), locksAt(ports.filter(port => port !== paused.port))]
    const lease = await here.acquire(KEY)
    const aborted = abortOf(lease, 30_000)
    await paused.pause()
    await there.acquire(KEY)
    const grantedAt = now()
    paused.resume()
    expect(await aborted).toBeLessThan(grantedAt)
    await wait(500)
    expect(lease.signal.aborted).toBe(true)
  }, 90_000)
})
