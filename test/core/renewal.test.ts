import { describe, expect, test } from 'vitest'
import { createLocksOn } from '../../src/locks/locks.ts'
import { createManualClock } from '../../src/base/manual-clock.ts'
import { createHeap } from '../../src/base/heap.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { ConfigurationError, LeaseLostError, UnsupportedError } from '../../src/index.ts'
import type { LockEvent, LocksOptions, Store } from '../../src/index.ts'

describe('renewal', () => {
  test('of 10,000 leases needs at most 100 round trips in a period', async () => {
    const clock = createManualClock()
    const memory = memoryStore({ clock })
    let calls = 0
    const store: Store = {
      ...memory,
      async renew(renewals, io) {
        calls += 1
        expect(renewals.length).toBeLessThanOrEqual(256)
        return memory.renew(renewals, io)
      },
    }
    const locks = createLocksOn(clock, store, { ttl: '15s', fair: 'strict' })
    const leases = []
    for (let index = 0; index < 10_000; index += 1) {
      leases.push(await locks.acquire(`k${index}`))
      // Not all at once: their renewals are due all over the period.
      if (index % 100 === 0) await clock.advance(50)
    }
    calls = 0
    await clock.advance('5s')
    expect(calls).toBeGreaterThan(0)
    expect(calls).toBeLessThanOrEqual(100)
    await clock.advance('60s')
    expect(leases.filter(lease => lease.state === 'held')).toHaveLength(10_000)
    await Promise.all(leases.map(lease => lease.release()))
    await locks.close()
  })

  test('fails for one ticket without harm to the others of its batch', async () => {
    const clock = createManualClock()
    const memory = memoryStore({ clock })
    const store: Store = {
      ...memory,
      async renew(renewals, io) {
        const answers = await memory.renew(
          renewals.filter(({ key }) => key !== 'b'),
          io,
        )
        const rest = [...answers]
        return renewals.map(({ key }) =>
          key === 'b'
            ? { status: 'unknown', cause: new Error('cut') }
            : (rest.shift() ?? { status: 'unknown', cause: new Error('none') }),
        )
      },
    }
    const locks = createLocksOn(clock, store, { ttl: '10s' })
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(key => locks.acquire(key)))
    await clock.advance('9s')
    expect([a?.state, b?.state, c?.state]).toEqual(['held', 'suspect', 'held'])
    await clock.advance('2s')
    expect([a?.state, b?.state, c?.state]).toEqual(['held', 'lost', 'held'])
    await locks.close({ drain: 0 })
  })

  test('after the wall clock was set every lease is in doubt until the store has answered', async () => {
    const clock = createManualClock()
    let step = 0
    const stepped = { ...clock, wall: () => clock.wall() + step }
    const locks = createLocksOn(stepped, memoryStore({ clock }), { ttl: '60s' })
    const events: LockEvent[] = []
    locks.on('suspect', event => events.push(event))
    const lease = await locks.acquire('k')
    step = 10_000
    await clock.advance('150ms')
    expect(events).toHaveLength(1)
    expect(lease.state).toBe('held')
    await locks.close({ drain: 0 })
  })

  test('a process that stood still finds its leases lost before it is told of the stall', async () => {
    const clock = createManualClock()
    let leap = 0
    const leaping = { ...clock, now: () => clock.now() + leap, wall: () => clock.wall() + leap }
    const locks = createLocksOn(leaping, memoryStore({ clock }), { ttl: '1s' })
    const lease = await locks.acquire('k')
    const states: string[] = []
    locks.on('stalled', ({ stalledMs }) => states.push(`${lease.state} ${stalledMs >= 5_000}`))
    leap = 5_000
    expect(() => lease.assertHeld()).toThrow('lost')
    await clock.advance('150ms')
    expect(states).toEqual(['lost true'])
    await locks.close({ drain: 0 })
  })
})

/** Locks whose renewals the store answers after `delayMs`, and of which it gives no more than `most`. */
function slowly(how: { delayMs: number; most?: number }, options: LocksOptions = {}) {
  const clock = createManualClock()
  const memory = memoryStore({ clock })
  const asked: number[] = []
  const { most = Infinity } = how
  const store: Store = {
    ...memory,
    enter: (request, io) => memory.enter({ ...request, ttlMs: Math.min(request.ttlMs, most) }, io),
    async renew(renewals, io) {
      asked.push(...renewals.map(({ ttlMs }) => ttlMs))
      const answers = await memory.renew(
        renewals.map(request => ({ ...request, ttlMs: Math.min(request.ttlMs, most) })),
        io,
      )
      if (how.delayMs > 0) await new Promise<void>(resolve => clock.after(how.delayMs, resolve))
      return answers
    },
  }
  return { clock, asked, how, locks: createLocksOn(clock, store, options) }
}

describe('a renewal that is asked for', () => {
  test('is sent although another is under way that asks for less', async () => {
    const { clock, asked, locks } = slowly({ delayMs: 100 }, { ttl: '3s' })
    const lease = await locks.acquire('k')
    await clock.advance(1_050)
    expect(asked).toEqual([3_000])
    const ensured = lease.ensure('60s').then(() => lease.remaining())
    const renewed = lease.renew('30s').then(() => lease.remaining())
    await clock.advance(1_000)
    expect(await ensured).toBeGreaterThanOrEqual(60_000)
    expect(await renewed).toBeGreaterThanOrEqual(29_500)
    await locks.close({ drain: 0 })
  })

  test('together with others costs two round trips at most', async () => {
    const { clock, asked, locks } = slowly({ delayMs: 10 })
    const lease = await locks.acquire('k')
    const all = Promise.all(Array.from({ length: 50 }, () => lease.renew('30s')))
    await clock.advance(100)
    await all
    expect(asked.length).toBeLessThanOrEqual(2)
    await locks.close({ drain: 0 })
  })

  test('counts what the answer takes', async () => {
    const { clock, asked, locks } = slowly({ delayMs: 400 }, { ttl: '2s', renew: 'manual' })
    const lease = await locks.acquire('k')
    const ensured = lease.ensure(1_990).then(() => lease.remaining())
    await clock.advance(2_000)
    await ensured
    expect(asked.length).toBe(2)
    expect(asked.at(-1)).toBeGreaterThan(2_400)
    await locks.close({ drain: 0 })
  })

  test('beyond maxHold is refused, and the lease stays held', async () => {
    const { asked, clock, locks } = slowly({ delayMs: 0 }, { maxHold: '2s', renew: 'manual', ttl: '1s' })
    const lease = await locks.acquire('k')
    await expect(lease.ensure('5s')).rejects.toThrow(ConfigurationError)
    await expect(lease.renew('5s')).rejects.toThrow('maxHold')
    expect([lease.state, asked]).toEqual(['held', []])
    // Without a ttl it takes what is left.
    await clock.advance(900)
    await lease.renew()
    await clock.advance(900)
    await lease.renew()
    expect(lease.remaining()).toBeLessThanOrEqual(200)
    expect(lease.remaining()).toBeGreaterThan(150)
    await clock.advance(300)
    expect(lease.signal.reason).toMatchObject({ reason: 'max-hold' })
    await locks.close({ drain: 0 })
  })

  test('of which the store gives less is refused, not faked', async () => {
    const { locks } = slowly({ delayMs: 0, most: 5_000 }, { ttl: '3s' })
    const lease = await locks.acquire('k')
    await expect(lease.ensure('10s')).rejects.toThrow(UnsupportedError)
    await expect(lease.renew('10s')).rejects.toThrow('not the 10 s')
    expect(lease.remaining()).toBeGreaterThan(4_900)
    await locks.close({ drain: 0 })
  })

  test('that the store refuses as too long says so, and leaves the lease as it was', async () => {
    const clock = createManualClock()
    const memory = memoryStore({ clock })
    let refusals = 0
    const store: Store = {
      ...memory,
      async renew(renewals, io) {
        if (renewals.every(({ ttlMs }) => ttlMs <= 5_000)) return memory.renew(renewals, io)
        refusals += 1
        return renewals.map(({ key }) => ({ status: 'unknown', cause: new UnsupportedError('too long', { key }) }))
      },
    }
    const locks = createLocksOn(clock, store, { ttl: '3s' })
    const events: LockEvent[] = []
    locks.on('store-error', event => events.push(event))
    locks.on('suspect', event => events.push(event))
    const lease = await locks.acquire('k')
    await expect(lease.renew('10s')).rejects.toThrow(UnsupportedError)
    await expect(lease.ensure('10s')).rejects.toThrow('too long')
    expect([lease.state, refusals]).toEqual(['held', 2])
    await clock.advance('60s')
    expect([lease.state, refusals, events]).toEqual(['held', 2, []])
    await lease.release()
    await locks.close()
  })

  test('asks for more as long as answers take longer and longer, up to a point', async () => {
    const clock = createManualClock()
    const memory = memoryStore({ clock })
    const delays = [10, 50, 200]
    const store: Store = {
      ...memory,
      async renew(renewals, io) {
        await new Promise<void>(resolve => clock.after(delays.shift() ?? 0, resolve))
        return memory.renew(renewals, io)
      },
    }
    const locks = createLocksOn(clock, store, { ttl: '300ms', renew: 'manual' })
    const lease = await locks.acquire('k')
    const ensured = lease.ensure('2s')
    await clock.advance(1_000)
    await ensured
    expect(delays).toEqual([])
    await locks.close({ drain: 0 })
  })

  test('of a lease that is lost meanwhile says so', async () => {
    const { clock, locks } = slowly({ delayMs: 3_000 }, { ttl: '2s', renew: 'manual', storeTimeout: '60s' })
    const lease = await locks.acquire('k')
    const renewed = lease.renew('60s').catch((error: unknown) => error)
    await clock.advance(10_000)
    expect(await renewed).toBeInstanceOf(LeaseLostError)
    await locks.close({ drain: 0 })
  })
})

test('the next renewal follows the life that was given, not the ttl that was asked', async () => {
  const { clock, asked, locks } = slowly({ delayMs: 0, most: 300 }, { ttl: '1s' })
  const lease = await locks.acquire('k')
  await clock.advance(3_000)
  expect(lease.state).toBe('held')
  expect(asked.length).toBeGreaterThanOrEqual(3_000 / 101 - 1)
  await locks.close({ drain: 0 })
})

describe('the heap', () => {
  test('gives items in the order of their instants, and stale ones never', () => {
    const instants = new Map(Array.from({ length: 500 }, (_, index) => [index, (index * 7919) % 500]))
    const heap = createHeap<number>(
      item => instants.get(item) ?? Infinity,
      item => instants.has(item),
    )
    for (const item of instants.keys()) heap.push(item)
    for (let item = 0; item < 500; item += 3) instants.delete(item)
    heap.forget(instants.size)
    instants.set(1, 1_000)
    heap.push(1)
    const order: number[] = []
    for (let item = heap.pop(2_000); item !== undefined; item = heap.pop(2_000)) order.push(instants.get(item) ?? -1)
    expect(order).toEqual([...instants.values()].toSorted((a, b) => a - b))
    expect(heap.next()).toBe(Infinity)
  })
})
