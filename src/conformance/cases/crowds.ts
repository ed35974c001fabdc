/** Many who want one lock in different ways, and many who give up: order, fullness, and nothing left. */
import assert from 'node:assert/strict'
import type { Lease, LockEvent } from '../../core/types.ts'
import type { AcquireOptions, Locks } from '../../locks/types.ts'
import { StoreUnavailableError, WaitTimeoutError } from '../../base/errors.ts'
import { assertGrow, clock, KEY, turn, until, wait } from '../scene.ts'
import type { Scene } from '../scene.ts'
import type { Group } from '../suite.ts'
import type { Fair } from './locks.ts'

/** A dead ticket in front costs this much, which nobody is to pay for waits that have failed. */
const WAITER_TTL_MS = 5_000

/** A wait that ends before the store has answered at all is told apart from one in vain. */
const inVain = (error: unknown): boolean => error instanceof WaitTimeoutError || error instanceof StoreUnavailableError

/** Each of them wants the lock once the one before is waiting. Resolves to the order in which they were served. */
async function served(
  scene: Scene,
  processes: readonly Locks[],
  wishes: readonly AcquireOptions[],
): Promise<readonly number[]> {
  const order: number[] = []
  let waiting = 0
  const count = (event: LockEvent): void => void (event.type === 'waiting' && (waiting += 1))
  for (const locks of processes) locks.on('waiting', count)
  const first = await turn(processes, 0).acquire(KEY)
  const all = wishes.map(async (wish, index) => {
    await until(scene, `${index} others wait`, async () => waiting >= index)
    const lease = await turn(processes, index).acquire(KEY, { ...wish, wait: scene.times.patienceMs })
    order.push(index)
    await wait(1)
    await lease.release()
  })
  await until(scene, 'all wait', async () => waiting >= wishes.length)
  await first.release()
  await Promise.all(all)
  return order
}

/** Everybody stays inside until so many are inside together. */
async function together(scene: Scene, count: number, acquires: readonly (() => Promise<Lease>)[]): Promise<void> {
  let inside = 0
  let reached = false
  const tasks = acquires.map(async acquire => {
    const lease = await acquire()
    inside += 1
    reached ||= inside === count
    await until(scene, `${count} are inside together`, async () => reached)
    inside -= 1
    await lease.release()
  })
  await Promise.all(tasks)
}

export function crowdCases(fair: Fair): Group {
  return test => {
    if (fair === 'strict') {
      test('who wants a lock in another way is served in its turn all the same', ['queue'], async scene => {
        const one = await scene.locks({ fair })
        const wishes: readonly AcquireOptions[] = [
          {},
          { meta: { job: 'invoices' } },
          {},
          { renew: 'manual' },
          { maxHold: scene.times.longMs },
          {},
          { ttl: scene.times.longMs / 2 },
          {},
        ]
        assertGrow(await served(scene, [one], wishes), 'served out of order')
      })

      test('readers and writers of several processes are served as they came', ['queue', 'shared'], async scene => {
        const processes = [await scene.locks({ fair }), await scene.locks({ fair })]
        const modes = [...'rrwrwwrr'].map(letter => (letter === 'r' ? 'shared' : 'exclusive'))
        const order = await served(
          scene,
          processes,
          modes.map(mode => ({ mode })),
        )
        // Readers that stand together hold together, so among themselves any order is right.
        const begins = modes.map((mode, index) => mode === 'exclusive' || mode !== modes[index - 1])
        const row = modes.map((_mode, index) => begins.slice(0, index + 1).filter(Boolean).length)
        const rows = order.map(index => row[index] ?? 0)
        assert.deepEqual(
          rows,
          rows.toSorted((a, b) => a - b),
          `served in the order ${order.join(' ')}`,
        )
      })
      test('all readers that wait are inside together when the writer has left', ['queue', 'shared'], async scene => {
        const processes = [await scene.locks({ fair }), await scene.locks({ fair })]
        const writer = await turn(processes, 0).acquire(KEY)
        const acquires = Array.from(
          { length: 6 },
          (_, index) => () => turn(processes, index).acquire(KEY, { mode: 'shared', wait: 2 * scene.times.patienceMs }),
        )
        const readers = together(scene, acquires.length, acquires)
        await until(
          scene,
          'a reader waits',
          async () => ((await turn(processes, 0).inspect(KEY))?.waiters.length ?? 0) > 0,
        )
        await writer.release()
        await readers
      })
    }

    test('as many are inside a semaphore at once as its limit says, not fewer', ['limit'], async scene => {
      const processes = [await scene.locks({ fair }), await scene.locks({ fair })]
      const acquires = Array.from(
        { length: 9 },
        (_, index) => () =>
          turn(processes, index)
            .semaphore(KEY, 3)
            .acquire({ wait: 2 * scene.times.patienceMs }),
      )
      await together(scene, 3, acquires)
    })

    test('300 waits that end just when the lock is released leave nothing behind', [], async scene => {
      const processes = [await scene.locks({ fair }), await scene.locks({ fair })]
      const waits = Array.from({ length: 300 }, async (_, index) => {
        await wait(index % 50)
        const lease = await turn(processes, index).acquire(KEY, { wait: 1 + (index % 20) })
        await wait(index % 7)
        await lease.release()
      })
      for (const each of await Promise.allSettled(waits))
        if (each.status === 'rejected' && !inVain(each.reason)) throw each.reason
      await until(scene, 'the lock is free', async () => (await turn(processes, 0).inspect(KEY)) === null)
    })

    test('60 who have waited in vain do not delay the one who stays', ['queue'], async scene => {
      const [here, there] = [await scene.locks({ fair }), await scene.locks({ fair })]
      const lease = await here.acquire(KEY)
      const vain = Array.from({ length: 60 }, () => there.acquire(KEY, { wait: scene.times.shortMs }))
      const stays = there.acquire(KEY, { wait: scene.times.patienceMs + WAITER_TTL_MS })
      for (const each of await Promise.allSettled(vain)) assert.ok(each.status === 'rejected' && inVain(each.reason))
      const releasedAt = clock.now()
      await lease.release()
      const next = await stays
      const tookMs = clock.now() - releasedAt
      assert.ok(tookMs < WAITER_TTL_MS / 2, `who stayed came in ${tookMs} ms after the release`)
      await next.release()
    })
  }
}
