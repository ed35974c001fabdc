/**
 * What a store must do, and nothing about how. A lock is a queue of tickets (queue.ts has the rule); a driver says the
 * same in its store's own terms. One call is one atomic attempt: a driver never waits, retries or renews. That is the
 * core's.
 *
 * Keys arrive normalised and without a namespace. The core never has two calls for one id in flight, except a `leave`
 * after a call whose deadline passed. A driver throws StoreUnavailableError; UnsupportedError, ConfigurationError or
 * InvalidKeyError where asking again cannot help; anything else counts as ambiguous. No method keeps the process alive.
 *
 * Each step takes the key's lock, then reads the clock, then removes what has run out, then acts. The clock is the
 * store's, and read no earlier than the record: with an older one a step takes the dead for alive.
 *
 * A timer may be run by a driver for its connection, for a deadline, to look for news, and to try again what had no
 * effect because another was quicker or the file was busy; never to wait for a lock, nor to renew.
 *
 * Units: milliseconds. No instant is ever exchanged, only time left. `leftMs` is what the store will surely still give:
 * one that counts in seconds, and floors what it is told, asks for more than the ttl and answers with the ttl. It never
 * exceeds the ttl asked for. `sinceMs` in views is since the ticket holds, or waits; a store that keeps no such time
 * answers with the time since it entered, or 0. `retryMs` is the latest moment to ask again, and at most a third of
 * waiterTtl for a ticket that waits; a store without a queue answers when the holder's life would end.
 */
import type { LockView, Mode, TicketView } from '../base/view.ts'

export type { LeaseLostReason, LockView, Mode, TicketView } from '../base/view.ts'

export interface Io {
  /** The call must have settled by then. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

export interface Store {
  readonly traits: StoreTraits
  /**
   * Opens the connection that the other calls need. The core awaits it before its first `enter`, so that connecting
   * takes nothing from the first lease. Absent, or called never: a call connects by itself.
   */
  connect?(io: Io): Promise<void>
  /**
   * Attempt, retry, claim, and the waiter's heartbeat. One atomic step; never waits. Without `token`: adds the ticket,
   * or refreshes it if `id` is known. With it: refreshes only.
   */
  enter(request: TicketRequest, io: Io): Promise<Entry>
  /**
   * For tickets that hold, those that hold by a push included. Refreshes only. At most 256 a call, answers in order;
   * one failure is that item's 'unknown'; rejecting means all unknown.
   */
  renew(renewals: readonly RenewRequest[], io: Io): Promise<readonly Renewal[]>
  /**
   * Takes the ticket out, held or waiting; those who now hold are told. Idempotent.
   */
  leave(request: LeaveRequest, io: Io): Promise<{ readonly was: Was }>
  /**
   * Absent: the core polls, and the owner of a lease hears of its revocation at its next renewal. Called once, before
   * the first queued enter or after the first lease was granted: tickets that were entered before are told of as well.
   */
  readonly listen?: ((listener: StoreListener) => Promise<AsyncDisposable>) | undefined
  inspect(key: string, io: Io): Promise<LockView | null>
  list(prefix: string, io: Io): AsyncIterable<LockView>
  revoke(key: string, request: RevokeRequest, io: Io): Promise<number>
  close(): Promise<void>
}

export interface StoreListener {
  /** Names the tokens (first of a block) that hold now. */
  holds(key: string, tokens: readonly number[]): void
  /** This ticket, held or waiting, was revoked. */
  revoked(key: string, token: number, reason: string): void
  /** Pushes may be missing: the core enters all its waiters again. */
  gap(): void
}

export interface StoreTraits {
  readonly name: string
  readonly guarantee: 'consensus' | 'durable' | 'quorum' | 'volatile' | 'best-effort' | 'process'
  readonly reach: 'process' | 'host' | 'network'
  /** false: every token is 0, and fence() refuses it. */
  readonly fencing: boolean
  /** false: no FIFO; 'refused' is answered also to queue: true. */
  readonly queue: boolean
  readonly shared: boolean
  readonly limit: boolean
  /** minHold and once outlive the process. */
  readonly keep: boolean
  /** Who decides that a ticket is dead. */
  readonly clock: 'store' | 'session' | 'host' | 'observer'
  /** How far that clock may step or differ between members; subtracted from every window. */
  readonly clockErrorMs: number
  readonly minTtlMs: number
  /** Greatest block. */
  readonly maxTokens: number
}

export interface TicketRequest {
  readonly key: string
  /** 128 random bits, new for every attempt: the proof of possession, never shown. */
  readonly id: string
  /** Known already: refresh only, never add. */
  readonly token?: number
  readonly holder: string
  readonly mode: Mode
  readonly limit: number | null
  /** While it holds. */
  readonly ttlMs: number
  /** While it waits: a dead waiter blocks the queue no longer than this. */
  readonly waiterTtlMs: number
  /** false: one attempt, leave nothing behind. */
  readonly queue: boolean
  /** Size of the block wanted, 1 to traits.maxTokens. */
  readonly tokens: number
  readonly meta: Readonly<Record<string, string>>
}

export type Entry =
  /** waiters: live tickets that do not hold, each of which may stand for many tasks of its process. */
  | { readonly status: 'holds'; readonly token: number; readonly leftMs: number; readonly waiters: number }
  /** ahead: live tickets before it. retryMs: enter again no later than this. */
  | {
      readonly status: 'waits'
      readonly token: number
      readonly leftMs: number
      readonly ahead: number
      readonly retryMs: number
    }
  | { readonly status: 'refused'; readonly retryMs: number; readonly holders: readonly TicketView[] }
  /** Refresh of a ticket that is no longer there. */
  | { readonly status: 'gone' }
  | { readonly status: 'forbidden'; readonly reason: 'left' | 'revoked'; readonly message: string }

export interface RenewRequest {
  readonly key: string
  readonly id: string
  readonly ttlMs: number
}

export type Renewal =
  | { readonly status: 'held'; readonly leftMs: number; readonly waiters: number }
  | { readonly status: 'lost'; readonly reason: 'gone' | 'revoked'; readonly message: string }
  | { readonly status: 'unknown'; readonly cause: unknown }

export interface LeaveRequest {
  readonly key: string
  readonly id: string
  /** Keep a held ticket so much longer instead, not to be renewed nor left again. 0: take it out. */
  readonly keepMs: number
  /**
   * An `enter` of this id within that time answers 'forbidden': a request that is still under way must not come to
   * life.
   */
  readonly forbidMs: number
}
export type Was = 'held' | 'waiting' | 'absent'

export interface RevokeRequest {
  /** A number: the ticket whose block holds that token; a store without tokens throws UnsupportedError. */
  readonly tickets: 'holders' | 'all' | number
  readonly reason: string
  /** Takes held tickets at once, and so breaks exclusion. */
  readonly now: boolean
}
