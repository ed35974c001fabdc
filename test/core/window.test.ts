/** How long a lease is certain, to the millisecond: everything else stands on it. */
import { expect, test } from 'vitest'
import { closesAt, ttlFor } from '../../src/core/window.ts'
import { createManualClock } from '../../src/base/manual-clock.ts'
import { createLocksOn } from '../../src/locks/locks.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

const { traits } = memoryStore()

test('a window closes a hundredth, two milliseconds and the error of the clock of the store before the life ends', () => {
  expect(closesAt(1_000, 10_000, traits)).toBe(1_000 + 9_900 - 2)
  expect(closesAt(1_000, 10_000, { ...traits, clockErrorMs: 300 })).toBe(1_000 + 9_900 - 2 - 300)
})

test('a life that is not a number gives no time', () => {
  expect(closesAt(1_000, Number.NaN, traits)).toBe(-Infinity)
  expect(closesAt(1_000, 10_000, { ...traits, clockErrorMs: Number.NaN })).toBe(-Infinity)
})

test.each([0, 10, 300])('a ttl for a window is just long enough with a clock that is %i ms off', clockErrorMs => {
  const wide = { ...traits, clockErrorMs }
  for (const ms of [1, 999, 15_000]) {
    expect(closesAt(0, ttlFor(ms, wide), wide)).toBeGreaterThanOrEqual(ms)
    expect(closesAt(0, ttlFor(ms, wide) - 1, wide)).toBeLessThan(ms)
  }
})

for (const queued of [false, true]) {
  test(`a lease ${queued ? 'that waited' : 'of one attempt'} and its renewals leave out the error of the clock`, async () => {
    const clock = createManualClock()
    const memory = memoryStore({ clock })
    const locks = createLocksOn(clock, { ...memory, traits: { ...traits, clockErrorMs: 500 } }, { ttl: '4s' })
    const first = await locks.tryAcquire('k')
    expect(first?.remaining()).toBe(3_960 - 502)
    await clock.advance(1_000)
    await first?.renew()
    expect(first?.remaining()).toBe(3_960 - 502)
    const waiting = queued ? locks.acquire('k') : undefined
    await clock.advance(1)
    await first?.release()
    await clock.advance(0)
    // Held by a push: it counts from the last answer while it waited.
    const next = queued ? await waiting : await locks.tryAcquire('k')
    expect(next?.remaining()).toBe(queued ? 3_960 - 502 - 1 : 3_960 - 502)
    await locks.close({ drain: 0 })
  })
}
