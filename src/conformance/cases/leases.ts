/** What a lease promises to the task that holds it: until when, and what it learns when that is over. */
import assert from 'node:assert/strict'
import { LeaseLostError } from '../../base/errors.ts'
import type { Lease } from '../../locks/types.ts'
import type { Fair } from './locks.ts'
import { clock, KEY, notBefore, until, wait } from '../scene.ts'
import type { Scene } from '../scene.ts'
import type { Group } from '../suite.ts'

/** Resolves when the signal aborts; why it did. */
export async function aborted(scene: Scene, lease: Lease): Promise<LeaseLostError> {
  await until(scene, 'the signal aborts', async () => lease.signal.aborted)
  const reason: unknown = lease.signal.reason
  assert.ok(reason instanceof LeaseLostError, String(reason))
  assert.throws(() => lease.assertHeld(), LeaseLostError)
  assert.deepEqual([lease.state, lease.remaining()], ['lost', 0])
  return reason
}

export function leaseCases(fair: Fair): Group {
  return test => {
    test('a lease is renewed for as long as its task runs', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const ttl = scene.times.sureMs
      const lease = await here.acquire(KEY, { ttl })
      await wait(1.2 * ttl)
      lease.assertHeld()
      assert.ok(lease.remaining() > 0 && lease.remaining() <= ttl && !lease.signal.aborted)
      assert.equal(await there.tryAcquire(KEY), null)
      assert.equal(await lease.release(), 'released')
    })

    test('a lease that is not renewed knows that it is lost before another can hold', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const ttl = scene.times.shortMs
      const lease = await here.acquire(KEY, { ttl, renew: 'manual' })
      const next = await there.acquire(KEY, { wait: scene.times.patienceMs })
      assert.throws(() => lease.assertHeld(), LeaseLostError)
      assert.equal(lease.remaining(), 0)
      assert.equal((await aborted(scene, lease)).reason, 'expired')
      if (here.traits.fencing) assert.ok(next.token > lease.token)
      assert.equal(await lease.release(), 'lost')
      next.assertHeld()
      assert.equal(await next.release(), 'released')
    })

    test('a tiny ttl is no exception', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      for (let round = 0; round < 3; round += 1) {
        const lease = await here.acquire(KEY, {
          ttl: scene.times.tinyMs,
          renew: 'manual',
          wait: scene.times.patienceMs,
        })
        const next = await there.acquire(KEY, { wait: scene.times.patienceMs })
        assert.throws(() => lease.assertHeld(), LeaseLostError)
        await lease.release()
        await next.release()
      }
      assert.equal(await here.inspect(KEY), null)
    })

    test('a renewal by hand widens the window, and a shorter one does not narrow it', [], async scene => {
      const locks = await scene.locks({ fair })
      const { sureMs, steadyMs, longMs, tinyMs } = scene.times
      const lease = await locks.acquire(KEY, { ttl: sureMs, renew: 'manual' })
      assert.ok(lease.remaining() <= sureMs)
      await lease.renew(longMs)
      assert.ok(lease.remaining() > sureMs && lease.remaining() <= longMs)
      await lease.renew(tinyMs)
      await wait(steadyMs)
      lease.assertHeld()
      assert.ok(lease.remaining() > sureMs)
      await lease.release()
    })

    test('ensure renews when less is left than is needed, and only then', [], async scene => {
      const locks = await scene.locks({ fair })
      const { sureMs } = scene.times
      const lease = await locks.acquire(KEY, { ttl: sureMs, renew: 'manual' })
      // In this order: if the process stands still in between, the sum is too great and not too small.
      const before = lease.remaining() + clock.now()
      await lease.ensure(1)
      assert.ok(clock.now() + lease.remaining() <= before + 1)
      await lease.ensure(2 * sureMs)
      assert.ok(lease.remaining() > 1.5 * sureMs)
      await lease.release()
    })

    test('a released lease is over for its task at once, and cannot be released twice', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY)
      assert.deepEqual(await Promise.all([lease.release(), lease.release()]), ['released', 'released'])
      assert.throws(() => lease.assertHeld(), LeaseLostError)
      assert.deepEqual([lease.state, lease.remaining()], ['released', 0])
      const next = await there.acquire(KEY)
      assert.equal(await lease.release(), 'released')
      next.assertHeld()
      assert.equal((await here.inspect(KEY))?.holders.length, 1)
      await next.release()
    })

    test('a task whose lease was lost is told so at its end, with what it came to', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const work = here.run(KEY, { ttl: scene.times.shortMs, renew: 'manual' }, async lease => {
        await aborted(scene, lease)
        return 'written all the same'
      })
      await assert.rejects(work, error => {
        assert.ok(error instanceof LeaseLostError, String(error))
        assert.deepEqual(error.outcome, { status: 'fulfilled', value: 'written all the same' })
        return true
      })
      await there.run(KEY, { wait: scene.times.patienceMs }, () => undefined)
    })

    test('maxHold ends the lease of a hung task, and the next comes in', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const maxHold = Math.max(scene.times.steadyMs, here.traits.minTtlMs)
      const start = clock.now()
      const lease = await here.acquire(KEY, { maxHold })
      const next = there.acquire(KEY, { wait: scene.times.patienceMs + 2 * scene.times.longMs })
      assert.equal((await aborted(scene, lease)).reason, 'max-hold')
      assert.ok(
        clock.now() - start >= maxHold * 0.98 - 2 - here.traits.clockErrorMs,
        `ended after ${clock.now() - start} ms of ${maxHold}`,
      )
      await lease.release()
      await (await next).release()
    })

    test('minHold keeps the lock taken after its release, and once runs once', ['keep'], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const minHold = scene.times.steadyMs
      const start = clock.now()
      const lease = await here.acquire(KEY, { minHold })
      assert.equal(await lease.release(), 'released')
      assert.equal(await there.tryAcquire(KEY), null)
      const next = await there.acquire(KEY, { wait: scene.times.patienceMs })
      assert.ok(
        clock.now() - start >= notBefore(here, minHold),
        `taken again after ${clock.now() - start} ms of ${minHold}`,
      )
      await next.release()

      const failed = here.once('nightly', { minHold: scene.times.longMs }, () => Promise.reject(new Error('disk full')))
      await assert.rejects(failed, /disk full/)
      for (const locks of [here, there])
        assert.equal((await locks.once('nightly', { minHold: scene.times.longMs }, () => 1)).ran, false)
    })

    test('a revoked holder is told, stops, and the next comes in when it has left', ['revoke'], async scene => {
      const [here, operator] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY, { ttl: scene.times.sureMs })
      assert.equal(await operator.revoke(KEY, { tickets: 'holders', reason: 'maintenance' }), 1)
      const reason = await aborted(scene, lease)
      assert.equal(reason.reason, 'revoked')
      assert.match(reason.message, /maintenance/)
      await lease.release()
      await (await operator.acquire(KEY, { wait: scene.times.patienceMs })).release()
    })

    test('a holder that never waited nor renews is told of a revocation too', ['revoke', 'listen'], async scene => {
      const [here, operator] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.tryAcquire(KEY, { ttl: scene.times.longMs, renew: 'manual' })
      assert.ok(lease)
      await wait(scene.times.shortMs)
      assert.equal(await operator.revoke(KEY, { tickets: 'holders', reason: 'maintenance' }), 1)
      assert.equal((await aborted(scene, lease)).reason, 'revoked')
      await lease.release()
    })

    test('revoke now gives the lock to the next, whose token is greater', ['revoke'], async scene => {
      const [here, operator] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY, { ttl: scene.times.sureMs })
      assert.equal(await operator.revoke(KEY, { tickets: 'all', reason: 'it hangs', now: true }), 1)
      const next = await operator.acquire(KEY)
      if (here.traits.fencing) assert.ok(next.token > lease.token)
      assert.equal((await aborted(scene, lease)).reason, 'revoked')
      assert.equal(await lease.release(), 'lost')
      next.assertHeld()
      await next.release()
    })

    test('a revoked waiter is told, and the others wait on', ['revoke', 'queue', 'fencing'], async scene => {
      const [here, there, operator] = [
        await scene.locks({ fair }),
        await scene.locks({ fair }),
        await scene.locks({ fair }),
      ]
      const lease = await here.acquire(KEY)
      const revoked = assert.rejects(
        there.acquire(KEY),
        error => error instanceof LeaseLostError && error.reason === 'revoked',
      )
      const waiter = await until(scene, 'the second waits', async () => (await operator.inspect(KEY))?.waiters[0])
      const third = operator.acquire(KEY)
      await until(scene, 'the third waits', async () => (await operator.inspect(KEY))?.waiters.length === 2)
      assert.equal(await operator.revoke(KEY, { tickets: waiter.token, reason: 'no longer needed' }), 1)
      await revoked
      lease.assertHeld()
      await lease.release()
      await (await third).release()
    })

    test('closing waits for the tasks that run, then tells them that it is over', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      let begin = (): void => {}
      const begun = new Promise<void>(resolve => (begin = resolve))
      const quick = here.run('quick', () => {
        begin()
        return wait(scene.times.tinyMs)
      })
      const slow = await here.acquire(KEY)
      await begun
      await here.close({ drain: scene.times.shortMs })
      await quick
      assert.equal((await aborted(scene, slow)).reason, 'closed')
      // Its task may still be writing, so nobody else may have the lock yet.
      assert.equal(await there.tryAcquire(KEY), null)
      assert.equal(await there.inspect('quick'), null)
    })
  }
}
