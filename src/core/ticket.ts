/** A ticket of ours that holds in the store, as far as we know. What renewal and the leases on it share. */
import type { LeaseLostReason, Mode } from '../store/contract.ts'

export interface HeldTicket {
  readonly key: string
  readonly id: string
  /** First of its block. */
  readonly token: number
  readonly tokens: number
  readonly mode: Mode
  readonly ttlMs: number
  readonly autoRenew: boolean
  /** maxHold: the window never goes beyond; Infinity without. */
  readonly endsAt: number
  /** minHold: taken until then, whatever its owner does; 0 without. */
  readonly keepUntil: number
  /** An enter of it was never answered and may yet be carried out: who leaves must forbid the id. */
  readonly unanswered: boolean
  /** The instant of `clock.now()` from which nothing is certain any more. */
  validUntil: number
  /** When to renew next; soon after a push, a third of the ttl after a reply. */
  renewAt: number
  state: 'held' | 'suspect' | 'lost' | 'left'
  /** Tickets waiting in the store as of `newsAt`, when the request was sent that told so. */
  waiters: number
  newsAt: number
  /** Who is told; set once by who uses the ticket. */
  observer: TicketObserver
}

export interface TicketObserver {
  lost(reason: LeaseLostReason, message: string): void
  suspect(cause: unknown): void
  renewed(tookMs: number): void
}

export const NOBODY: TicketObserver = { lost() {}, suspect() {}, renewed() {} }

export function isOpen(ticket: HeldTicket): boolean {
  return ticket.state === 'held' || ticket.state === 'suspect'
}
