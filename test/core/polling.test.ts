/** Where a store does not push, who waits asks again: how often follows the place in the queue. */
import { expect, test } from 'vitest'
import { createManualClock } from '../../src/base/manual-clock.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { createLocksOn } from '../../src/locks/locks.ts'

test('the next in line asks often, the hundredth seldom, and a long wait slows the first down', async () => {
  const clock = createManualClock()
  const { listen: _, ...memory } = memoryStore({ clock })
  const asked = new Map<string, number>()
  const locks = createLocksOn(
    clock,
    {
      ...memory,
      async enter(request, io) {
        const name = request.meta['name'] ?? ''
        asked.set(name, (asked.get(name) ?? 0) + 1)
        return memory.enter(request, io)
      },
    },
    { wait: Infinity },
  )
  const held = await locks.acquire('k')
  const stop = new AbortController()
  const waits = Array.from({ length: 100 }, (_none, index) =>
    locks.acquire('k', { meta: { name: String(index) }, signal: stop.signal }).catch(() => null),
  )
  await clock.advance(1_000)
  const times = (index: number): number => asked.get(String(index)) ?? 0
  expect(times(0)).toBeGreaterThan(45)
  expect(times(99)).toBeLessThan(25)
  expect(times(0)).toBeGreaterThan(2 * times(99))
  await clock.advance('1m')
  asked.clear()
  await clock.advance(1_000)
  expect(times(0)).toBeLessThan(25)
  expect(times(99)).toBeLessThan(4)
  stop.abort()
  await Promise.all(waits)
  await held.release()
  await locks.close()
})
