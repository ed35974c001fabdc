/**
 * A ticket of ours that holds in the store, as far as we know: what renewal and the leases on it share.
 *
 * It knows by its own clock when it is dead, and tells its observer, once. Lost is final.
 */
import type { Clock } from '../base/clock.ts'
import type { LeaseLostReason, Mode } from '../store/contract.ts'

/** What never changes of it. */
export interface TicketFacts {
  readonly key: string
  readonly id: string
  /** First of its block. */
  readonly token: number
  readonly tokens: number
  readonly mode: Mode
  readonly ttlMs: number
  readonly autoRenew: boolean
  /** Infinity: none. */
  readonly maxHoldMs: number
  /** minHold: taken until then, whatever its owner does; 0 without. */
  readonly keepUntil: number
  /** An enter of it was never answered and may yet be carried out: who leaves must forbid the id. */
  readonly unanswered: boolean
}

/** What the store has given to a request that was sent at `sentAt`. */
export interface Given {
  readonly sentAt: number
  readonly leftMs: number
  /** When the window of that closes. */
  readonly validUntil: number
}

/** Who is told; set once by who uses the ticket. */
export interface TicketObserver {
  lost(reason: LeaseLostReason, message: string): void
  suspect(cause: unknown): void
  /** sentAt: when the request was sent that was answered. */
  renewed(tookMs: number, sentAt: number): void
}

export interface HeldTicket extends TicketFacts {
  /** maxHold after the grant: the window never goes beyond. */
  readonly endsAt: number
  /** The instant of `clock.now()` from which nothing is certain any more. */
  validUntil: number
  /** When to renew next; Infinity: it has all that maxHold leaves to it. */
  renewAt: number
  state: 'held' | 'suspect' | 'lost' | 'left'
  /** Tickets waiting in the store as of `newsAt`, when the request was sent that told so. */
  waiters: number
  newsAt: number
  observer: TicketObserver
  /** Reads the clock, and so finds out that the window has closed before any timer does. */
  isHeld(): boolean
  /** The window never becomes shorter. */
  give(given: Given): void
  suspect(cause: unknown): void
  lose(reason: LeaseLostReason, message: string): void
}

const NOBODY: TicketObserver = { lost() {}, suspect() {}, renewed() {} }
/** Part of the life given after which renewal starts, so that two attempts may fail before the window closes. */
const RENEW_AFTER = 1 / 3
/** What a store may round off. */
const ROUNDED_MS = 1

/** A ticket and its clock. A class, since a busy key makes very many: the methods are made once. */
class Ticket implements HeldTicket {
  readonly key
  readonly id
  readonly token
  readonly tokens
  readonly mode
  readonly ttlMs
  readonly autoRenew
  readonly maxHoldMs
  readonly endsAt: number
  readonly keepUntil
  readonly unanswered
  validUntil = -Infinity
  renewAt = Infinity
  state: HeldTicket['state'] = 'held'
  waiters = 0
  newsAt = -Infinity
  observer = NOBODY
  readonly #clock: Clock

  constructor(clock: Clock, facts: TicketFacts) {
    this.#clock = clock
    this.key = facts.key
    this.id = facts.id
    this.token = facts.token
    this.tokens = facts.tokens
    this.mode = facts.mode
    this.ttlMs = facts.ttlMs
    this.autoRenew = facts.autoRenew
    this.maxHoldMs = facts.maxHoldMs
    this.endsAt = clock.now() + facts.maxHoldMs
    this.keepUntil = facts.keepUntil
    this.unanswered = facts.unanswered
  }

  isHeld(): boolean {
    if (isOpen(this) && this.#clock.now() >= this.validUntil) this.#expire()
    return isOpen(this)
  }

  give({ sentAt, leftMs, validUntil }: Given): void {
    this.validUntil = Math.max(this.validUntil, Math.min(validUntil, this.endsAt))
    // More than this is never asked for.
    const mostMs = Math.min(this.endsAt - sentAt, this.maxHoldMs)
    // By the life that was given: a store may give less than was asked.
    this.renewAt = leftMs + ROUNDED_MS >= mostMs ? Infinity : sentAt + Math.min(leftMs, this.ttlMs) * RENEW_AFTER
  }

  suspect(cause: unknown): void {
    if (this.state !== 'held') return
    this.state = 'suspect'
    this.observer.suspect(cause)
  }

  lose(reason: LeaseLostReason, message: string): void {
    if (!isOpen(this)) return
    this.state = 'lost'
    this.observer.lost(reason, message)
  }

  #expire(): void {
    if (this.renewAt === Infinity) this.lose('max-hold', 'it was held for its maxHold')
    else this.lose('expired', 'its window closed before a renewal was answered')
  }
}

export function createTicket(clock: Clock, facts: TicketFacts, given: Given): HeldTicket {
  const ticket = new Ticket(clock, facts)
  ticket.give(given)
  return ticket
}

/** By its state alone; `isHeld` reads the clock too. */
export function isOpen(ticket: HeldTicket): boolean {
  return ticket.state === 'held' || ticket.state === 'suspect'
}
