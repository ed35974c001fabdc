/** Instants that all processes of the host share, so that workers begin and tick together. */
import { hostClock, sleep } from '../base/clock.ts'

/** Milliseconds, the same in every process of the host. Its zero means nothing. */
export function hostNow(): number {
  return hostClock.now()
}

/** Resolves not before `at` on the host's clock, or at once when `signal` aborts. */
export async function sleepUntil(at: number, signal: AbortSignal): Promise<void> {
  // Timers count whole milliseconds and may come a fraction of one early.
  for (let left = at - hostNow(); left > 0 && !signal.aborted; left = at - hostNow())
    await sleep(hostClock, Math.ceil(left), { signal })
}

export interface Schedule {
  readonly startAt: number
  readonly intervalMs: number
  readonly durationMs: number
}

/**
 * Ticks that all workers share: the first at `startAt`, then one per interval, until `durationMs` is over. A worker
 * that is late leaves out the ticks it has missed, as a ticker does, so that it is together with the others again at
 * once.
 */
export async function* ticks(schedule: Schedule, signal: AbortSignal): AsyncGenerator<number> {
  let tick = 0
  while (tick * schedule.intervalMs < schedule.durationMs) {
    await sleepUntil(schedule.startAt + tick * schedule.intervalMs, signal)
    if (signal.aborted) return
    yield tick
    tick = Math.max(tick + 1, nextTick(schedule, hostNow()))
  }
}

/** The first tick that is not over yet. */
export function nextTick(schedule: Pick<Schedule, 'startAt' | 'intervalMs'>, now: number): number {
  return Math.ceil((now - schedule.startAt) / schedule.intervalMs)
}
