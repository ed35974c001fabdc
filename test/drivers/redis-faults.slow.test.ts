/**
 * The table of docs/drivers/redis.md, a test for each line: may a second grant happen, does the token grow, is the
 * loser told.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { LeaseLostError } from '../../src/base/errors.ts'
import { redisStore } from '../../src/drivers/redis.ts'
import { connect } from '../../src/drivers/redis/connection.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { LocksOptions } from '../../src/locks/types.ts'
import type { Entry, Store, TicketRequest } from '../../src/store/contract.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import { REDIS, REDIS_DURABLE } from '../../src/servers/redis.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { watchStalls } from '../support/stalls.ts'

const IO = { timeoutMs: 2_000 }

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.toReversed()) await end()
  ends = []
})

async function server(...options: Parameters<typeof startServer>): Promise<FaultServer> {
  const started = await startServer(...options)
  ends.push(() => started.close())
  return started
}

function storeAt({ host, port }: { readonly host: string; readonly port: number }): Store {
  const store = redisStore(`redis://${host}:${port}`)
  ends.push(() => store.close())
  return store
}

function locksAt(
  at: { readonly host: string; readonly port: number },
  options: LocksOptions = {},
): ReturnType<typeof createLocks> {
  const locks = createLocks(redisStore(`redis://${at.host}:${at.port}`), options)
  ends.push(() => locks.close({ drain: 0 }))
  return locks
}

function request(more: Partial<TicketRequest> = {}): TicketRequest {
  const id = randomUUID().replaceAll('-', '').slice(0, 22)
  return {
    key: 'account:7',
    id,
    holder: 'test',
    mode: 'exclusive',
    limit: null,
    ttlMs: 20_000,
    waiterTtlMs: 5_000,
    queue: true,
    tokens: 1,
    meta: {},
    ...more,
  }
}

function tokenOf(entry: Entry): number {
  if (entry.status === 'holds') return entry.token
  throw new Error(`it does not hold: ${entry.status}`)
}

/** Enters until it holds: for the seconds in which a server starts. */
async function granted(store: Store, wanted: TicketRequest): Promise<number> {
  return vi.waitFor(async () => tokenOf(await store.enter(wanted, IO)), { timeout: 20_000, interval: 50 })
}

describe('redis, fault by fault', () => {
  test('the holder is killed or paused: nobody else holds before its ttl is over, then the next does', async () => {
    const redis = await server(REDIS)
    const [one, two] = [storeAt(redis), storeAt(redis)]
    const before = performance.now()
    const old = tokenOf(await one.enter(request({ ttlMs: 600 }), IO))
    const token = await granted(two, request())
    expect(performance.now() - before).toBeGreaterThanOrEqual(600)
    expect(token).toBeGreaterThan(old)
  })

  test(
    'the server hangs: the signal aborts and assertHeld throws before the ttl is over, 100 times of 100',
    { timeout: 60_000 },
    async () => {
      const redis = await server(REDIS)
      const stalledMs = watchStalls()
      const locks = locksAt(redis, { ttl: '2s', storeTimeout: '1s', holder: 'test' })
      const leases = await Promise.all(Array.from({ length: 100 }, (_, index) => locks.acquire(`hung:${index}`)))
      const told = leases.map(async lease => {
        await new Promise<void>(resolve => lease.signal.addEventListener('abort', () => resolve(), { once: true }))
        return performance.now()
      })
      await redis.pause()
      // The server can have renewed none of them after this, so at the latest 2 s from here each is free for others.
      const hungAt = performance.now()
      const abortedAt = await Promise.all(told)
      for (const [index, lease] of leases.entries()) {
        expect(() => lease.assertHeld(), `lease ${index}`).toThrow(LeaseLostError)
        expect(lease.signal.reason, `lease ${index}`).toBeInstanceOf(LeaseLostError)
        expect((abortedAt[index] ?? Infinity) - hungAt, `lease ${index}`).toBeLessThan(2_000 + stalledMs())
      }
      redis.resume()
    },
  )

  test('the server is killed and comes back empty: a second grant, with a greater token, and the first holder is told', async () => {
    const redis = await server(REDIS)
    const locks = locksAt(redis, { ttl: '3s', storeTimeout: '500ms' })
    const lease = await locks.acquire('account:7')
    await redis.kill()
    await redis.restart({ empty: true })
    expect(await granted(storeAt(redis), request())).toBeGreaterThan(lease.token)
    await vi.waitFor(() => expect(lease.state).toBe('lost'), { timeout: 10_000 })
    expect(lease.signal.aborted).toBe(true)
  })

  test('the server is killed and comes back with its data: the lease goes on', async () => {
    const redis = await server(REDIS_DURABLE)
    const store = storeAt(redis)
    const holds = request()
    const old = tokenOf(await store.enter(holds, IO))
    await redis.kill()
    await redis.restart()
    await vi.waitFor(
      async () =>
        expect(await store.renew([{ key: holds.key, id: holds.id, ttlMs: 20_000 }], IO)).toMatchObject([
          { status: 'held' },
        ]),
      {
        timeout: 20_000,
        interval: 50,
      },
    )
    expect(await store.enter(request({ queue: false }), IO)).toMatchObject({
      status: 'refused',
      holders: [{ token: old }],
    })
  })

  test('replies are dropped: who asks again has one ticket, and who gives up leaves none', async () => {
    const redis = await server(REDIS)
    const proxy = await startProxy({ port: redis.port })
    ends.push(() => proxy.close())
    const [far, near] = [storeAt(proxy), storeAt(redis)]
    await far.enter(request({ key: 'warm' }), IO)
    const wanted = request()
    proxy.set({ toClient: { drop: true } })
    await expect(far.enter(wanted, { timeoutMs: 300 })).rejects.toMatchObject({ ambiguous: true })
    expect(await near.inspect('account:7', IO)).toMatchObject({ holders: [{}] })
    proxy.clear()
    expect(await granted(far, wanted)).toBeGreaterThan(0)
    expect(await near.inspect('account:7', IO)).toMatchObject({ holders: [{}], waiters: [] })
    await far.leave({ key: wanted.key, id: wanted.id, keepMs: 0, forbidMs: 10_000 }, IO)
    expect(await near.inspect('account:7', IO)).toBeNull()
  })

  test('the answer to a leave is dropped, which would have named the next of the same process: those who wait are told to ask', async () => {
    const redis = await server(REDIS)
    const proxy = await startProxy({ port: redis.port, protocol: 'redis' })
    ends.push(() => proxy.close())
    const store = storeAt(proxy)
    let gaps = 0
    await store.listen?.({ holds() {}, revoked() {}, gap: () => (gaps += 1) })
    const first = request()
    await store.enter(first, IO)
    const next = request()
    expect((await store.enter(next, IO)).status).toBe('waits')
    proxy.set({ toClient: { drop: true } })
    await expect(
      store.leave({ key: first.key, id: first.id, keepMs: 0, forbidMs: 0 }, { timeoutMs: 200 }),
    ).rejects.toThrow('did not answer')
    expect(gaps).toBe(1)
    proxy.clear()
    await granted(store, next)
  })

  test('a request is carried out after its caller gave up: its id is forbidden, and it holds the lock for nobody', async () => {
    const redis = await server(REDIS)
    const proxy = await startProxy({ port: redis.port })
    ends.push(() => proxy.close())
    const [far, near] = [storeAt(proxy), storeAt(redis)]
    await far.enter(request({ key: 'warm' }), IO)
    const wanted = request()
    proxy.set({ toServer: { hold: true } })
    await expect(far.enter(wanted, { timeoutMs: 200 })).rejects.toMatchObject({ ambiguous: true })
    await near.leave({ key: wanted.key, id: wanted.id, keepMs: 0, forbidMs: 10_000 }, IO)
    proxy.set({ toServer: { hold: false } })
    await far.enter(request({ key: 'after' }), IO)
    await sleep(100)
    expect(await near.inspect('account:7', IO)).toBeNull()
    expect(await near.enter(wanted, IO)).toMatchObject({ status: 'forbidden', reason: 'left' })
  })

  test('the primary is lost with a grant that its replica had not seen: two holders, and the later has the greater token', async () => {
    const primary = await server(REDIS)
    const wire = await startProxy({ port: primary.port })
    ends.push(() => wire.close())
    const replica = await server(REDIS, {
      args: ['--replicaof', wire.host, String(wire.port), '--repl-diskless-sync-delay', '0'],
    })
    const [old, fresh] = [storeAt(primary), storeAt(replica)]
    const admin = adminOf(replica)
    await vi.waitFor(async () => expect(await admin('info', 'replication')).toContain('master_link_status:up'), {
      timeout: 20_000,
    })
    wire.set({ toClient: { drop: true } })
    const first = tokenOf(await old.enter(request(), IO))
    await primary.kill()
    await admin('replicaof', 'no', 'one')
    expect(await granted(fresh, request())).toBeGreaterThan(first)
  })

  test('the clock of the server steps 60 s forward: a second grant comes early, with a greater token', async () => {
    const redis = await server(REDIS, { stepClock: true })
    const store = storeAt(redis)
    const first = request()
    const old = tokenOf(await store.enter(first, IO))
    redis.clock?.set(60_000)
    expect(tokenOf(await store.enter(request(), IO))).toBeGreaterThan(old)
    expect(await store.renew([{ key: first.key, id: first.id, ttlMs: 20_000 }], IO)).toMatchObject([
      { status: 'lost', reason: 'gone' },
    ])
  })

  test('the clock of the server steps an hour back: no lease is stretched beyond its own ttl, and tokens still grow', async () => {
    const redis = await server(REDIS, { stepClock: true })
    const store = storeAt(redis)
    const old = tokenOf(await store.enter(request({ ttlMs: 1_500 }), IO))
    redis.clock?.set(-3_600_000)
    const waiting = await store.enter(request({ queue: false }), IO)
    expect(waiting).toMatchObject({ status: 'refused' })
    expect(waiting.status === 'refused' ? waiting.retryMs : 0).toBeLessThanOrEqual(1_500)
    expect(await granted(store, request())).toBeGreaterThan(old)
  })
})

function adminOf({ host, port }: FaultServer): (command: string, ...args: readonly string[]) => Promise<string> {
  const connection = connect(`redis://${host}:${port}`)
  ends.push(() => connection.close())
  return async (command, ...args) => String(await connection.command(command, args, IO))
}
