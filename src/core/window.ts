/**
 * How long a ticket is certain: the one formula that every lease stands on.
 *
 * Counted from the sending of the request: the store may have granted at any moment since, and a late reply must not
 * buy time. Less a hundredth for clocks that run at different speeds (quartz is off by parts in 10^5; a hundredth also
 * covers clocks that are being slewed), less a constant for the granularity of timers, less what the store's own clock
 * may be off.
 */
import type { StoreTraits } from '../store/contract.ts'

const DRIFT = 0.99
const MARGIN_MS = 2

/** When the window closes, on the clock that `sentAt` was read from. */
export function closesAt(sentAt: number, leftMs: number, traits: StoreTraits): number {
  const end = sentAt + leftMs * DRIFT - MARGIN_MS - traits.clockErrorMs
  // What is not a number gives no time: compared with the clock it would never be over.
  return Number.isNaN(end) ? -Infinity : end
}

/** What a ttl must be so that the window is at least `ms` wide when the reply is instant. */
export function ttlFor(ms: number, traits: StoreTraits): number {
  return Math.ceil((ms + MARGIN_MS + traits.clockErrorMs) / DRIFT)
}
