/** A clock that stands still until it is told to go on: for tests of one's own code, and of ours. */
import { milliseconds } from './duration.ts'
import type { Duration } from './duration.ts'
import { createHeap } from './heap.ts'
import { systemClock, turn } from './clock.ts'
import type { Clock } from './clock.ts'

export interface ManualClock extends Clock {
  /** Lets time pass. Timers fire in order, and what they set off runs to its end before the next one does. */
  advance(by: Duration): Promise<void>
}

interface Alarm {
  readonly at: number
  readonly task: () => void
}

export function createManualClock(start: { readonly wall?: number } = {}): ManualClock {
  let now = 0
  const wall = start.wall ?? Date.UTC(2026, 0, 1)
  const set = new Set<Alarm>()
  const heap = createHeap<Alarm>(
    alarm => alarm.at,
    alarm => set.has(alarm),
  )
  return {
    now: () => now,
    wall: () => wall + now,
    random: systemClock.random,
    id: systemClock.id,
    after(delayMs, task) {
      const alarm = { at: now + Math.max(0, delayMs), task }
      set.add(alarm)
      heap.push(alarm)
      return { cancel: () => void set.delete(alarm) }
    },
    async advance(by) {
      const end = now + milliseconds(by, 'advance')
      await turn()
      for (let alarm = heap.pop(end); alarm !== undefined; alarm = heap.pop(end)) {
        now = Math.max(now, alarm.at)
        set.delete(alarm)
        alarm.task()
        await turn()
      }
      now = end
      await turn()
    },
  }
}
