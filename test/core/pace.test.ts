import { expect, test } from 'vitest'
import { createManualClock } from '../../src/base/manual-clock.ts'
import { dueMs, failedMs, pollMs } from '../../src/core/pace.ts'

/** Its chance is what the test says: 0 the least, just under 1 the most. */
const drawing = (random: number) => ({ ...createManualClock(), random: () => random })
const [least, most] = [drawing(0), drawing(1 - Number.EPSILON)]

test('a heartbeat comes up to a fifth earlier, and never late', () => {
  const heartbeat = { retryMs: 1_600, waiterTtlMs: 4_800 }
  expect(dueMs(least, heartbeat)).toBe(1_600)
  expect(dueMs(most, heartbeat)).toBeCloseTo(1_280)
})

test('the end of a life in front is waited for exactly', () => {
  expect(dueMs(most, { retryMs: 1_599, waiterTtlMs: 4_800 })).toBe(1_599)
  expect(dueMs(most, { retryMs: 40, waiterTtlMs: 4_800 })).toBe(40)
})

test('the first question comes at once, the next ones less often', () => {
  const asked = (times: number, clock = most): number => pollMs(clock, { place: 1, times, waitedMs: 0 })
  expect(asked(1)).toBeCloseTo(5)
  expect(asked(2)).toBeCloseTo(7.5)
  expect(asked(1, least)).toBe(2.5)
  expect(asked(50)).toBeCloseTo(20)
})

test('who is further behind, or has waited for long, asks seldom, but once a second at least', () => {
  const asked = (place: number, waitedMs: number): number => pollMs(most, { place, times: 50, waitedMs })
  expect(asked(2, 0)).toBeCloseTo(100)
  expect(asked(20, 0)).toBeCloseTo(400)
  expect(asked(5_000, 0)).toBeCloseTo(1_000)
  expect(asked(1, 2_500)).toBeCloseTo(50)
  expect(asked(1, 1e9)).toBeCloseTo(100)
})

test('a store that fails is asked again after 20 ms at most, and later once a second at least', () => {
  expect(failedMs(most, 1)).toBeCloseTo(20)
  expect(failedMs(least, 1)).toBe(10)
  expect(failedMs(most, 2)).toBeCloseTo(30)
  expect(failedMs(most, 100)).toBeCloseTo(1_000)
})
