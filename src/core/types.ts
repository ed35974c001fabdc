/**
 * What the core gives to those above it: a lease, and news of what happens. Types only.
 *
 * Units: numbers of time are milliseconds; a string carries its unit. Tokens are safe integers.
 */
import type { Duration } from '../base/duration.ts'
import type { LeaseLostReason, Mode } from '../store/contract.ts'

export interface Lease extends AsyncDisposable {
  readonly key: string
  /** Fencing token: greater than that of every earlier exclusive lease of this key; 0 where the store gives none. */
  readonly token: number
  readonly mode: 'exclusive' | 'shared'
  /**
   * Aborts with LeaseLostError before the window closes, while this process runs and the store keeps its guarantee and
   * clock. A paused process learns late: that is what fence() is for.
   */
  readonly signal: AbortSignal
  /** suspect: a renewal failed, the window is still open. */
  readonly state: 'held' | 'suspect' | 'lost' | 'released'
  /** Milliseconds for which the lease is certain, by the monotonic clock; 0 when not held. */
  remaining(): number
  /** Synchronous, reads the clock. @throws LeaseLostError */
  assertHeld(): void
  /**
   * Resolves when the store has given this ttl, by a request sent after this call; without one, the lease's own or as
   * much of it as maxHold leaves. Never shortens the window already granted.
   * @throws LeaseLostError
   * @throws StoreUnavailableError  it did not answer: the lease is suspect
   * @throws ConfigurationError  maxHold ends before
   * @throws UnsupportedError  the store gave less
   */
  renew(ttl?: Duration): Promise<void>
  /**
   * Renews only if less than `min` is left, and resolves when so much is. @throws as renew does, also if `min` cannot
   * be reached
   */
  ensure(min: Duration): Promise<void>
  /** Idempotent, never rejects. 'unconfirmed': the store did not answer; the ticket dies by itself. */
  release(): Promise<'released' | 'lost' | 'unconfirmed'>
}

export type LockEvent =
  /** own: held by this very call chain. */
  | {
      readonly type: 'waiting'
      readonly key: string
      readonly ahead: number
      readonly holder: string
      readonly own: boolean
    }
  | {
      readonly type: 'acquired'
      readonly key: string
      readonly token: number
      readonly mode: Mode
      /** Holds while fewer than so many are before it; null: without such a limit. */
      readonly limit: number | null
      readonly waitedMs: number
      readonly handover: 'store' | 'push' | 'cohort'
    }
  | { readonly type: 'timed-out'; readonly key: string; readonly waitedMs: number; readonly ahead: number }
  | { readonly type: 'renewed'; readonly key: string; readonly token: number; readonly tookMs: number }
  | {
      readonly type: 'suspect'
      readonly key: string
      readonly token: number
      readonly leftMs: number
      readonly cause: unknown
    }
  /** agoMs: so long before this event it ended, since its leave was sent then. heldMs: up to its end. */
  | {
      readonly type: 'released'
      readonly key: string
      readonly token: number
      readonly heldMs: number
      readonly agoMs: number
    }
  /**
   * agoMs: so long before this event it ended, if its window closed while nobody could notice. heldMs: up to its end.
   */
  | {
      readonly type: 'lost'
      readonly key: string
      readonly token: number
      readonly heldMs: number
      readonly agoMs: number
      readonly reason: LeaseLostReason
    }
  | { readonly type: 'revoked'; readonly key: string; readonly token: number; readonly reason: string }
  | { readonly type: 'fenced' | 'stale'; readonly resource: string; readonly token: number; readonly newest: number }
  | { readonly type: 'store-error'; readonly verb: string; readonly cause: unknown }
  /** The event loop, or the whole process, stood still. */
  | { readonly type: 'stalled'; readonly stalledMs: number }
  /**
   * p99 of the last 100 holds, lost ones included, is over 0.8 ttl; once until it recovers. p99HeldMs: how long a hold
   * went without a renewal, so of a renewed one the longest pause.
   */
  | { readonly type: 'ttl-at-risk'; readonly key: string; readonly p99HeldMs: number; readonly ttlMs: number }
