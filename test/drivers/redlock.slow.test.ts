/**
 * What a redlock does when nodes are down, hung, slow or new, and when many want the same lock. Real servers
 * throughout.
 */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { ConfigurationError, StoreUnavailableError, UnsupportedError } from '../../src/base/errors.ts'
import { createLocks } from '../../src/locks/locks.ts'
import { redlockStore } from '../../src/drivers/redlock.ts'
import type { Entry, Store, TicketRequest } from '../../src/store/contract.ts'
import { talk } from '../support/redis-talk.ts'
import { watchStalls } from '../support/stalls.ts'
import { skipWithoutRedis, startNodes } from './redlock-nodes.ts'
import type { TestNodes } from './redlock-nodes.ts'

const KEY = 'account:7'
const IO = { timeoutMs: 5_000 }
const now = (): number => systemClock.now()
const wait = (ms: number): Promise<void> => sleep(systemClock, ms)

function request(id: string, wish: Partial<TicketRequest> = {}): TicketRequest {
  return {
    key: KEY,
    id,
    holder: id,
    mode: 'exclusive',
    limit: null,
    ttlMs: 10_000,
    waiterTtlMs: 5_000,
    queue: true,
    tokens: 1,
    meta: {},
    ...wish,
  }
}

function tokenOf(entry: Entry): number {
  if (entry.status !== 'holds') throw new Error(`expected to hold, but ${JSON.stringify(entry)}`)
  return entry.token
}

async function comesToHold(store: Store, wanted: TicketRequest, patienceMs = 20_000): Promise<number> {
  const deadline = now() + patienceMs
  for (;;) {
    const entry = await store.enter(wanted, IO).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailableError) || now() > deadline) throw error
      return null
    })
    if (entry?.status === 'holds') return entry.token
    if (now() > deadline) throw new Error(`never held: ${JSON.stringify(entry)}`)
    await wait(20)
  }
}

describe('redlock', () => {
  let open: TestNodes[] = []
  beforeEach(skipWithoutRedis)
  afterEach(async () => {
    await Promise.all(open.map(nodes => nodes.close()))
    open = []
  })
  async function nodesOf(count: number, options: Parameters<typeof startNodes>[1] = {}): Promise<TestNodes> {
    const nodes = await startNodes(count, options)
    open.push(nodes)
    return nodes
  }

  for (const [count, down] of [
    [2, 1],
    [4, 2],
    [3, 2],
  ] as const) {
    test(`of ${count} nodes with ${down} down acquire rejects within its wait, and says that the store is the reason`, async () => {
      const { nodes, directly } = await nodesOf(count)
      for (const { server } of nodes.slice(0, down)) await server.kill()
      const locks = createLocks(directly(), { wait: 1_000 })
      const startedAt = now()
      const failure = await locks.acquire(KEY).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(StoreUnavailableError)
      expect(failure).toHaveProperty(
        'message',
        expect.stringContaining(`${count - down} of ${count} nodes can vote, ${Math.floor(count / 2) + 1} are needed`),
      )
      expect(now() - startedAt).toBeLessThan(5_000)
      await expect(locks.tryAcquire(KEY)).rejects.toThrow(StoreUnavailableError)
      await locks.close()
      // What was reserved on the nodes that live was taken back.
      const rest = redlockStore(nodes.slice(down).map(({ server }) => `redis://127.0.0.1:${server.port}`))
      expect((await rest.enter(request('next', { queue: false }), IO)).status).toBe('holds')
      await rest.close()
    })
  }

  test('a store is connected once a majority of its nodes is, however many are down', async () => {
    const { nodes, directly } = await nodesOf(3)
    const whole = directly()
    await whole.connect?.(IO)
    for (const node of nodes) {
      await node.server.kill()
      await expect(directly().connect?.(IO)).resolves.toBeUndefined()
    }
  })

  test('of three nodes that are each slower than the ttl never comes a lease with time left', async () => {
    const three = await nodesOf(3)
    const ttlMs = 250
    const store = three.store({ nodeTimeout: '2s' })
    tokenOf(await store.enter(request('warm', { key: 'another key' }), IO))
    for (const { proxy } of three.nodes) proxy.set({ toClient: { delayMs: 300 } })
    const sentAt = now()
    const entry = await store.enter(request('A', { ttlMs }), IO)
    if (entry.status === 'holds') expect(sentAt + entry.leftMs).toBeLessThan(now())
    const locks = createLocks(store, { wait: 1_500, ttl: ttlMs })
    await expect(locks.acquire(KEY)).rejects.toThrow(/longer|wait|answer|held/)
    await locks.close({ drain: 0 })
  })

  test('a hung node delays nobody: neither who acquires, renews and releases, nor who is refused', async () => {
    const five = await nodesOf(5)
    const store = five.store({ nodeTimeout: '20s' })
    const other = five.store({ nodeTimeout: '20s' })
    await store.inspect(KEY, IO)
    await other.inspect(KEY, IO)
    await five.nodes[4]?.server.pause()
    const startedAt = now()
    const tokens: number[] = []
    for (let round = 0; round < 20; round += 1) {
      const id = `A${round}`
      tokens.push(tokenOf(await store.enter(request(id), { timeoutMs: 30_000 })))
      expect((await store.renew([{ key: KEY, id, ttlMs: 10_000 }], { timeoutMs: 30_000 }))[0]?.status).toBe('held')
      expect((await other.enter(request(`B${round}`), { timeoutMs: 30_000 })).status).toBe('refused')
      expect((await store.leave({ key: KEY, id, keepMs: 0, forbidMs: 0 }, { timeoutMs: 30_000 })).was).toBe('held')
    }
    expect(now() - startedAt).toBeLessThan(15_000)
    expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b))
  })

  test('a release reaches the node that was hung when it was sent', async () => {
    const three = await nodesOf(3)
    const store = three.store({ nodeTimeout: 200 })
    tokenOf(await store.enter(request('A'), IO))
    const [node] = three.nodes
    await wait(50)
    await node?.server.pause()
    expect((await store.leave({ key: KEY, id: 'A', keepMs: 0, forbidMs: 0 }, IO)).was).toBe('held')
    await wait(1_500)
    node?.server.resume()
    const alone = redlockStore([`redis://127.0.0.1:${node?.server.port ?? 0}`])
    const deadline = now() + 10_000
    // Any answer of the node is the sign to send what it is owed.
    while ((await alone.inspect(KEY, IO)) !== null && now() < deadline) {
      await store.inspect('another key', IO)
      await wait(20)
    }
    expect(await alone.inspect(KEY, IO)).toBeNull()
    await alone.close()
  })

  test('a renewal beyond maxTtl is refused as unsupported, and costs the others of its batch nothing', async () => {
    const three = await nodesOf(3)
    const store = three.store({ maxTtl: 2_000 })
    const [long, short] = [request('long', { key: 'a', ttlMs: 2_000 }), request('short', { key: 'b', ttlMs: 2_000 })]
    await comesToHold(store, long)
    await comesToHold(store, short)
    const renewals = [
      { key: long.key, id: long.id, ttlMs: 2_001 },
      { key: short.key, id: short.id, ttlMs: 2_000 },
    ]
    const [first, second] = await store.renew(renewals, IO)
    expect(first).toMatchObject({ status: 'unknown', cause: { code: 'HOLDFAST_UNSUPPORTED' } })
    expect(second).toMatchObject({ status: 'held' })
  })

  test('a node that came back empty has no vote until maxTtl has passed', async () => {
    const three = await nodesOf(3, { durable: false })
    const [, second, third] = three.nodes
    const maxTtlMs = 2_000
    const store = three.store({ maxTtl: maxTtlMs, nodeTimeout: 300 })
    const other = three.directly({ maxTtl: maxTtlMs, nodeTimeout: 300 })
    // So have they all, right after their start.
    await expect(store.enter(request('early', { ttlMs: maxTtlMs }), IO)).rejects.toThrow(
      /0 of 3 nodes can vote.*started .* s ago and may have forgotten/,
    )
    await comesToHold(store, request('first', { ttlMs: 200 }))
    await wait(300)

    third?.proxy.set({ refuse: true })
    third?.proxy.cut()
    const sentAt = now()
    const token = await comesToHold(store, request('A', { ttlMs: maxTtlMs }))
    await second?.server.kill()
    await second?.server.restart({ empty: true })
    const restartedAt = now()
    // The first node has the ticket, the second has lost it, the third never had it.
    await expect(other.enter(request('B', { ttlMs: maxTtlMs, queue: false }), IO)).resolves.not.toHaveProperty(
      'status',
      'holds',
    )
    const next = await comesToHold(other, request('C', { ttlMs: maxTtlMs }))
    expect(now() - restartedAt).toBeGreaterThanOrEqual(Math.min(maxTtlMs, maxTtlMs - (restartedAt - sentAt)))
    expect(now() - sentAt).toBeGreaterThanOrEqual(maxTtlMs * 0.99 - 7)
    expect(next).toBeGreaterThan(token)
  })

  test('a node that keeps on disk what it confirms votes at once, and its tickets are still there', async () => {
    const three = await nodesOf(3)
    const [, second, third] = three.nodes
    const store = three.store({ nodeTimeout: 300 })
    third?.proxy.set({ refuse: true })
    tokenOf(await store.enter(request('A'), IO))
    await second?.server.kill()
    await second?.server.restart()
    third?.proxy.clear()
    expect((await three.directly().enter(request('B', { queue: false }), IO)).status).toBe('refused')
    await comesToRenew(store)
  })

  test('a lease outlives the loss of all nodes one after the other, and a lease granted by two nodes comes to stand on three', async () => {
    const three = await nodesOf(3)
    three.nodes[2]?.proxy.set({ refuse: true })
    const locks = createLocks(three.store({ nodeTimeout: 300 }), { ttl: 1_200, wait: '20s' })
    const lease = await locks.acquire(KEY)
    three.nodes[2]?.proxy.clear()
    for (const { server } of three.nodes) {
      await wait(1_500)
      await server.kill()
      await server.restart({ empty: true })
    }
    await wait(1_500)
    expect(lease.state).toBe('held')
    for (const { server } of three.nodes) {
      const alone = redlockStore([`redis://127.0.0.1:${server.port}`])
      expect((await alone.inspect(KEY, IO))?.token).toBe(lease.token)
      await alone.close()
    }
    expect(await lease.release()).toBe('released')
    const next = await three.directly().enter(request('next', { queue: false }), IO)
    expect(tokenOf(next)).toBeGreaterThan(lease.token)
    await locks.close()
  })

  async function comesToRenew(store: Store): Promise<void> {
    const deadline = now() + 5_000
    for (;;) {
      const [renewal] = await store.renew([{ key: KEY, id: 'A', ttlMs: 10_000 }], IO)
      if (renewal?.status === 'held') return
      expect(renewal?.status).toBe('unknown')
      if (now() > deadline) throw new Error('never renewed')
      await wait(20)
    }
  }

  test('over many rounds two contenders never hold at once, every attempt settles, and tokens grow', async () => {
    for (const count of [3, 4]) {
      const nodes = await nodesOf(count)
      for (const { proxy } of nodes.nodes) proxy.set({ both: { jitterMs: 4 } })
      const contenders = Array.from({ length: 4 }, () =>
        createLocks(nodes.store(), { ttl: '5s', fair: 'strict', wait: '60s' }),
      )
      const tokens: number[] = []
      let inside = 0
      let overlaps = 0
      await Promise.all(
        contenders.map(async locks => {
          for (let round = 0; round < 15; round += 1) {
            await locks.run(KEY, async lease => {
              inside += 1
              if (inside > 1) overlaps += 1
              tokens.push(lease.token)
              await wait(1)
              inside -= 1
            })
          }
        }),
      )
      await Promise.all(contenders.map(locks => locks.close()))
      expect(overlaps).toBe(0)
      expect(tokens).toHaveLength(60)
      expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b))
    }
  }, 120_000)

  test('of contenders that meet on the nodes in different order one wins, and the losers leave nothing', async () => {
    const five = await nodesOf(5)
    for (const { proxy } of five.nodes) proxy.set({ toServer: { jitterMs: 3 } })
    const stores = Array.from({ length: 4 }, () => five.store())
    await Promise.all(stores.map(store => store.inspect(KEY, IO)))
    let won = 0
    const rounds = 25
    for (let round = 0; round < rounds; round += 1) {
      const ids = stores.map(() => systemClock.id())
      const entries = await Promise.all(
        stores.map((store, index) => store.enter(request(ids[index] ?? '', { queue: false }), IO)),
      )
      const holders = entries.flatMap((entry, index) => (entry.status === 'holds' ? index : []))
      expect(holders.length).toBeLessThanOrEqual(1)
      won += holders.length
      for (const index of holders)
        await stores[index]?.leave({ key: KEY, id: ids[index] ?? '', keepMs: 0, forbidMs: 0 }, IO)
    }
    expect(won).toBeGreaterThanOrEqual(rounds - 2)
    await comesToHold(five.directly(), request('last'))
  }, 60_000)

  test('tokens grow while nodes are killed, restarted and emptied one after the other', async () => {
    const three = await nodesOf(3)
    const store = three.directly({ nodeTimeout: 300 })
    const tokens: number[] = []
    for (let round = 0; round < 9; round += 1) {
      const node = three.nodes[round % 3]
      await node?.server.kill()
      for (let turn = 0; turn < 3; turn += 1) {
        const id = `R${round}.${turn}`
        tokens.push(await comesToHold(store, request(id, { tokens: 32 })))
        await store.leave({ key: KEY, id, keepMs: 0, forbidMs: 0 }, IO)
      }
      await node?.server.restart({ empty: round % 2 === 1 })
    }
    for (const [index, token] of tokens.slice(1).entries())
      expect(token).toBeGreaterThanOrEqual((tokens[index] ?? 0) + 32)
  }, 60_000)

  test('a request that a node carries out long after its caller gave up takes no lock', async () => {
    const three = await nodesOf(3)
    const store = three.store({ nodeTimeout: 150 })
    await store.inspect(KEY, IO)
    for (const { server } of three.nodes) await server.pause()
    await expect(store.enter(request('A'), IO)).rejects.toThrow(StoreUnavailableError)
    await expect(store.leave({ key: KEY, id: 'A', keepMs: 0, forbidMs: 60_000 }, IO)).rejects.toThrow(
      StoreUnavailableError,
    )
    // Long enough for the connections to be given up: what follows comes on new ones, maybe before the old requests.
    await expect(store.inspect(KEY, IO)).rejects.toThrow(StoreUnavailableError)
    await wait(1_200)
    await store.inspect(KEY, IO).catch(() => null)
    for (const { server } of three.nodes) server.resume()
    const deadline = now() + 10_000
    const other = three.directly()
    let seen = 0
    while (now() < deadline && seen < 20) {
      const view = await other.inspect(KEY, IO)
      expect(view).toBeNull()
      seen += 1
      await wait(10)
    }
    expect(tokenOf(await other.enter(request('B', { queue: false }), IO))).toBeGreaterThan(0)
  })

  test('who got no reply asks again with the same id, and is not refused because of its own parts', async () => {
    const five = await nodesOf(5)
    const store = five.store({ nodeTimeout: 200 })
    await store.inspect(KEY, IO)
    for (const { proxy } of five.nodes.slice(0, 3)) proxy.set({ toClient: { drop: true } })
    await expect(store.enter(request('A'), IO)).rejects.toThrow(StoreUnavailableError)
    for (const { proxy } of five.nodes) proxy.clear()
    await comesToHold(store, request('A'), 5_000)
    expect((await five.directly().inspect(KEY, IO))?.holders.map(({ holder }) => holder)).toEqual(['A'])
  })

  test('while a late node still shows an earlier grant, the token told is that of the latest, and a revoke by that token finds it', async () => {
    const three = await nodesOf(3)
    const [late] = three.nodes
    const store = three.store({ nodeTimeout: 200 })
    const earlier = tokenOf(await store.enter(request('A'), IO))
    await wait(50)
    late?.proxy.set({ toServer: { hold: true } })
    await store.leave({ key: KEY, id: 'A', keepMs: 0, forbidMs: 0 }, IO)
    const latest = tokenOf(await store.enter(request('A'), IO))
    expect(latest).toBeGreaterThan(earlier)
    const other = three.directly()
    expect(await other.enter(request('B'), IO)).toMatchObject({
      status: 'refused',
      holders: [{ holder: 'A', token: latest }],
    })
    expect(await other.inspect(KEY, IO)).toMatchObject({ token: latest })
    expect(await other.revoke(KEY, { tickets: latest, reason: 'by an operator', now: true }, IO)).toBe(1)
  })

  test('a late node that still shows who held before does not hide who holds now', async () => {
    const three = await nodesOf(3)
    const [late, away] = three.nodes
    const store = three.store({ nodeTimeout: 200 })
    await store.enter(request('A'), IO)
    await wait(50)
    late?.proxy.set({ toServer: { hold: true } })
    await store.leave({ key: KEY, id: 'A', keepMs: 0, forbidMs: 0 }, IO)
    const other = three.directly()
    const token = tokenOf(await other.enter(request('B'), IO))
    await away?.server.kill()
    for (let round = 0; round < 20; round += 1)
      expect(await other.inspect(KEY, IO)).toMatchObject({ token, holders: [{ holder: 'B' }] })
  })

  test('a node that has not heard of the grant yet does not shorten what people are told is left, only when to come again', async () => {
    const three = await nodesOf(3)
    const [late, , away] = three.nodes
    await three.directly().enter(request('A', { ttlMs: 50_000 }), IO)
    const client = await talk(late?.server.port ?? 0)
    expect(await client.ask(`HSET holdfast:redlock:0::${KEY} token 0 expires ${Date.now() + 2_000} life 2000`)).toBe(
      ':0',
    )
    client.end()
    await away?.server.kill()
    const entry = await three.directly().enter(request('B'), IO)
    expect(entry).toMatchObject({
      status: 'refused',
      holders: [{ holder: 'A', leftMs: expect.toSatisfy(leftMs => leftMs > 10_000) }],
    })
    expect('retryMs' in entry && entry.retryMs <= 2_000).toBe(true)
  })

  test('with a majority hung the signal aborts before the ttl is over, 20 of 20', async () => {
    const five = await nodesOf(5)
    const ttlMs = 400
    let aborted = 0
    const stalledMs = watchStalls()
    for (let round = 0; round < 20; round += 1) {
      const locks = createLocks(five.store(), { ttl: ttlMs, wait: '20s', storeTimeout: '1s' })
      const before = now()
      const lease = await locks.acquire(`hung:${round}`)
      // From here a later grant is impossible: the window is counted from before the request.
      const grantedAt = now()
      const gone = new Promise<number>(resolve => lease.signal.addEventListener('abort', () => resolve(now())))
      for (const { proxy } of five.nodes.slice(round % 3, (round % 3) + 3)) proxy.set({ both: { hold: true } })
      const abortedAt = await gone
      expect(() => lease.assertHeld()).toThrow('lost')
      expect(abortedAt).toBeGreaterThanOrEqual(before)
      if (abortedAt < grantedAt + ttlMs + stalledMs()) aborted += 1
      for (const { proxy } of five.nodes) proxy.clear()
      await locks.close({ drain: 0 })
    }
    expect(aborted).toBe(20)
  }, 120_000)

  test('a user who may do what the page says, and no more, can do all of it', async () => {
    const three = await nodesOf(3)
    const allowed =
      /A user with the commands\n([A-Z, ]+), and CONFIG GET/.exec(
        readFileSync('docs/drivers/redlock.md', 'utf8'),
      )?.[1] ?? ''
    const commands = allowed.split(', ').map(name => `+${name.toLowerCase()}`)
    expect(commands.length).toBeGreaterThan(5)
    for (const { server } of three.nodes) {
      const client = await talk(server.port)
      const rules = `on >secret resetkeys ~holdfast:redlock:* resetchannels -@all ${commands.join(' ')} +config|get +hello +client +select`
      expect(await client.ask(`ACL SETUSER keeper ${rules}`)).toBe('+OK')
      client.end()
    }
    const store = redlockStore(
      `redlock://keeper:secret@${three.nodes.map(({ server }) => `127.0.0.1:${server.port}`).join(',')}`,
    )
    tokenOf(await store.enter(request('A', { tokens: 32, meta: { why: 'test' } }), IO))
    expect((await store.enter(request('B', { queue: false }), IO)).status).toBe('refused')
    expect((await store.renew([{ key: KEY, id: 'A', ttlMs: 5_000 }], IO))[0]?.status).toBe('held')
    const keys: string[] = []
    for await (const view of store.list('', IO)) keys.push(view.key)
    expect(keys).toEqual([KEY])
    expect(await store.revoke(KEY, { tickets: 'holders', reason: 'test', now: false }, IO)).toBe(1)
    expect((await store.leave({ key: KEY, id: 'A', keepMs: 0, forbidMs: 0 }, IO)).was).toBe('held')
    await store.close()
    const stranger = redlockStore(
      `redlock://keeper:wrong@${three.nodes.map(({ server }) => `127.0.0.1:${server.port}`).join(',')}`,
    )
    await expect(stranger.enter(request('C'), IO)).rejects.toThrow(ConfigurationError)
    await expect(stranger.enter(request('C'), IO)).rejects.not.toThrow('wrong')
    await stranger.close()
  })

  test('what it cannot do it says: shared, limits, a ttl or a keep over maxTtl', async () => {
    const three = await nodesOf(3)
    const store = three.directly({ maxTtl: '10s' })
    await expect(store.enter(request('A', { mode: 'shared' }), IO)).rejects.toThrow(UnsupportedError)
    await expect(store.enter(request('A', { mode: 'shared', limit: 2 }), IO)).rejects.toThrow(UnsupportedError)
    await expect(store.enter(request('A', { ttlMs: 10_001 }), IO)).rejects.toThrow(/10001 ms .* longer than maxTtl/)
    const [renewal] = await store.renew([{ key: KEY, id: 'A', ttlMs: 10_001 }], IO)
    expect(renewal).toHaveProperty('cause', expect.any(UnsupportedError))
    await expect(store.leave({ key: KEY, id: 'A', keepMs: 10_001, forbidMs: 0 }, IO)).rejects.toThrow(UnsupportedError)
  })
})

test('addresses and options that make no sense are refused with the form that does', () => {
  for (const address of ['redlock://', 'redlock:', 'redis://a:1,b:2', 'redlock://a:1,b:2/x'])
    expect(() => redlockStore(address)).toThrow(ConfigurationError)
  expect(() => redlockStore('redlock://user:secret@a:1/0/1')).toThrow(
    '"redlock://user@a:1/0/1" is no address of a redlock: the database must be a number, not "0/1"',
  )
  expect(() => redlockStore([])).toThrow('A redlock needs nodes')
  expect(() => redlockStore('redlock://a:1,b:2,a:1')).toThrow('named twice')
  expect(() => redlockStore(['redis+sentinel://a:1/x', 'redis://b:1'])).toThrow('A node of a redlock is one server')
  expect(() => redlockStore('redlock://user:secret@')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret') }),
  )
  expect(() => redlockStore('redlock://a:1', { maxTtl: 0 })).toThrow('maxTtl')
  expect(() => redlockStore('redlock://a:1', { clockErrorMs: -1 })).toThrow('clockErrorMs')
})
