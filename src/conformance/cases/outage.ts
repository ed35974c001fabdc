/**
 * Locks over a store that hangs, loses, delays and repeats: they may wait longer, but never hold what they do not have.
 */
import assert from 'node:assert/strict'
import { LeaseLostError, StoreUnavailableError, WaitTimeoutError } from '../../base/errors.ts'
import type { Lease, Locks } from '../../locks/types.ts'
import { aborted } from './leases.ts'
import type { Fair } from './locks.ts'
import type { Fault, Plan } from '../faulty.ts'
import { clock, IO, KEY, notBefore, turn, until, visitor, wait } from '../scene.ts'
import type { Scene } from '../scene.ts'
import type { Group } from '../suite.ts'

const HANG: Fault = { kind: 'hang' }
/** In which an alarm that is due fires. */
const ALARM_MS = 2

/** Faults that can be switched on while the case runs. */
function switchable(): { plan: Plan; set(plan: Plan | null): void } {
  let current: Plan | null = null
  return { plan: (verb, count) => current?.(verb, count) ?? null, set: plan => void (current = plan) }
}

/** Fails if any promise was rejected that nobody looked at. */
async function withoutUnhandled(body: () => Promise<void>): Promise<void> {
  const unhandled: unknown[] = []
  const note = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', note)
  try {
    await body()
    await wait(10)
  } finally {
    process.off('unhandledRejection', note)
  }
  assert.deepEqual(unhandled, [])
}

/**
 * The case's process believes no longer than the store does. Renewals only add, so the time the look took may be added
 * too.
 */
async function believesNoMoreThanTheStore(lease: Lease, watcher: Locks): Promise<void> {
  const asked = clock.now()
  const believedMs = lease.remaining()
  const lock = await watcher.inspect(KEY)
  if (believedMs === 0) return
  const ticket = lock?.holders.find(
    each => !watcher.traits.fencing || (each.token <= lease.token && lease.token < each.token + each.tokens),
  )
  assert.ok(ticket, 'the lease was believed to be held, but the store has given it to another')
  const tookMs = clock.now() - asked
  assert.ok(
    believedMs <= ticket.leftMs + tookMs,
    `${believedMs} ms were believed to be left, but the store had only ${ticket.leftMs} (it answered in ${tookMs} ms)`,
  )
}

export function outageCases(fair: Fair): Group {
  return test => {
    test('while the store hangs, the signal aborts before the ttl is over and assertHeld throws', [], async scene => {
      for (const renew of ['auto', 'manual'] as const) {
        await withoutUnhandled(async () => {
          const ttl = scene.times.steadyMs
          let expiry: Promise<void> | undefined
          const { plan, set } = switchable()
          set((verb): null => {
            // Due later than the lease's own alarm, in the same event loop: whatever delays one delays the other. The
            // last enter is the one that was granted.
            if (verb === 'enter') expiry = wait(ttl - ALARM_MS)
            return null
          })
          const locks = await scene.locks({ fair, storeTimeout: scene.times.callMs, faults: plan })
          const lease = await locks.acquire(KEY, { ttl, renew })
          set(() => HANG)
          await expiry
          // Both are due at once if the process stood still between its look at the clock and the setting of the alarm.
          await wait(ALARM_MS)
          assert.ok(lease.signal.aborted, 'the ttl is over and the signal has not aborted')
          assert.equal((await aborted(scene, lease)).reason, 'expired')
          assert.equal(await lease.release(), 'lost')
          set(null)
          await until(scene, 'the lock is free', async () => (await locks.inspect(KEY)) === null)
        })
      }
    })

    test(
      'a store that hangs is an outage, not contention: acquire rejects within its wait, try never answers null',
      [],
      async scene => {
        await withoutUnhandled(async () => {
          const locks = await scene.locks({ fair, storeTimeout: scene.times.callMs, faults: () => HANG })
          const waitMs = scene.times.shortMs
          const start = clock.now()
          await assert.rejects(locks.acquire(KEY, { wait: waitMs }), StoreUnavailableError)
          assert.ok(clock.now() - start < scene.times.patienceMs)
          await assert.rejects(locks.tryAcquire(KEY), StoreUnavailableError)
          await assert.rejects(locks.inspect(KEY), StoreUnavailableError)
          await assert.rejects(locks.revoke(KEY, { tickets: 'all', reason: 'try' }), StoreUnavailableError)
        })
      },
    )

    test(
      'a release that is not answered is unconfirmed, does not reject, and is carried out later',
      [],
      async scene => {
        await withoutUnhandled(async () => {
          const { plan, set } = switchable()
          const locks = await scene.locks({ fair, storeTimeout: scene.times.callMs, faults: plan })
          const store = await scene.store()
          const lease = await locks.acquire(KEY)
          set(verb => (verb === 'leave' ? { kind: 'lose-request' } : null))
          assert.equal(await lease.release(), 'unconfirmed')
          assert.throws(() => lease.assertHeld(), LeaseLostError)
          set(null)
          await until(scene, 'the lock is free', async () => (await store.inspect(KEY, IO)) === null)
        })
      },
    )

    test('acquire outlives a lost reply, with one ticket that goes with its release', [], async scene => {
      const locks = await scene.locks({
        fair,
        storeTimeout: scene.times.callMs,
        faults: (verb, count) => (verb === 'enter' && count === 0 ? { kind: 'lose-reply' } : null),
      })
      const lease = await locks.acquire(KEY, { wait: scene.times.patienceMs })
      lease.assertHeld()
      const lock = await locks.inspect(KEY)
      assert.deepEqual([lock?.holders.length, lock?.waiters.length], [1, 0])
      assert.equal(await lease.release(), 'released')
      await until(scene, 'the lock is free', async () => (await locks.inspect(KEY)) === null)
    })

    test('one attempt whose reply was lost rejects, and leaves nothing locked', [], async scene => {
      const locks = await scene.locks({
        fair,
        storeTimeout: scene.times.callMs,
        faults: (verb, count) => (verb === 'enter' && count === 0 ? { kind: 'lose-reply' } : null),
      })
      await assert.rejects(locks.tryAcquire(KEY), StoreUnavailableError)
      await until(scene, 'the lock is free', async () => (await locks.inspect(KEY)) === null)
    })

    test('a late reply buys no time', [], async scene => {
      const ttl = 2 * scene.times.steadyMs
      const delayMs = scene.times.steadyMs
      const locks = await scene.locks({
        fair,
        faults: (verb, count) => (verb === 'enter' && count === 0 ? { kind: 'delay-reply', delayMs } : null),
      })
      const watcher = await scene.locks({ fair })
      const lease = await locks.acquire(KEY, { ttl, renew: 'manual' })
      assert.ok(
        lease.remaining() <= ttl - delayMs,
        `${lease.remaining()} ms are believed to be left of ${ttl}, though the reply took ${delayMs}`,
      )
      await believesNoMoreThanTheStore(lease, watcher)
      await lease.release()
    })

    test('a reply that comes after the ttl gives no lease, and no other is kept out for it', [], async scene => {
      const ttl = scene.times.shortMs
      const locks = await scene.locks({
        fair,
        faults: (verb, count) => (verb === 'enter' && count === 0 ? { kind: 'delay-reply', delayMs: 2 * ttl } : null),
      })
      await assert.rejects(locks.tryAcquire(KEY, { ttl, renew: 'manual' }), StoreUnavailableError)
      const lease = await locks.acquire(KEY, { wait: scene.times.patienceMs })
      assert.ok(lease.remaining() > 0)
      await lease.release()
      await until(scene, 'the lock is free', async () => (await locks.inspect(KEY)) === null)
    })

    test('late renewals buy no time either', [], async scene => {
      const ttl = 2 * scene.times.steadyMs
      const locks = await scene.locks({
        fair,
        faults: verb => (verb === 'renew' ? { kind: 'delay-reply', delayMs: ttl / 8 } : null),
      })
      const watcher = await scene.locks({ fair })
      const lease = await locks.acquire(KEY, { ttl })
      for (const end = clock.now() + 2 * ttl; clock.now() < end; await wait(ttl / 40))
        await believesNoMoreThanTheStore(lease, watcher)
      await lease.release()
    })

    test('a request that is carried out after its caller gave up holds the lock for nobody', [], async scene => {
      const { shortMs, callMs } = scene.times
      const lateMs = shortMs + callMs
      const locks = await scene.locks({
        fair,
        storeTimeout: callMs,
        faults: verb => (verb === 'enter' ? { kind: 'delay-request', delayMs: lateMs } : null),
      })
      const store = await scene.store()
      await assert.rejects(locks.tryAcquire(KEY), StoreUnavailableError)
      await assert.rejects(
        locks.acquire(KEY, { wait: shortMs / 2 }),
        error => error instanceof StoreUnavailableError || error instanceof WaitTimeoutError,
      )
      await wait(3 * lateMs)
      await until(scene, 'the lock is free', async () => (await store.inspect(KEY, IO)) === null)
      await wait(2 * lateMs)
      assert.equal(await store.inspect(KEY, IO), null)
    })

    test('a holder that is gone keeps nobody out for longer than its ttl', [], async scene => {
      const locks = await scene.locks({ fair })
      const dead = visitor(scene, await scene.store(), 'dead', { ttlMs: scene.times.shortMs })
      const start = clock.now()
      assert.equal((await dead.enter()).status, 'holds')
      const lease = await locks.acquire(KEY, { wait: scene.times.patienceMs })
      assert.ok(clock.now() - start >= notBefore(locks, scene.times.shortMs))
      await lease.release()
    })

    test('lost pushes cost time and nothing else', ['queue', 'listen'], async scene => {
      const here = await scene.locks({ fair })
      const there = await scene.locks({ fair, faults: verb => (verb === 'push' ? { kind: 'lose-request' } : null) })
      const lease = await here.acquire(KEY)
      const waiter = there.acquire(KEY, { wait: scene.times.patienceMs })
      await until(scene, 'the second waits', async () => (await here.inspect(KEY))?.waiters.length === 1)
      await lease.release()
      const next = await waiter
      next.assertHeld()
      await believesNoMoreThanTheStore(next, here)
      await next.release()
    })

    test('late and repeated pushes start nobody who does not hold', ['queue', 'listen'], async scene => {
      const faults: Plan = (verb, count) =>
        verb === 'push' ? (count % 2 === 0 ? { kind: 'repeat' } : { kind: 'delay-request', delayMs: 15 }) : null
      const processes = [await scene.locks({ fair, faults }), await scene.locks({ fair, faults })]
      await crowd(scene, processes, 12)
    })

    test('whatever is lost, late or repeated, one is inside at a time and nothing stays locked', [], async scene => {
      await withoutUnhandled(async () => {
        const { callMs, shortMs } = scene.times
        const kinds: readonly Fault[] = [
          { kind: 'lose-request' },
          { kind: 'lose-reply' },
          { kind: 'delay-request', delayMs: callMs / 2 },
          { kind: 'delay-request', delayMs: 2 * callMs },
          { kind: 'delay-reply', delayMs: callMs / 2 },
          { kind: 'repeat' },
        ]
        // A fixed pattern, so that a failure comes again: every fifth call of each verb meets the next fault in the
        // row.
        const faults: Plan = (verb, count) =>
          verb !== 'listen' && count % 5 === 3 ? (kinds[Math.floor(count / 5) % kinds.length] ?? null) : null
        const options = { fair, storeTimeout: callMs, ttl: 5 * shortMs, faults }
        const processes = [await scene.locks(options), await scene.locks(options)]
        await crowd(scene, processes, 16)
      })
    })
  }
}

/**
 * Many tasks at once: one inside at a time among those who may believe that they hold, tokens growing, and nothing
 * left.
 */
async function crowd(scene: Scene, processes: readonly Locks[], tasks: number): Promise<void> {
  const inside = new Set<Lease>()
  const tokens: number[] = []
  const task = async (lease: Lease): Promise<void> => {
    const others = [...inside].filter(other => other.remaining() > 0)
    assert.equal(others.length, 0, 'two believed at the same time that they hold')
    inside.add(lease)
    tokens.push(lease.token)
    await wait(2)
    inside.delete(lease)
  }
  const ran = await Promise.allSettled(
    Array.from({ length: tasks }, (_, index) =>
      turn(processes, index).run(KEY, { wait: scene.times.patienceMs }, task),
    ),
  )
  for (const each of ran) if (each.status === 'rejected' && !(each.reason instanceof LeaseLostError)) throw each.reason
  assert.ok(tokens.length >= tasks / 2, `only ${tokens.length} of ${tasks} tasks got in`)
  if (turn(processes, 0).traits.fencing)
    assert.deepEqual(
      tokens,
      tokens.toSorted((a, b) => a - b),
    )
  const store = await scene.store()
  await until(scene, 'the lock is free', async () => (await store.inspect(KEY, IO)) === null)
}
