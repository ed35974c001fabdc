import { systemClock } from '../../src/base/clock.ts'
import type { Clock } from '../../src/base/clock.ts'

/**
 * A clock that stands still until it is told to go on, so that an expiry is met to the millisecond. Its timers are
 * real.
 */
export interface ManualClock extends Clock {
  advance(ms: number): void
}

export function manualClock(): ManualClock {
  let nowMs = 1_000
  const startedAt = 1_795_000_000_000
  return {
    now: () => nowMs,
    wall: () => startedAt + nowMs,
    advance(ms) {
      nowMs += ms
    },
    after: systemClock.after,
    random: systemClock.random,
    id: systemClock.id,
  }
}
