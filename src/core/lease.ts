/**
 * What a task holds: one token of a ticket, for as long as the task and the ticket last.
 *
 * A class, since a busy key makes hundreds of thousands of these in a second: one object each, no closures.
 */
import type { LeaseLostReason, Mode } from '../store/contract.ts'
import type { Core } from './core.ts'
import { milliseconds } from '../base/duration.ts'
import type { Duration } from '../base/duration.ts'
import { LeaseLostError } from '../base/errors.ts'
import { isOpen } from './ticket.ts'
import type { HeldTicket } from './ticket.ts'
import type { Lease } from './types.ts'
import { ttlFor } from './window.ts'

export type ReleaseResult = 'released' | 'lost' | 'unconfirmed'

/** Called once, when the holder says that it is done: passes the ticket on or takes it out. */
export type Settle = (lease: OpenLease) => Promise<ReleaseResult>

export class OpenLease implements Lease {
  readonly key: string
  readonly token: number
  readonly mode: Mode
  /** When it was granted, on the core's clock. */
  readonly since: number
  readonly #core: Core
  readonly #ticket: HeldTicket
  readonly #settle: Settle
  #lost: LeaseLostError | undefined
  #releasing: Promise<ReleaseResult> | undefined
  #controller: AbortController | undefined

  constructor(core: Core, ticket: HeldTicket, token: number, settle: Settle) {
    this.key = ticket.key
    this.token = token
    this.mode = ticket.mode
    this.since = core.clock.now()
    this.#core = core
    this.#ticket = ticket
    this.#settle = settle
  }

  /** Made when somebody asks for it: most tasks do not. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#lost !== undefined) this.#controller.abort(this.#lost)
    }
    return this.#controller.signal
  }

  get state(): Lease['state'] {
    if (this.#isHeld()) return this.#ticket.state === 'suspect' ? 'suspect' : 'held'
    return this.#lost === undefined ? 'released' : 'lost'
  }

  remaining(): number {
    return this.#isHeld() ? Math.max(0, this.#ticket.validUntil - this.#core.clock.now()) : 0
  }

  assertHeld(): void {
    if (this.#isHeld()) return
    const { key, token } = this
    throw (
      this.#lost ??
      new LeaseLostError(`The lease of "${key}" (token ${token}) was released.`, { key, token, reason: 'released' })
    )
  }

  async renew(ttl: Duration = this.#ticket.ttlMs): Promise<void> {
    const ttlMs = milliseconds(ttl, 'ttl', { min: this.#core.store.traits.minTtlMs })
    this.assertHeld()
    await this.#core.renewer.renew(this.#ticket, ttlMs)
    this.assertHeld()
  }

  async ensure(min: Duration): Promise<void> {
    const minMs = milliseconds(min, 'min')
    this.assertHeld()
    if (this.remaining() < minMs) await this.renew(Math.max(this.#ticket.ttlMs, ttlFor(minMs, this.#core.store.traits)))
  }

  async release(): Promise<ReleaseResult> {
    if (this.#releasing === undefined) {
      // Found dead now, it is reported as lost and not as released.
      this.#isHeld()
      this.#releasing = this.#settle(this)
    }
    return this.#releasing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  /** The ticket is gone: tells the holder, once. */
  lose(reason: LeaseLostReason, message: string): void {
    if (this.#lost !== undefined || this.#releasing !== undefined) return
    const { key, token } = this
    this.#lost = new LeaseLostError(
      `The lease of "${key}" (token ${token}) is lost: ${message}. Stop; what was written since may have overlapped with another holder.`,
      { key, token, reason },
    )
    this.#controller?.abort(this.#lost)
    const now = this.#core.clock.now()
    // Noticed late, after a standstill: its own clock had ended it at the end of its window.
    const endedAt = Math.max(this.since, Math.min(now, this.#ticket.validUntil))
    this.#core.events.emit({ type: 'lost', key, token, heldMs: endedAt - this.since, agoMs: now - endedAt, reason })
  }

  /** As if the store had lost the ticket: for `holdfast/testing`. */
  loseTicket(reason: LeaseLostReason): void {
    this.#core.renewer.lose(this.#ticket, reason, 'the test has lost it')
  }

  /** Reads the clock: after a blocked event loop nobody else may have done so yet. */
  #isHeld(): boolean {
    if (this.#releasing !== undefined || this.#lost !== undefined) return false
    if (isOpen(this.#ticket) && this.#core.clock.now() >= this.#ticket.validUntil) this.#core.renewer.check()
    return isOpen(this.#ticket)
  }
}
