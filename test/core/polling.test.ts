/** When those who wait ask again: by their place in the queue where the store does not push, else as a heartbeat. */
import { expect, test } from 'vitest'
import { createManualClock } from '../../src/base/manual-clock.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { createLocksOn } from '../../src/locks/locks.ts'
import type { Store } from '../../src/store/contract.ts'

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

test('those who came to wait at one moment do not beat together', async () => {
  const clock = createManualClock()
  const memory = memoryStore({ clock })
  const asked = new Map<number, number>()
  const store: Store = {
    ...memory,
    enter(request, io) {
      asked.set(clock.now(), (asked.get(clock.now()) ?? 0) + 1)
      return memory.enter(request, io)
    },
  }
  const locks = createLocksOn(clock, store, { wait: Infinity, ttl: '1h', fair: 'strict' })
  const held = await locks.acquire('k')
  const stop = new AbortController()
  const waits = Array.from({ length: 500 }, () => locks.acquire('k', { signal: stop.signal }).catch(() => null))
  await clock.advance(0)
  asked.clear()
  await clock.advance('10s')
  const beats = [...asked.values()]
  expect(beats.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(6 * 500)
  expect(Math.max(...beats)).toBeLessThan(10)
  stop.abort()
  await Promise.all(waits)
  await held.release()
  await locks.close()
})
