/**
 * Whether a ticket may carry one more lease. Pure: no clock, no store.
 *
 * Bounds, all hard: as many leases as the ticket has tokens; half of the window left; while others wait in the store
 * few more passes and little more time; and news of waiters that are older than that time count as "somebody waits", so
 * the store is asked first.
 */
import type { HeldTicket } from './ticket.ts'

export interface CohortLimits {
  readonly contendedPasses: number
  readonly contendedForMs: number
}

/** What a ticket has carried so far. */
export interface Passing {
  readonly used: number
  /** Since when it has been passed on although others wait; null: nobody waits. */
  readonly contendedSince: number | null
  readonly contendedPasses: number
}

export const UNUSED: Passing = { used: 0, contendedSince: null, contendedPasses: 0 }

/** ask: renew first, whose answer tells who waits. stop: it has carried its last lease. */
export type Verdict = 'pass' | 'ask' | 'stop'

interface Facts {
  readonly ticket: Pick<HeldTicket, 'tokens' | 'ttlMs' | 'validUntil' | 'waiters' | 'newsAt'>
  readonly limits: CohortLimits
  readonly now: number
}

/** `next`: what it will have carried if the verdict is followed. */
export function mayPass(passing: Passing, facts: Facts): { readonly verdict: Verdict; readonly next: Passing } {
  const { ticket, limits, now } = facts
  const { used } = passing
  if (used >= ticket.tokens) return { verdict: 'stop', next: passing }
  if (used === 0) return { verdict: 'pass', next: { ...passing, used: 1 } }
  if (ticket.waiters === 0) {
    const next = { used: used + 1, contendedSince: null, contendedPasses: 0 }
    return isFresh(facts) ? { verdict: 'pass', next } : { verdict: 'ask', next: { ...next, used } }
  }
  const contendedSince = passing.contendedSince ?? now
  const { contendedPasses } = passing
  if (contendedPasses >= limits.contendedPasses || now - contendedSince > limits.contendedForMs)
    return { verdict: 'stop', next: passing }
  return isFresh(facts)
    ? { verdict: 'pass', next: { used: used + 1, contendedSince, contendedPasses: contendedPasses + 1 } }
    : { verdict: 'ask', next: { used, contendedSince, contendedPasses } }
}

/** The news are new enough and the window wide enough to pass it on. */
export function isFresh({ ticket, limits, now }: Facts): boolean {
  return now - ticket.newsAt <= limits.contendedForMs && ticket.validUntil - now >= ticket.ttlMs / 2
}
