/**
 * When who waits asks again: at the heartbeat that keeps its ticket, more often where nothing is pushed, and after a
 * failure. Random throughout, so that those who came together do not come together for ever.
 */
import type { Clock } from '../base/clock.ts'

const FAILED_MS = { first: 20, most: 1_000 } as const
/**
 * Where nothing is pushed. The next in line asks often, and less often the longer it has waited already: a fiftieth of
 * that more is not felt. Those further behind need not hurry.
 */
const POLL_MS = { first: 5, next: 20, others: 100, each: 20, most: 1_000 } as const
const POLL_WAITED = 1 / 50
/**
 * A heartbeat comes up to this share earlier, by chance: those who came together would beat together for ever, and the
 * store would serve nobody else meanwhile. A quarter of the ticket's life has gone by then, so that each refreshes it.
 */
const HEARTBEAT_EARLIER = 1 / 5

/** The end of somebody's life is waited for exactly, a heartbeat is not. */
export function dueMs(
  clock: Clock,
  { retryMs, waiterTtlMs }: { readonly retryMs: number; readonly waiterTtlMs: number },
): number {
  const isHeartbeat = retryMs > waiterTtlMs / 3 - 1
  return isHeartbeat ? retryMs * (1 - HEARTBEAT_EARLIER * clock.random()) : retryMs
}

/** `place`: 1 is the next in line. `times`: which question it is, from 1 on. */
export function pollMs(
  clock: Clock,
  { place, times, waitedMs }: { readonly place: number; readonly times: number; readonly waitedMs: number },
): number {
  const most =
    place > 1
      ? Math.min(POLL_MS.most, Math.max(POLL_MS.others, place * POLL_MS.each))
      : Math.min(POLL_MS.others, Math.max(POLL_MS.next, waitedMs * POLL_WAITED))
  return backoff(clock, { first: POLL_MS.first, most, times })
}

/** After so many failures in a row. */
export function failedMs(clock: Clock, times: number): number {
  return backoff(clock, { ...FAILED_MS, times })
}

function backoff(
  clock: Clock,
  { first, most, times }: { readonly first: number; readonly most: number; readonly times: number },
): number {
  return Math.min(most, first * 1.5 ** (times - 1)) * (0.5 + clock.random() / 2)
}
