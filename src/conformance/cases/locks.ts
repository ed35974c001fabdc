/** Locks of several processes over the store: who is inside, in what order, and what waiting in vain leaves behind. */
import assert from 'node:assert/strict'
import type { LockView } from '../../store/contract.ts'
import { ClosedError, InvalidKeyError, UnsupportedError, WaitTimeoutError } from '../../base/errors.ts'
import type { Locks } from '../../locks/types.ts'
import { ODD_KEYS } from './views.ts'
import { assertGrow, clock, KEY, turn, until, wait } from '../scene.ts'
import type { Scene } from '../scene.ts'
import type { Group } from '../suite.ts'

export type Fair = 'strict' | 'cohort'

/** Runs one task and answers with how many were inside with it, itself included, at most. */
function turnstile() {
  let inside = 0
  const seen = { most: 0 }
  return {
    seen,
    async pass(spanMs: number): Promise<void> {
      inside += 1
      seen.most = Math.max(seen.most, inside)
      await wait(spanMs)
      inside -= 1
    },
  }
}

const waiting = (lock: LockView | null): number => lock?.waiters.length ?? 0

/** Nothing of those who gave up is in the queue: cancelling goes on in the background. */
async function nobodyWaits(scene: Scene, locks: Locks): Promise<void> {
  await until(scene, 'nobody waits any more', async () => waiting(await locks.inspect(KEY)) === 0)
}

export function lockCases(fair: Fair): Group {
  return test => {
    test('of many tasks in several processes one is inside at a time, each with a greater token', [], async scene => {
      const processes = [await scene.locks({ fair }), await scene.locks({ fair }), await scene.locks({ fair })] as const
      const { pass, seen } = turnstile()
      const tokens: number[] = []
      const tasks = Array.from({ length: 24 }, (_, index) =>
        turn(processes, index).run(KEY, async lease => {
          tokens.push(lease.token)
          await pass(1)
          lease.assertHeld()
        }),
      )
      await Promise.all(tasks)
      assert.equal(seen.most, 1)
      assert.equal(tokens.length, tasks.length)
      if (processes[0].traits.fencing === true) assertGrow(tokens)
      assert.equal(await processes[0].inspect(KEY), null)
    })

    test('more tasks than a block has tokens still have each their own', ['fencing'], async scene => {
      const [here, there] = [
        await scene.locks({ fair, cohort: { passes: 6 } }),
        await scene.locks({ fair, cohort: { passes: 6 } }),
      ]
      const tokens: number[] = []
      const tasks = Array.from({ length: 50 }, (_, index) =>
        turn([here, there], index).run(KEY, lease => void tokens.push(lease.token)),
      )
      await Promise.all(tasks)
      assert.equal(tokens.length, tasks.length)
      assertGrow(tokens)
    })

    test(
      fair === 'strict'
        ? 'tasks are served in the order in which they came, over processes'
        : 'tasks of one process are served in the order in which they came',
      ['queue'],
      async scene => {
        const processes = [await scene.locks({ fair }), await scene.locks({ fair })] as const
        const first = await processes[0].acquire(KEY)
        const order: number[] = []
        const tasks: Promise<unknown>[] = []
        for (let index = 0; index < 8; index += 1) {
          tasks.push(turn(processes, index).run(KEY, () => void order.push(index)))
          const expected = fair === 'strict' ? index + 1 : Math.min(index, 1)
          await until(scene, `task ${index} waits`, async () => waiting(await processes[0].inspect(KEY)) >= expected)
        }
        await first.release()
        await Promise.all(tasks)
        const groups =
          fair === 'strict' ? [order] : [order.filter(index => index % 2 === 0), order.filter(index => index % 2 === 1)]
        for (const group of groups) assertGrow(group, 'served out of order')
        assert.equal(order.length, tasks.length)
      },
    )

    test('trying is never waiting: null, or ran: false, with the names of those who hold', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY)
      assert.equal(await there.tryAcquire(KEY), null)
      assert.equal(await here.tryAcquire(KEY), null)
      const ran = await there.tryRun(KEY, () => 'never')
      assert.ok(!ran.ran && ran.retryMs > 0)
      assert.deepEqual(
        ran.holders.map(ticket => ticket.holder),
        ['process 1'],
      )
      assert.equal(await lease.release(), 'released')
      assert.deepEqual(await there.tryRun(KEY, () => 'done'), { ran: true, value: 'done' })
      assert.equal(await here.inspect(KEY), null)
    })

    test('who has waited in vain is told who holds, and leaves nothing behind', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY)
      // Time enough for an answer of a store on a busy machine: without one it would be an outage.
      const waitMs = 3 * scene.times.steadyMs
      const start = clock.now()
      await assert.rejects(there.acquire(KEY, { wait: waitMs }), error => {
        assert.ok(error instanceof WaitTimeoutError, String(error))
        assert.deepEqual(
          error.holders.map(ticket => ticket.holder),
          ['process 1'],
        )
        return true
      })
      assert.ok(clock.now() - start >= waitMs - 1, `gave up after ${clock.now() - start} ms of ${waitMs}`)
      await assert.rejects(there.acquire(KEY, { wait: 0 }), WaitTimeoutError)
      await nobodyWaits(scene, here)
      await lease.release()
      assert.equal(await here.inspect(KEY), null)
    })

    test('an aborted wait ends with the reason given, and leaves nothing behind', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY)
      const reason = new Error('the user has gone')
      const controller = new AbortController()
      const aborted = there.acquire(KEY, { signal: controller.signal })
      if (here.traits.queue) await until(scene, 'the second waits', async () => waiting(await here.inspect(KEY)) === 1)
      controller.abort(reason)
      await assert.rejects(aborted, error => error === reason)
      await assert.rejects(there.acquire(KEY, { signal: AbortSignal.abort(reason) }), error => error === reason)
      await nobodyWaits(scene, here)
      await lease.release()
      await wait(scene.times.tinyMs)
      await until(scene, 'the lock is free', async () => (await here.inspect(KEY)) === null)
    })

    test('waits that are aborted while they are being asked for leave nothing behind either', [], async scene => {
      const locks = await scene.locks({ fair })
      const controllers = Array.from({ length: 20 }, () => new AbortController())
      const waits = Promise.allSettled(
        controllers.map(({ signal }) => locks.acquire(KEY, { signal }).then(lease => lease.release())),
      )
      for (const [index, controller] of controllers.entries()) {
        if (index % 4 === 0) await wait(1)
        controller.abort()
      }
      await waits
      await until(scene, 'the lock is free', async () => (await locks.inspect(KEY)) === null)
    })

    test('a lock is not reentrant: who waits for itself is told so', [], async scene => {
      const locks = await scene.locks({ fair })
      await locks.run(KEY, async () => {
        await assert.rejects(
          locks.acquire(KEY, { wait: 4 * scene.times.shortMs }),
          error => error instanceof WaitTimeoutError && error.own,
        )
      })
      assert.equal(await locks.inspect(KEY), null)
    })

    test('readers are inside together, a writer alone', ['shared'], async scene => {
      const processes = [await scene.locks({ fair }), await scene.locks({ fair })] as const
      let readers = 0
      let writers = 0
      const tasks = Array.from({ length: 24 }, (_, index) => {
        const { read, write } = turn(processes, index).readWrite(KEY)
        const writes = index % 4 === 1
        return (writes ? write : read).run(async () => {
          if (writes) writers += 1
          else readers += 1
          assert.ok(
            writers <= 1 && (writers === 0 || readers === 0),
            `${readers} readers and ${writers} writers are inside`,
          )
          await wait(2)
          if (writes) writers -= 1
          else readers -= 1
        })
      })
      await Promise.all(tasks)
      const leases = await Promise.all(processes.map(locks => locks.acquire(KEY, { mode: 'shared' })))
      assert.deepEqual(
        leases.map(lease => lease.state),
        ['held', 'held'],
      )
      assert.equal(await processes[0].tryAcquire(KEY), null)
      await Promise.all(leases.map(lease => lease.release()))
    })

    test('a writer gets in though readers keep coming', ['shared', 'queue'], async scene => {
      const processes = [await scene.locks({ fair }), await scene.locks({ fair })] as const
      let stop = false
      const readers = Array.from({ length: 6 }, async (_, index) => {
        await wait(index * 3)
        while (!stop) await turn(processes, index).run(KEY, { mode: 'shared' }, () => wait(15))
      })
      await wait(30)
      const lease = await processes[0].acquire(KEY, { wait: scene.times.patienceMs })
      stop = true
      lease.assertHeld()
      await lease.release()
      await Promise.all(readers)
    })

    test('a semaphore lets in as many as its limit says', ['limit'], async scene => {
      const processes = [await scene.locks({ fair }), await scene.locks({ fair })] as const
      const { pass, seen } = turnstile()
      const tasks = Array.from({ length: 20 }, (_, index) =>
        turn(processes, index)
          .semaphore(KEY, 3)
          .run(() => pass(3)),
      )
      await Promise.all(tasks)
      assert.ok(seen.most <= 3, `${seen.most} were inside`)
      const [first, second, third] = [
        await processes[0].semaphore(KEY, 3).acquire(),
        await processes[1].semaphore(KEY, 3).acquire(),
        await processes[0].semaphore(KEY, 3).acquire(),
      ]
      assert.equal(await processes[1].semaphore(KEY, 3).tryAcquire(), null)
      await second.release()
      const last = await processes[1].semaphore(KEY, 3).tryAcquire()
      assert.equal(last?.state, 'held')
      await Promise.all([first.release(), third.release(), last?.release()])
    })

    test('what the store cannot do is refused, not faked', [], async scene => {
      const locks = await scene.locks({ fair })
      const { shared, limit, keep } = locks.traits
      const tries: readonly (readonly [boolean, () => Promise<{ release(): Promise<unknown> }>])[] = [
        [shared, () => locks.acquire('shared', { mode: 'shared' })],
        [limit, () => locks.acquire('limit', { limit: 2 })],
        [keep, () => locks.acquire('keep', { minHold: 1 })],
      ]
      for (const [can, attempt] of tries) {
        if (can) await (await attempt()).release()
        else await assert.rejects(attempt(), UnsupportedError)
      }
    })

    test('two spellings of one name are one lock, and what has no spelling is refused', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire('caf\u00e9')
      assert.equal(await there.tryAcquire('cafe\u0301'), null)
      await lease.release()
      for (const key of ['', 'k'.repeat(1_025), '\u{1f512}'.repeat(257), '\ud800', 'a\udc00b']) {
        await assert.rejects(here.acquire(key), InvalidKeyError)
        await assert.rejects(here.inspect(key), InvalidKeyError)
      }
    })

    test('odd keys are keys like others', ['list'], async scene => {
      const locks = await scene.locks({ fair })
      const leases = await Promise.all(ODD_KEYS.map(key => locks.acquire(key)))
      const listed: string[] = []
      for await (const lock of locks.list()) listed.push(lock.key)
      assert.deepEqual(listed.toSorted(), ODD_KEYS.toSorted())
      for (const lease of leases) assert.equal(await lease.release(), 'released')
    })

    test('a lock shows who holds it and what for', [], async scene => {
      const [here, there] = [await scene.locks({ fair, holder: 'billing@host-3' }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY, { meta: { job: 'invoices', run: '17 ✓' } })
      const lock = await there.inspect(KEY)
      const [ticket] = lock?.holders ?? []
      assert.deepEqual(
        [ticket?.holder, { ...ticket?.meta }, ticket?.mode],
        ['billing@host-3', { job: 'invoices', run: '17 ✓' }, 'exclusive'],
      )
      if (here.traits.fencing) assert.equal(ticket?.token, lease.token)
      await lease.release()
      assert.equal(await there.inspect(KEY), null)
    })

    test('several keys are taken all or none, and nobody waits in a circle', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const { pass, seen } = turnstile()
      const orders = [
        ['a', 'b', 'c'],
        ['c', 'b', 'a', 'b'],
        ['b', 'c', 'a'],
      ]
      await Promise.all(
        Array.from({ length: 9 }, (_, index) => turn([here, there], index).runAll(turn(orders, index), () => pass(1))),
      )
      assert.equal(seen.most, 1)
      const lease = await there.acquire('b')
      await assert.rejects(here.acquireAll(['a', 'b', 'c'], { wait: 4 * scene.times.shortMs }), WaitTimeoutError)
      for (const key of ['a', 'c'])
        await until(scene, `${key} is free`, async () => (await there.inspect(key)) === null)
      await lease.release()
    })

    test('closing tells those who wait, and leaves nothing of them behind', [], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY)
      const waiter = assert.rejects(there.acquire(KEY), ClosedError)
      if (here.traits.queue) await until(scene, 'the second waits', async () => waiting(await here.inspect(KEY)) === 1)
      await there.close()
      await waiter
      await assert.rejects(there.acquire(KEY), ClosedError)
      assert.equal(waiting(await here.inspect(KEY)), 0)
      await lease.release()
      assert.equal(await here.inspect(KEY), null)
    })
  }
}
