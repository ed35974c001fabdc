import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test, vi } from 'vitest'
import { createManualClock } from '../../src/base/manual-clock.ts'
import { createSubscription } from '../../src/drivers/shared/subscription.ts'
import type { Ear, Subscription } from '../../src/drivers/shared/subscription.ts'

interface World {
  readonly clock: ReturnType<typeof createManualClock>
  readonly subscription: Subscription
  readonly opened: () => number
  readonly closed: () => number
  readonly gaps: () => number
  /** The connection in use is cut off. */
  cut(): void
  /** The next ones cannot be made. */
  refuse(yes: boolean): void
}

function world(ping: Ear['ping'] = async () => 'PONG'): World {
  const clock = createManualClock()
  let [opened, closed, gaps, refused] = [0, 0, 0, false]
  let cut = (): void => {}
  const subscription = createSubscription({
    where: 'the store',
    clock,
    gap: () => void (gaps += 1),
    async open(ended) {
      if (refused) throw new Error('refused')
      opened += 1
      cut = ended
      return { ping, close: () => void (closed += 1) }
    },
  })
  return {
    clock,
    subscription,
    opened: () => opened,
    closed: () => closed,
    gaps: () => gaps,
    cut: () => cut(),
    refuse: yes => void (refused = yes),
  }
}

test('one that is cut off a hundred times tells of each gap, and leaves no connection and no warning', async () => {
  const warned = vi.fn<(warning: Error) => void>()
  process.on('warning', warned)
  const { clock, subscription, opened, closed, gaps, cut } = world()
  await subscription.start()
  expect(gaps()).toBe(0)
  for (let time = 0; time < 100; time += 1) {
    cut()
    await clock.advance(2_000)
  }
  expect({ opened: opened(), closed: closed(), gaps: gaps() }).toEqual({ opened: 101, closed: 100, gaps: 100 })
  subscription.close()
  await clock.advance(2_000)
  expect(closed()).toBe(101)
  process.off('warning', warned)
  expect(warned).not.toHaveBeenCalled()
})

test('one whose ping is not answered is given up and made anew', async () => {
  const { clock, subscription, opened, gaps } = world(() => new Promise(() => {}))
  await subscription.start()
  await clock.advance(18_000)
  expect({ opened: opened(), gaps: gaps() }).toEqual({ opened: 2, gaps: 1 })
  subscription.close()
})

test('while none can be made it tries less and less often, and tells of one gap when it listens again', async () => {
  const { clock, subscription, opened, gaps, cut, refuse } = world()
  await subscription.start()
  refuse(true)
  cut()
  await clock.advance(60_000)
  expect({ opened: opened(), gaps: gaps() }).toEqual({ opened: 1, gaps: 0 })
  refuse(false)
  await clock.advance(2_000)
  expect({ opened: opened(), gaps: gaps() }).toEqual({ opened: 2, gaps: 1 })
  subscription.close()
})

test('the first attempt that fails is told, and may be made again', async () => {
  const { subscription, refuse } = world()
  refuse(true)
  await expect(subscription.start()).rejects.toThrow('refused')
  expect(subscription.started).toBe(false)
  refuse(false)
  await subscription.start()
  expect(subscription.started).toBe(true)
  subscription.close()
})

test('ten thousand pings keep no memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new Error('no way to collect garbage')
  const { clock, subscription } = world()
  await subscription.start()
  const used = async (): Promise<number> => {
    await clock.advance(10_000 * 10_000)
    Reflect.apply(collect, undefined, [])
    return process.memoryUsage().heapUsed
  }
  await used()
  const before = await used()
  expect((await used()) - before).toBeLessThan(10_000 * 100)
  subscription.close()
})
