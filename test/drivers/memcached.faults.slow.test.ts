/**
 * The table of faults in docs/drivers/memcached.md, row by row: may a second grant happen, and when does the signal of
 * the first abort.
 */
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { StoreUnavailableError } from '../../src/base/errors.ts'
import { memcachedStore } from '../../src/drivers/memcached.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Lease, Locks } from '../../src/locks/types.ts'
import { MEMCACHED } from '../../src/servers/memcached.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { until } from '../support/holdfast.ts'
import { watchStalls } from '../support/stalls.ts'
import { skipWithout } from '../support/stores.ts'

const KEY = 'account:7'
const TTL_MS = 3_000
const now = (): number => systemClock.now()
const wait = (ms: number): Promise<void> => sleep(systemClock, ms)

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

/** Says one line to the server, past every proxy, and gives the first that it answers. */
function tell({ port }: FaultServer, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\n`))
    socket.on('error', reject)
    socket.on('data', answer => {
      socket.destroy()
      resolve(String(answer).trim())
    })
  })
}

describe('faults of memcached', () => {
  const closing: (() => Promise<unknown>)[] = []
  let server: FaultServer
  let proxy: FaultProxy
  let stalledMs = (): number => 0
  beforeEach(async context => {
    skipWithout(MEMCACHED, context)
    stalledMs = watchStalls()
    server = await startServer(MEMCACHED)
    proxy = await startProxy({ port: server.port })
    closing.push(() => server.close())
    closing.push(() => proxy.close())
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  function locksAt(port: number, options: { readonly storeTimeout?: number } = {}): Locks {
    const store = memcachedStore(`memcached://127.0.0.1:${port}`)
    const locks = createLocks(store, { ttl: TTL_MS, wait: 20_000, storeTimeout: 500, ...options })
    closing.push(() => locks.close({ drain: 0 }))
    return locks
  }

  /** A holds through the proxy; B comes directly. */
  async function scene(): Promise<{ readonly lease: Lease; readonly other: Locks; readonly grantedAt: number }> {
    const other = locksAt(server.port)
    await other.inspect(KEY)
    const lease = await locksAt(proxy.port).acquire(KEY)
    return { lease, other, grantedAt: now() }
  }

  async function nobodyGetsIn(other: Locks, ms: number): Promise<void> {
    for (const deadline = now() + ms; now() < deadline; await wait(20)) {
      const lease = await other.tryAcquire(KEY).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StoreUnavailableError)
        return null
      })
      expect(lease).toBeNull()
    }
  }

  test('the server is paused: of fifty leases each aborts before another could hold', async () => {
    const keys = Array.from({ length: 50 }, (_, index) => `${KEY}:${index}`)
    const [here, there] = [locksAt(proxy.port), locksAt(server.port)]
    const leases = await Promise.all(keys.map(key => here.acquire(key)))
    const aborts = leases.map(lease => abortOf(lease, 10_000))
    await server.pause()
    setTimeout(() => server.resume(), TTL_MS)
    const next = keys.map(async key => {
      await there.acquire(key)
      return now()
    })
    const grantedAt = await Promise.all(next)
    for (const [index, abortedAt] of (await Promise.all(aborts)).entries())
      expect(abortedAt).toBeLessThan(grantedAt[index] ?? 0)
  })

  test('a short pause: no second grant, the signal does not abort', async () => {
    const { lease, other } = await scene()
    const aborted = abortOf(lease, TTL_MS)
    await server.pause()
    await wait(400)
    server.resume()
    await nobodyGetsIn(other, TTL_MS - 500)
    expect(await aborted).toBe(Infinity)
  })

  test('the server is killed: nobody gets in, the signal aborts in time', async () => {
    const { lease, other, grantedAt } = await scene()
    const aborted = abortOf(lease, 10_000)
    await server.kill()
    await nobodyGetsIn(other, 1_000)
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })

  test('the server is restarted: it has forgotten, so a second grant; the next renewal aborts the signal', async () => {
    const { lease, other } = await scene()
    const aborted = abortOf(lease, 10_000)
    await server.kill()
    await server.restart()
    await other.acquire(KEY)
    expect(await aborted).not.toBe(Infinity)
    await expect(lease.release()).resolves.toBe('lost')
    expect((await other.inspect(KEY))?.holders).toHaveLength(1)
  })

  test('flush_all: a second grant; the next renewal aborts the signal', async () => {
    const { lease, other } = await scene()
    const aborted = abortOf(lease, 10_000)
    expect(await tell(server, 'flush_all')).toBe('OK')
    await other.acquire(KEY, { wait: 2_000 })
    expect(await aborted).not.toBe(Infinity)
  })

  test('the item is evicted: a second grant; the signal aborts at the next renewal', async () => {
    const small = await startServer(MEMCACHED, { args: ['--memory-limit=8'] })
    closing.push(() => small.close())
    const lease = await locksAt(small.port).acquire(KEY, { ttl: '1m', renew: 'manual' })
    // Of the sizes around that of the item: memcached evicts among its like.
    const filler = (name: string, bytes: number): string => `ms ${name} ${bytes} q\r\n${'x'.repeat(bytes)}`
    for (let batch = 0; batch < 50; batch += 1) {
      const sets = Array.from({ length: 4_000 }, (_, index) => filler(`f${batch}:${index}`, 60 + 40 * (index % 8)))
      await tell(small, `${sets.join('\r\n')}\r\nmn`)
    }
    await locksAt(small.port).acquire(KEY, { wait: 5_000 })
    await expect(lease.renew()).rejects.toThrow('memcached no longer has the ticket')
    expect(lease.signal.aborted).toBe(true)
  }, 60_000)

  test('replies are dropped: no second grant while the lease is held, the signal aborts in time', async () => {
    const { lease, other, grantedAt } = await scene()
    const aborted = abortOf(lease, 10_000)
    proxy.set({ toClient: { drop: true } })
    await other.acquire(KEY)
    const grantedAgainAt = now()
    expect(await aborted).toBeLessThan(grantedAgainAt)
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })

  test('every request is carried out a second time, later: one at a time holds, and in the end nobody', async () => {
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
        for (let round = 0; round < 20; round += 1) await locks.run(KEY, section)
      }),
    )
    await wait(600)
    expect(most).toBe(1)
    expect(await locksAt(server.port).inspect(KEY)).toBeNull()
  })

  test('a request that is carried out after its caller gave up takes the lock for nobody', async () => {
    const late = locksAt(proxy.port, { storeTimeout: 200 })
    await until('it is connected', () =>
      late.inspect(KEY).then(
        () => true,
        () => null,
      ),
    )
    proxy.set({ toServer: { hold: true } })
    await expect(late.tryAcquire(KEY, { ttl: '1m' })).rejects.toThrow(StoreUnavailableError)
    proxy.clear()
    const there = locksAt(server.port)
    // Its leave is under way too. Somebody who held for nobody would be in the way for a minute.
    const lease = await there.acquire(KEY, { wait: 10_000 })
    await wait(500)
    expect(lease.state).toBe('held')
    await lease.renew()
  })

  test('the holder is killed: the next comes in after the ttl, and not much later', async () => {
    const dead = memcachedStore(server.address)
    const there = locksAt(server.port)
    const after = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        await wait(index * 230)
        const key = `${KEY}:${index}`
        const request = { key, id: `dead ${index}`, holder: 'dead', mode: 'exclusive', limit: null } as const
        const rest = { ttlMs: TTL_MS, waiterTtlMs: TTL_MS, queue: true, tokens: 1, meta: {} }
        const enteredAt = now()
        expect(await dead.enter({ ...request, ...rest }, { timeoutMs: 1_000 })).toHaveProperty('status', 'holds')
        await there.acquire(key)
        return now() - enteredAt
      }),
    )
    await dead.close()
    for (const ms of after) {
      expect(ms).toBeGreaterThan(TTL_MS - 1_000)
      expect(ms).toBeLessThan(TTL_MS + 1_200 + stalledMs())
    }
  })

  test('one of several servers is dead: its locks are refused by name, those of the others go on', async () => {
    const second = await startServer(MEMCACHED)
    closing.push(() => second.close())
    const store = memcachedStore(`memcached://127.0.0.1:${server.port},127.0.0.1:${second.port}`)
    const locks = createLocks(store, { ttl: TTL_MS, storeTimeout: 500 })
    closing.push(() => locks.close({ drain: 0 }))
    await second.kill()
    const keys = Array.from({ length: 20 }, (_, index) => `${KEY}:${index}`)
    const answers = await Promise.allSettled(keys.map(key => locks.tryAcquire(key)))
    const refused = answers.flatMap(answer => (answer.status === 'rejected' ? [String(answer.reason)] : []))
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThan(keys.length)
    for (const message of refused) expect(message).toContain(`memcached at 127.0.0.1:${second.port} cannot be used`)
  })

  test('the wall clock of the server is stepped: no second grant, the signal does not abort', async context => {
    const stepped = await startServer(MEMCACHED, { stepClock: true }).catch((cause: unknown) =>
      context.skip(String(cause)),
    )
    closing.push(() => stepped.close())
    const lease = await locksAt(stepped.port).acquire(KEY)
    const other = locksAt(stepped.port)
    stepped.clock?.set(60_000)
    const aborted = abortOf(lease, 2_500)
    await nobodyGetsIn(other, 1_500)
    stepped.clock?.set(-3_600_000)
    await nobodyGetsIn(other, 1_000)
    expect(await aborted).toBe(Infinity)
  })
})
