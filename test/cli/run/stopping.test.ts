import { describe, expect, test } from 'vitest'
import { defaultGraceMs, guardDelayMs, marginMs, stopTimes } from '../../../src/cli/run/stopping.ts'

describe('when a job must end', () => {
  test('it is asked when the grace is left of the window, and killed before the window closes', () => {
    const { termAt, killAt } = stopTimes({ deadline: 15_000, graceMs: 5_000, since: null })
    expect(termAt).toBe(10_000)
    expect(killAt).toBe(14_500)
  })

  test('asked earlier for another reason it has the whole grace, but never beyond the window', () => {
    expect(stopTimes({ deadline: 15_000, graceMs: 5_000, since: 1_000 })).toEqual({ termAt: 1_000, killAt: 6_000 })
    expect(stopTimes({ deadline: 15_000, graceMs: 5_000, since: 12_000 })).toEqual({ termAt: 10_000, killAt: 14_500 })
  })

  test('the guard asks a little after holdfast, and kills no later', () => {
    for (const graceMs of [1, 100, 333, 5_000, 60_000]) {
      const own = stopTimes({ deadline: 90_000, graceMs, since: null })
      const guard = stopTimes({ deadline: 90_000, graceMs, since: null, afterMs: guardDelayMs(graceMs) })
      expect(guard.termAt).toBeGreaterThan(own.termAt)
      expect(guard.termAt).toBeLessThan(guard.killAt)
      expect(guard.killAt).toBeLessThanOrEqual(90_000 - marginMs(graceMs))
    }
  })

  test('the grace is 5 s, or a third of a shorter lease', () => {
    expect([60_000, 15_000, 3_000].map(defaultGraceMs)).toEqual([5_000, 5_000, 1_000])
  })
})
