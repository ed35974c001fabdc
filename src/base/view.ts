/** A lock and its tickets as people see them, and why a lease is lost: what every layer and every error may name. */

/** Why a lease can no longer be proved. */
export type LeaseLostReason = 'expired' | 'gone' | 'revoked' | 'max-hold' | 'store-regressed' | 'released' | 'closed'

export type Mode = 'exclusive' | 'shared'

export interface LockView {
  readonly key: string
  /** The newest given out. */
  readonly token: number
  readonly holders: readonly TicketView[]
  /**
   * Tickets, in the order in which they will be served. Tasks of one process that want the same in the same way share
   * one: so it is how many wait for their turn in the store, not how many tasks there are.
   */
  readonly waiters: readonly TicketView[]
}

export interface TicketView {
  readonly holder: string
  readonly token: number
  /** Size of its block. */
  readonly tokens: number
  readonly mode: Mode
  readonly limit: number | null
  /** How long it has held, or waited. */
  readonly sinceMs: number
  /** Until it dies unless renewed. */
  readonly leftMs: number
  readonly meta: Readonly<Record<string, string>>
  /** Its owner may not renew it any more: an operator has said so. */
  readonly revoked?: true
  /** Its owner has given it back; it stays taken for its minHold. */
  readonly kept?: true
}
