/**
 * The table of faults in docs/drivers/mongodb.md, row by row, on a server of its own: may a second grant happen, and
 * when does the signal of the first abort.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { StoreUnavailableError } from '../../src/base/errors.ts'
import { mongodbStore } from '../../src/drivers/mongodb.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Lease, Locks } from '../../src/locks/types.ts'
import { MONGODB } from '../../src/servers/mongodb.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { watchStalls } from '../support/stalls.ts'
import { skipWithout } from '../support/stores.ts'

const KEY = 'account:7'
const TTL_MS = 3_000
const PATIENCE_MS = 60_000
const now = (): number => systemClock.now()
const wait = (ms: number): Promise<void> => sleep(systemClock, ms)

/** When the signal aborted; Infinity if it did not within `ms`. */
function abortOf({ signal }: Lease, ms = PATIENCE_MS): Promise<number> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve(now())
    const timer = setTimeout(() => resolve(Infinity), ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(now())
    })
  })
}

describe('faults of mongodb', () => {
  const closing: (() => Promise<unknown>)[] = []
  let server: FaultServer
  let proxy: FaultProxy
  let stalledMs = (): number => 0
  beforeEach(async context => {
    skipWithout(MONGODB, context)
    stalledMs = watchStalls()
    server = await startServer(MONGODB)
    closing.push(() => server.close())
    proxy = await startProxy({ port: server.port })
    closing.push(() => proxy.close())
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  async function locksAt(port: number): Promise<Locks> {
    const store = mongodbStore(`mongodb://127.0.0.1:${port}/test?directConnection=true`)
    await store.connect?.({ timeoutMs: 20_000 })
    const locks = createLocks(store, { ttl: TTL_MS, wait: PATIENCE_MS, storeTimeout: 1_000 })
    closing.push(() => locks.close({ drain: 0 }))
    return locks
  }

  /** A holds through the proxy; B comes directly. */
  async function scene(): Promise<{ readonly lease: Lease; readonly other: Locks; readonly grantedAt: number }> {
    const other = await locksAt(server.port)
    const lease = await (await locksAt(proxy.port)).acquire(KEY)
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

  test('a short pause: no second grant, the signal does not abort', async () => {
    const { lease, other } = await scene()
    const aborted = abortOf(lease, TTL_MS)
    await server.pause()
    await wait(300)
    server.resume()
    await nobodyGetsIn(other, TTL_MS - 500)
    expect(await aborted).toBe(Infinity)
  })

  test('a long pause: the signal aborts before another could hold', async () => {
    const { lease, other } = await scene()
    const aborted = abortOf(lease)
    await server.pause()
    setTimeout(() => server.resume(), 1.5 * TTL_MS)
    const next = await other.acquire(KEY)
    expect(await aborted).toBeLessThan(now())
    expect(next.token).toBeGreaterThan(lease.token)
  })

  test('the server is killed: nobody gets in, the signal aborts in time', async () => {
    const { lease, other, grantedAt } = await scene()
    const aborted = abortOf(lease)
    await server.kill()
    await nobodyGetsIn(other, 1_000)
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })

  test('the server is killed and comes back: nothing is forgotten, and tokens grow', async () => {
    const lease = await (await locksAt(proxy.port)).acquire(KEY, { ttl: '1m' })
    await server.kill()
    await server.restart()
    const other = await locksAt(server.port)
    await nobodyGetsIn(other, 1_000)
    await expect(lease.release()).resolves.not.toBe('lost')
    expect((await other.acquire(KEY)).token).toBeGreaterThan(lease.token)
  })

  test('replies are dropped: no second grant while the lease is held, the signal aborts in time', async () => {
    const { lease, other, grantedAt } = await scene()
    const aborted = abortOf(lease)
    proxy.set({ toClient: { drop: true } })
    await other.acquire(KEY)
    const grantedAgainAt = now()
    expect(await aborted).toBeLessThan(grantedAgainAt)
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })
})
