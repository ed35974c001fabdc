/**
 * The table of faults in docs/drivers/http.md, row by row: may a second grant happen, and when does the signal of the
 * first abort. The server is a process of its own, and what is behind it is a SQLite file, unless the row says memory.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { StoreUnavailableError } from '../../src/base/errors.ts'
import { httpStore } from '../../src/drivers/http.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Lease, Locks, LocksOptions } from '../../src/locks/types.ts'
import { until } from '../support/holdfast.ts'
import { httpServer } from '../support/http-server.ts'
import type { HttpServer } from '../support/http-server.ts'
import { watchStalls } from '../support/stalls.ts'

const KEY = 'account:7'
const TTL_MS = 2_000
const PATIENCE_MS = 60_000
const HOLDER = fileURLToPath(new URL('../fixtures/http/holder.mjs', import.meta.url))
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

describe('faults of a holdfast server', () => {
  const closing: (() => Promise<unknown>)[] = []
  let server: HttpServer
  let proxy: FaultProxy
  let stalledMs = (): number => 0

  /** The server before this store, and the proxy before the server. */
  async function before(store: string): Promise<void> {
    server = await httpServer(store)
    closing.push(() => server.close())
    proxy = await startProxy({ port: server.port })
    closing.push(() => proxy.close())
  }

  beforeEach(async () => {
    stalledMs = watchStalls()
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-http-'))
    closing.push(async () => rmSync(directory, { recursive: true }))
    await before(`sqlite:${join(directory, 'locks.db')}`)
  })
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close()
  })

  const direct = (): string => server.url('s')
  const proxied = (): string => `http://127.0.0.1:${proxy.port}/s`

  async function locksAt(url: string, options: LocksOptions = {}): Promise<Locks> {
    const store = httpStore(url)
    await store.connect?.({ timeoutMs: 20_000 })
    const locks = createLocks(store, { ttl: TTL_MS, wait: PATIENCE_MS, storeTimeout: 500, ...options })
    closing.push(() => locks.close({ drain: 0 }))
    return locks
  }

  /** A holds through the proxy; B comes directly. */
  async function scene(): Promise<{ readonly lease: Lease; readonly other: Locks; readonly grantedAt: number }> {
    const other = await locksAt(direct())
    const lease = await (await locksAt(proxied())).acquire(KEY)
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
    const options = { storeTimeout: 5_000 }
    const [here, there] = [await locksAt(proxied(), options), await locksAt(direct(), options)]
    const leases = await Promise.all(keys.map(key => here.acquire(key)))
    const aborts = leases.map(lease => abortOf(lease))
    server.pause()
    setTimeout(() => server.resume(), 1.5 * TTL_MS)
    const next = keys.map(async key => {
      await there.acquire(key)
      return now()
    })
    const grantedAt = await Promise.all(next)
    for (const [index, abortedAt] of (await Promise.all(aborts)).entries())
      expect(abortedAt).toBeLessThan(grantedAt[index] ?? 0)
  })

  test('a short pause: no second grant, the signal does not abort', async () => {
    const other = await locksAt(direct())
    const lease = await (await locksAt(proxied(), { ttl: 10_000 })).acquire(KEY)
    const aborted = abortOf(lease, 4_000)
    server.pause()
    await wait(600)
    server.resume()
    await nobodyGetsIn(other, 3_000)
    expect(await aborted).toBe(Infinity)
  })

  test('the server is killed: nobody gets in, the signal aborts in time', async () => {
    const { lease, other, grantedAt } = await scene()
    const aborted = abortOf(lease)
    await server.kill()
    await nobodyGetsIn(other, 1_000)
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })

  test('the server is killed and comes back within the ttl: no second grant, the signal does not abort', async () => {
    const other = await locksAt(direct())
    const lease = await (await locksAt(proxied(), { ttl: 30_000 })).acquire(KEY)
    const aborted = abortOf(lease, 4_000)
    await server.kill()
    await server.start()
    await until('the other is heard again', () => other.inspect(KEY).catch(() => null))
    await nobodyGetsIn(other, 1_000)
    await lease.renew()
    expect(await aborted).toBe(Infinity)
    await expect(lease.release()).resolves.toBe('released')
    expect((await other.acquire(KEY)).token).toBeGreaterThan(lease.token)
  })

  test('it had memory behind it: a second grant with a greater token; the next renewal aborts the signal', async () => {
    await before('memory:')
    const { lease, other } = await scene()
    const aborted = abortOf(lease)
    await server.kill()
    await server.start()
    const next = await other.acquire(KEY)
    expect(next.token).toBeGreaterThan(lease.token)
    expect(await aborted).not.toBe(Infinity)
    await expect(lease.release()).resolves.toBe('lost')
    expect(next.state).toBe('held')
  })

  test('replies are dropped: no second grant while the lease is held, the signal aborts in time', async () => {
    const { lease, other, grantedAt } = await scene()
    const aborted = abortOf(lease)
    proxy.set({ toClient: { drop: true } })
    await other.acquire(KEY)
    const grantedAgainAt = now()
    expect(await aborted).toBeLessThan(grantedAgainAt)
    // The next renewal is carried out and not answered: the window was counted from the last that was.
    expect(await aborted).toBeLessThan(grantedAt + TTL_MS + stalledMs())
  })

  test('every request is carried out a second time, later: one at a time holds, and in the end nobody', async () => {
    const people = [await locksAt(proxied()), await locksAt(proxied())]
    proxy.set({ repeat: { chance: 1, afterMs: 200 } })
    let [inside, most] = [0, 0]
    const section = async (): Promise<void> => {
      most = Math.max(most, (inside += 1))
      await wait(5)
      inside -= 1
    }
    await Promise.all(
      people.map(async locks => {
        for (let round = 0; round < 15; round += 1) await locks.run(KEY, section)
      }),
    )
    await wait(500)
    expect(most).toBe(1)
    const watcher = await locksAt(direct())
    await until('nobody holds', async () => (await watcher.inspect(KEY)) === null)
  })

  test('a request that is carried out after its caller gave up takes the lock for nobody', async () => {
    const late = await locksAt(proxied(), { storeTimeout: 200 })
    await late.inspect(KEY)
    proxy.set({ toServer: { hold: true } })
    await expect(late.tryAcquire(KEY, { ttl: '1h' })).rejects.toThrow(StoreUnavailableError)
    proxy.clear()
    // Its leave is under way too. Somebody who held for nobody would be in the way for an hour.
    const lease = await (await locksAt(direct())).acquire(KEY)
    await wait(500)
    expect(lease.state).toBe('held')
    await lease.renew()
  })

  test('the stream of pushes is cut: whoever waits asks, and its turn comes', async () => {
    const { lease } = await scene()
    const waiter = await locksAt(proxied())
    const granted = waiter.acquire(KEY)
    await until('it waits', async () => (await waiter.inspect(KEY))?.waiters.length === 1)
    proxy.cut()
    await lease.release()
    await expect(granted).resolves.toMatchObject({ state: 'held' })
  })

  test('pushes are held up on their way: a revocation is told late, and not lost', async () => {
    const { lease, other } = await scene()
    const aborted = abortOf(lease)
    proxy.set({ toClient: { hold: true } })
    await wait(100)
    await other.revoke(KEY, { tickets: 'holders', reason: 'maintenance' })
    proxy.clear()
    expect(await aborted).not.toBe(Infinity)
  })

  test('a holder is killed: the next comes in within its ttl, not before, and with a greater token', async () => {
    const there = await locksAt(direct())
    const holder = fork(HOLDER, [direct(), KEY, String(TTL_MS)])
    closing.push(async () => holder.kill('SIGKILL'))
    const [{ token }] = await once(holder, 'message')
    const granted = there.acquire(KEY)
    const killedAt = now()
    holder.kill('SIGKILL')
    const lease = await granted
    expect(now() - killedAt).toBeLessThan(TTL_MS + 1_000 + stalledMs())
    expect(lease.token).toBeGreaterThan(token)
  })

  test('an owner is told of a revocation by a push, long before its renewal', async () => {
    const lease = await (await locksAt(proxied(), { ttl: '10m' })).acquire(KEY)
    const other = await locksAt(direct())
    await until('it is listened to', async () => proxy.counts().connections > 1)
    expect(await other.revoke(KEY, { tickets: 'holders', reason: 'maintenance' })).toBe(1)
    await until('it is told', () => lease.signal.aborted)
    await expect(lease.release()).resolves.toBe('lost')
  })

  test('nothing that is idle keeps the process alive, the stream of pushes neither', async () => {
    const program = fork(HOLDER, [direct(), KEY, String(TTL_MS), 'release'])
    const [code] = await once(program, 'exit')
    expect(code).toBe(0)
  })
})
