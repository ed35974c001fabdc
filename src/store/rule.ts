/**
 * The one rule, and the data that it is about: a lock is ONE ordered list of live tickets, oldest first. Mutex,
 * readers-writer and semaphore are this rule with other words on the tickets.
 */
import type { Mode } from '../base/view.ts'

/**
 * The rule: how many tickets of the queue, oldest first, hold. An exclusive ticket holds only if it is first. A shared
 * ticket holds if every ticket before it is shared and, if it has a limit n, fewer than n are before it.
 */
export function holding(queue: readonly { readonly mode: Mode; readonly limit: number | null }[]): number {
  let count = 0
  for (const ticket of queue) {
    if (ticket.mode === 'exclusive') return count === 0 ? 1 : count
    if (ticket.limit !== null && count >= ticket.limit) return count
    count += 1
  }
  return count
}

/** A place in the queue. Plain data: a store may keep it as JSON. */
export interface Ticket {
  readonly id: string
  /** First of its block. */
  readonly token: number
  readonly tokens: number
  readonly holder: string
  readonly mode: Mode
  readonly limit: number | null
  readonly meta: Readonly<Record<string, string>>
  readonly enteredAt: number
  /** null while it waits. */
  readonly heldAt: number | null
  readonly expiresAt: number
  /** The span that gave `expiresAt`: more than this it may never have left, whatever the clock does. */
  readonly lifeMs: number
  /** The ttl it asked for, while it lives on its waiting life: until it is first heard of as a holder. Else null. */
  readonly claimMs: number | null
  /** Left by its owner, but kept for minHold: nobody may renew it. */
  readonly kept: boolean
  /** Why renewal is forbidden; null: it is not. */
  readonly revoked: string | null
  /** A driver's own word on it, such as whom to tell; no transition looks at it. */
  readonly extra?: string
}

/** An id that may not come (back) to life. */
export interface Forbidden {
  readonly id: string
  readonly reason: 'left' | 'revoked'
  readonly message: string
  readonly until: number
  readonly lifeMs: number
}

/** The whole state of a lock. `end`: the first token that no block has had yet. */
export interface Queue {
  readonly tickets: readonly Ticket[]
  readonly end: number
  readonly forbidden: readonly Forbidden[]
}

/**
 * `ms`: the clock that decides expiry. `micros`: microseconds since 1970, from which tokens are made.
 *
 * Read no earlier than the queue: with a clock from before it, a step would take time from a ticket that another step
 * has prolonged in between, and two would hold.
 */
export interface Now {
  readonly ms: number
  readonly micros: number
}

export const EMPTY: Queue = { tickets: [], end: 0, forbidden: [] }
