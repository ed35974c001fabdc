/** What a lease keeps when several things are asked of it at once: signals, several keys, least and longest holds. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { LeaseLostError } from '../../base/errors.ts'
import type { Leader } from '../../locks/types.ts'
import { clock, KEY, notBefore, until, wait } from '../scene.ts'
import type { Group } from '../suite.ts'
import { aborted } from './leases.ts'
import type { Fair } from './locks.ts'

const REASON = new Error('the user has gone')
const isReason = (error: unknown): boolean => error === REASON

export function promiseCases(fair: Fair): Group {
  return test => {
    test('who has given up before it asks is told so, and takes nothing', [], async scene => {
      const locks = await scene.locks({ fair })
      await assert.rejects(locks.acquire(KEY, { signal: AbortSignal.abort(REASON) }), isReason)
      await wait(scene.times.tinyMs)
      assert.equal(await locks.inspect(KEY), null)
    })

    test('who gives up in the moment in which it asks takes nothing', [], async scene => {
      const locks = await scene.locks({ fair })
      const abort = new AbortController()
      const attempt = locks.acquire(KEY, { signal: abort.signal })
      abort.abort(REASON)
      await assert.rejects(attempt, isReason)
      await until(scene, 'the lock is free', async () => (await locks.inspect(KEY)) === null)
    })

    test('a signal has no effect after the grant, and nobody listens to it any more', [], async scene => {
      const locks = await scene.locks({ fair })
      const abort = new AbortController()
      for (let round = 0; round < 12; round += 1)
        await (await locks.acquire(KEY, { signal: abort.signal, wait: scene.times.patienceMs })).release()
      const lease = await locks.acquire(KEY, { signal: abort.signal, wait: scene.times.patienceMs })
      assert.equal(getEventListeners(abort.signal, 'abort').length, 0)
      abort.abort(REASON)
      await wait(1)
      lease.assertHeld()
      assert.equal(await lease.release(), 'released')
    })

    test('a lease that is over cannot be renewed, and who tries harms nobody', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const released = await here.acquire(KEY)
      await released.release()
      await assert.rejects(released.renew(), LeaseLostError)
      assert.equal(await here.inspect(KEY), null)
      const lost = await here.acquire(KEY, { ttl: scene.times.shortMs, renew: 'manual' })
      await aborted(scene, lost)
      const next = await there.acquire(KEY, { wait: scene.times.patienceMs })
      await assert.rejects(lost.renew(scene.times.longMs), LeaseLostError)
      await assert.rejects(lost.ensure(1), LeaseLostError)
      assert.equal(lost.remaining(), 0)
      next.assertHeld()
      assert.equal((await there.inspect(KEY))?.holders.length, 1)
      await next.release()
    })

    test('of three keys one is revoked: the whole is over, and all three are free', ['revoke'], async scene => {
      const [here, operator] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const leases = await here.acquireAll(['a', 'b', 'c'], { ttl: scene.times.sureMs })
      assert.equal(await operator.revoke('b', { tickets: 'holders', reason: 'maintenance' }), 1)
      await until(scene, 'the signal aborts', async () => leases.signal.aborted)
      assert.throws(() => leases.assertHeld(), LeaseLostError)
      assert.equal(leases.remaining(), 0)
      await leases.release()
      for (const key of ['a', 'b', 'c'])
        await until(scene, `${key} is free`, async () => (await operator.inspect(key)) === null)
    })

    test('minHold outlasts a shorter ttl, a short renewal and the death of its owner', ['keep'], async scene => {
      const minHold = 3 * scene.times.steadyMs
      let dead = false
      const here = await scene.locks({ fair, faults: () => (dead ? { kind: 'hang' } : null) })
      const there = await scene.locks({ fair })
      const start = clock.now()
      const lease = await here.acquire(KEY, { ttl: scene.times.steadyMs, minHold, renew: 'manual' })
      await lease.renew(scene.times.tinyMs)
      dead = true
      await (await there.acquire(KEY, { wait: scene.times.patienceMs + minHold })).release()
      const tookMs = clock.now() - start
      assert.ok(tookMs >= notBefore(there, minHold), `free after ${tookMs} ms of ${minHold}`)
    })

    test('maxHold ends a lease before its minHold is over, and the lock stays taken', ['keep'], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const maxHold = scene.times.steadyMs
      const minHold = 3 * maxHold
      const start = clock.now()
      const lease = await here.acquire(KEY, { maxHold, minHold })
      await aborted(scene, lease)
      await lease.release()
      await (await there.acquire(KEY, { wait: scene.times.patienceMs + minHold })).release()
      const tookMs = clock.now() - start
      assert.ok(tookMs >= notBefore(there, minHold), `free after ${tookMs} ms of ${minHold}`)
    })

    test('who observes an election sees every leader, in order', ['queue'], async scene => {
      const processes = [await scene.locks({ fair }), await scene.locks({ fair })]
      const watcher = (await scene.locks({ fair })).election(KEY)
      const seen: Leader[] = []
      const stop = new AbortController()
      const observing = (async () => {
        for await (const leader of watcher.observe({ signal: stop.signal })) if (leader !== null) seen.push(leader)
      })()
      const values: string[] = []
      for (const [index, locks] of [...processes, ...processes].entries()) {
        const value = `node ${index}`
        values.push(value)
        const lease = await locks.election(KEY, { value }).campaign({ wait: scene.times.patienceMs })
        await until(scene, `${value} is seen to lead`, async () => seen.some(leader => leader.value === value))
        await lease.release()
      }
      stop.abort()
      await observing.catch((error: unknown) => {
        if (!stop.signal.aborted) throw error
      })
      assert.deepEqual([...new Set(seen.map(leader => leader.value))], values)
    })
  }
}
