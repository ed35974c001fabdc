/**
 * Notices that the event loop, or the whole process or machine, stood still, and that somebody set the wall clock.
 * Runs only while there is something to watch over, and keeps nothing alive.
 */
import type { Clock, Timer } from '../base/clock.ts'

export interface StallDetector {
  /** Something is held: look after it. */
  start(): void
  stop(): void
}

const TICK_MS = 100
/** Later than this is no longer the ordinary lateness of a busy loop. */
const STALLED_MS = 250
/** Wall against monotonic: more than time servers slew in a tick. */
const JUMPED_MS = 250

export function createStallDetector(
  clock: Clock,
  hooks: { busy(): boolean; stalled(ms: number): void; jumped(ms: number): void },
): StallDetector {
  let timer: Timer | undefined
  let last = 0
  let offset = 0

  function tick(): void {
    const now = clock.now()
    const lateMs = now - last - TICK_MS
    const jumpMs = clock.wall() - now - offset
    arm(now)
    if (lateMs > STALLED_MS) hooks.stalled(lateMs)
    if (Math.abs(jumpMs) > JUMPED_MS) hooks.jumped(jumpMs)
    if (!hooks.busy()) stop()
  }

  function arm(now: number): void {
    last = now
    offset = clock.wall() - now
    timer = clock.after(TICK_MS, tick, { idle: true })
  }

  function stop(): void {
    timer?.cancel()
    timer = undefined
  }

  return {
    start() {
      if (timer === undefined) arm(clock.now())
    },
    stop,
  }
}
