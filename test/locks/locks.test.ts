import { describe, expect, test } from 'vitest'
import { ClosedError, createLocks, LeaseLostError, WaitTimeoutError } from '../../src/index.ts'
import type { AcquireOptions, Lease, LockEvent, Locks, Store } from '../../src/index.ts'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { createManualClock } from '../../src/base/manual-clock.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { createLocksOn } from '../../src/locks/locks.ts'
import { createTestLocks } from '../../src/testing.ts'

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

for (const fair of ['strict', 'cohort'] as const) {
  describe(`locks, ${fair}`, () => {
    test('one task at a time holds an exclusive lock, and tokens grow', async () => {
      const locks = createLocks(memoryStore(), { fair })
      let inside = 0
      const tokens: number[] = []
      await Promise.all(
        Array.from({ length: 100 }, () =>
          locks.run('k', async lease => {
            inside += 1
            expect(inside).toBe(1)
            tokens.push(lease.token)
            await pause(0)
            lease.assertHeld()
            inside -= 1
          }),
        ),
      )
      expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
      expect(new Set(tokens).size).toBe(100)
      expect(await locks.inspect('k')).toBeNull()
      await locks.close()
    })

    test('readers share, and a writer that waits is not starved by readers that come later', async () => {
      const locks = createLocks(memoryStore(), { fair })
      const { read, write } = locks.readWrite('k')
      const first = await read.acquire()
      const second = await read.acquire()
      const order: string[] = []
      const writing = write.run(async () => void order.push('write'))
      await pause(5)
      const reading = read.run(async () => void order.push('read'))
      await pause(5)
      expect(order).toEqual([])
      await Promise.all([first.release(), second.release()])
      await Promise.all([writing, reading])
      expect(order).toEqual(['write', 'read'])
      await locks.close()
    })

    test('a wait that is over tells who holds the lock, and leaves nothing behind', async () => {
      const locks = createLocks(memoryStore(), { fair, holder: 'me' })
      const lease = await locks.acquire('k')
      const error = await locks.acquire('k', { wait: 30 }).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(WaitTimeoutError)
      expect(error).toMatchObject({ key: 'k', own: false, holders: [{ holder: 'me', token: lease.token }] })
      expect((await locks.inspect('k'))?.waiters).toEqual([])
      expect(await lease.release()).toBe('released')
      await locks.close()
    })

    test('a task that waits for the lock of its own call chain is told so', async () => {
      const locks = createLocks(memoryStore(), { fair })
      const error = await locks.run('k', () => locks.run('k', { wait: 20 }, () => 1)).catch((error: unknown) => error)
      expect(error).toMatchObject({ own: true })
      await locks.close()
    })

    test('an aborted wait rejects with the reason of its signal and leaves nothing behind', async () => {
      const locks = createLocks(memoryStore(), { fair })
      const lease = await locks.acquire('k')
      const abort = new AbortController()
      const waiting = locks.acquire('k', { signal: abort.signal })
      await pause(5)
      abort.abort(new Error('no longer'))
      await expect(waiting).rejects.toThrow('no longer')
      expect((await locks.inspect('k'))?.waiters).toEqual([])
      await lease.release()
      await locks.close()
    })

    test('several keys are taken all or none, whatever their order', async () => {
      const locks = createLocks(memoryStore(), { fair })
      let inside = 0
      const transfer = (keys: string[]): Promise<void> =>
        locks.runAll(keys, async set => {
          inside += 1
          expect(inside).toBe(1)
          expect([...set.tokens.keys()]).toEqual(['a', 'b'])
          await pause(1)
          inside -= 1
        })
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => transfer(index % 2 === 0 ? ['a', 'b'] : ['b', 'a', 'b'])),
      )
      const held = await locks.acquire('b')
      await expect(locks.acquireAll(['a', 'b'], { wait: 20 })).rejects.toThrow(WaitTimeoutError)
      expect(await locks.inspect('a')).toBeNull()
      await held.release()
      await locks.close()
    })

    test('close rejects who waits, lets running tasks end, and refuses new work', async () => {
      const locks = createLocks(memoryStore(), { fair })
      let ended = false
      const end = new AbortController()
      const running = locks.run('k', async () => {
        await sleep(systemClock, 60_000, { signal: end.signal })
        ended = true
      })
      await pause(1)
      const waiting = locks.run('k', () => 1).catch((error: unknown) => error)
      await pause(1)
      const closing = locks.close()
      end.abort()
      await closing
      expect(ended).toBe(true)
      await running
      expect(await waiting).toBeInstanceOf(ClosedError)
      await expect(locks.acquire('k')).rejects.toThrow(ClosedError)
    })

    test('a task that does not end in time is told by its signal when the locks are closed', async () => {
      const storage = `closed-${fair}`
      const locks = createLocks(memoryStore({ storage }), { fair })
      const lease = await locks.acquire('k')
      await locks.close({ drain: 10 })
      expect(lease.signal.reason).toMatchObject({ reason: 'closed' })
      const other = createLocks(memoryStore({ storage }))
      expect(await other.tryAcquire('k')).toBeNull()
      await other.close()
    })
  })
}

describe('the store is listened to from the first lease on', () => {
  for (const [way, take] of Object.entries<(locks: Locks) => Promise<Lease | null>>({
    tryAcquire: locks => locks.tryAcquire('k', { renew: 'manual' }),
    'acquire without waiting': locks => locks.acquire('k', { renew: 'manual', wait: 0 }),
    acquire: locks => locks.acquire('k', { renew: 'manual' }),
  })) {
    test(`so an owner hears of a revocation at once (${way})`, async () => {
      const storage = `listened by ${way}`
      const [locks, operator] = [createLocks(memoryStore({ storage })), createLocks(memoryStore({ storage }))]
      const lease = await take(locks)
      await pause(1)
      expect(await operator.revoke('k', { reason: 'maintenance', tickets: 'holders' })).toBe(1)
      expect(lease?.signal.reason).toMatchObject({ reason: 'revoked' })
      await lease?.release()
      await Promise.all([locks.close(), operator.close()])
    })
  }

  test('and no grant waits for that', async () => {
    const memory = memoryStore()
    let listens = 0
    const store: Store = {
      ...memory,
      listen() {
        listens += 1
        return new Promise(() => {})
      },
    }
    const locks = createLocks(store, { storeTimeout: '60s' })
    const lease = await locks.tryAcquire('k')
    await lease?.release()
    await (await locks.acquire('k', { wait: 0 })).release()
    await locks.close()
    expect(listens).toBe(1)
  })

  test('and again when it failed, while somebody holds', async () => {
    const memory = memoryStore({ storage: 'listened to again' })
    let fails = 2
    const store: Store = {
      ...memory,
      async listen(listener) {
        if ((fails -= 1) >= 0) throw new Error('the test has refused it')
        return (await memory.listen?.(listener)) ?? { [Symbol.asyncDispose]: async () => {} }
      },
    }
    const { locks, clock } = onManualClock(store)
    const lease = await locks.tryAcquire('k', { ttl: '60s', renew: 'manual' })
    await clock.advance('3s')
    expect(fails).toBeLessThan(0)
    await memory.revoke('k', { reason: 'x', tickets: 'all', now: false }, { timeoutMs: 100 })
    expect(lease?.signal.reason).toMatchObject({ reason: 'revoked' })
    await locks.close({ drain: 0 })
  })
})

test('a subscription that comes after its deadline is ended, for another was asked for', async () => {
  const ended: string[] = []
  const answer: ((subscription: AsyncDisposable) => void)[] = []
  const store: Store = { ...memoryStore(), listen: () => new Promise(resolve => void answer.push(resolve)) }
  const { locks, clock } = onManualClock(store)
  const lease = await locks.tryAcquire('k', { ttl: '60s', renew: 'manual' })
  await clock.advance('7s')
  const [late, next] = answer
  for (const [name, resolve] of [['late', late] as const, ['next', next] as const])
    resolve?.({ [Symbol.asyncDispose]: async () => void ended.push(name) })
  await clock.advance(0)
  expect(ended).toEqual(['late'])
  await lease?.release()
  await locks.close()
  expect(ended).toEqual(['late', 'next'])
})

function onManualClock(store: Store) {
  const clock = createManualClock()
  return { clock, locks: createLocksOn(clock, store) }
}

test('a lock tries with options of one attempt, as it runs with them', async () => {
  const lock = createLocks(memoryStore()).lock('k', { ttl: '10s' })
  const ran = await lock.tryRun({ ttl: '60s' }, lease => lease.remaining())
  expect(ran.ran && ran.value > 50_000).toBe(true)
})

test('close waits for the answer to a release that nobody waits for', async () => {
  const memory = memoryStore()
  let answered = false
  const slow: Store = {
    ...memory,
    async leave(request, io) {
      await pause(30)
      const reply = await memory.leave(request, io)
      answered = true
      return reply
    },
    async close() {
      expect(answered).toBe(true)
      await memory.close()
    },
  }
  const locks = createLocks(slow)
  const lease = await locks.acquire('k')
  void lease.release()
  await locks.close()
  expect(answered).toBe(true)
})

describe('a lease knows that it is dead without asking', () => {
  test('its signal aborts before the ttl is over when the store has gone', async () => {
    const { locks, clock, failStore, events } = createTestLocks({ ttl: '10s' })
    const lease = await locks.acquire('k')
    failStore()
    await clock.advance('9s')
    expect(lease.state).toBe('suspect')
    await clock.advance('1s')
    expect(lease.signal.aborted).toBe(true)
    expect(lease.state).toBe('lost')
    expect(lease.remaining()).toBe(0)
    expect(() => lease.assertHeld()).toThrow(LeaseLostError)
    expect(events.filter(event => event.type === 'lost')).toMatchObject([
      { key: 'k', token: lease.token, reason: 'expired' },
    ])
    expect(await lease.release()).toBe('lost')
  })

  test('lost is final: a store that comes back does not revive the lease', async () => {
    const { locks, clock, failStore, restoreStore } = createTestLocks({ ttl: '10s' })
    const lease = await locks.acquire('k')
    failStore()
    await clock.advance('10s')
    restoreStore()
    await expect(lease.renew()).rejects.toThrow(LeaseLostError)
    await clock.advance('10s')
    expect(lease.state).toBe('lost')
    const next = await locks.acquire('k')
    expect(next.token).toBeGreaterThan(lease.token)
  })

  test('a suspect lease is held again when a renewal succeeds', async () => {
    const { locks, clock, failStore, restoreStore } = createTestLocks({ ttl: '10s' })
    const lease = await locks.acquire('k')
    failStore()
    await clock.advance('5s')
    expect(lease.state).toBe('suspect')
    restoreStore()
    await clock.advance('2s')
    expect(lease.state).toBe('held')
    await clock.advance('1h')
    expect(lease.state).toBe('held')
    expect(await lease.release()).toBe('released')
  })

  test('run rejects when the lease was lost, and carries what the task came to', async () => {
    const { locks, lose } = createTestLocks()
    const error = await locks
      .run('k', lease => {
        lose(lease)
        expect(lease.signal.aborted).toBe(true)
        return 42
      })
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(LeaseLostError)
    expect(error).toMatchObject({ reason: 'gone', outcome: { status: 'fulfilled', value: 42 } })
    expect(await locks.inspect('k')).toBeNull()
  })

  test('maxHold ends renewal', async () => {
    const { locks, clock } = createTestLocks({ ttl: '10s' })
    const lease = await locks.acquire('k', { maxHold: '25s' })
    await clock.advance('24s')
    expect(lease.state).toBe('held')
    await clock.advance('1s')
    expect(lease.signal.reason).toMatchObject({ reason: 'max-hold' })
    await lease.release()
    expect(await locks.inspect('k')).toBeNull()
  })

  test('minHold keeps the lock after its release, and once runs once', async () => {
    const { locks, clock } = createTestLocks()
    expect(await locks.once('cron', { minHold: '1m' }, () => 'done')).toEqual({ ran: true, value: 'done' })
    expect(await locks.once('cron', { minHold: '1m' }, () => 'again')).toMatchObject({ ran: false })
    await clock.advance('59s')
    expect(await locks.once('cron', { minHold: '1m' }, () => 'again')).toMatchObject({ ran: false })
    await clock.advance('2s')
    expect(await locks.once('cron', { minHold: '1m' }, () => 'again')).toMatchObject({ ran: true })
  })

  test('a manual lease is not renewed, and renew never shortens it', async () => {
    const { locks, clock } = createTestLocks({ ttl: '10s' })
    const lease = await locks.acquire('k', { renew: 'manual' })
    await lease.renew('1m')
    await lease.renew('10s')
    expect(lease.remaining()).toBeGreaterThan(50_000)
    await lease.ensure('2m')
    expect(lease.remaining()).toBeGreaterThanOrEqual(120_000)
    await clock.advance('3m')
    expect(lease.state).toBe('lost')
  })

  test('a revoked lease is told, and its lock is free when it has left', async () => {
    const { locks, events } = createTestLocks()
    const lease = await locks.acquire('k')
    const next = locks.acquire('k')
    expect(await locks.revoke('k', { reason: 'maintenance', tickets: lease.token })).toBe(1)
    expect(lease.signal.reason).toMatchObject({ reason: 'revoked' })
    expect(events.filter(event => event.type === 'revoked')).toMatchObject([
      { key: 'k', token: lease.token, reason: 'maintenance' },
    ])
    expect(await lease.release()).toBe('lost')
    expect((await next).token).toBeGreaterThan(lease.token)
  })

  test('a waiter that is revoked no longer waits', async () => {
    const { locks } = createTestLocks()
    const lease = await locks.acquire('k')
    const next = locks.acquire('k', { meta: { job: '7' } }).catch((error: unknown) => error)
    await Promise.resolve()
    const token = (await locks.inspect('k'))?.waiters[0]?.token ?? 0
    expect(await locks.revoke('k', { reason: 'cleared', tickets: token })).toBe(1)
    expect(await next).toMatchObject({ code: 'HOLDFAST_LEASE_LOST', reason: 'revoked', token })
    expect(lease.state).toBe('held')
  })

  describe('the ttl is at risk', () => {
    function watched(options: AcquireOptions) {
      const test = createTestLocks({ ttl: '10s' })
      return {
        ...test,
        risks: (): LockEvent[] => test.events.filter(event => event.type === 'ttl-at-risk'),
        async hold(ms: number): Promise<void> {
          const lease = await test.locks.acquire('k', options)
          await test.clock.advance(ms)
          await lease.release()
        },
      }
    }

    test('when holds that nobody renews come close to it; once, until they no longer do', async () => {
      const { hold, risks } = watched({ renew: 'manual' })
      await hold(7_000)
      expect(risks()).toEqual([])
      await hold(9_000)
      await hold(9_500)
      expect(risks()).toMatchObject([{ key: 'k', ttlMs: 10_000, p99HeldMs: 9_000 }])
      for (let times = 0; times < 100; times += 1) await hold(1)
      await hold(9_000)
      await hold(9_000)
      expect(risks()).toHaveLength(2)
    })

    test('when a hold outlives it and is lost', async () => {
      const { hold, risks } = watched({ renew: 'manual' })
      await hold(12_000)
      expect(risks()).toMatchObject([{ key: 'k', ttlMs: 10_000, p99HeldMs: 12_000 }])
    })

    test('not when a long hold is renewed in time, whatever its length', async () => {
      const { hold, risks } = watched({})
      await hold(9_500)
      await hold(60_000)
      expect(risks()).toEqual([])
    })

    test('when renewals come late', async () => {
      const { locks, clock, failStore, restoreStore, risks } = watched({})
      const lease = await locks.acquire('k')
      failStore()
      await clock.advance(9_000)
      restoreStore()
      await clock.advance(20_000)
      expect(lease.state).toBe('held')
      await lease.release()
      expect(risks()).toHaveLength(1)
    })
  })
})
