/**
 * What a task holds: one token of a ticket, for as long as the task and the ticket last.
 *
 * A class, since a busy key makes hundreds of thousands of these in a second: one object each, no closures.
 */
import type { LeaseLostReason, Mode } from '../store/contract.ts'
import type { Core } from './core.ts'
import { humanMs, milliseconds } from '../base/duration.ts'
import type { Duration } from '../base/duration.ts'
import { ConfigurationError, LeaseLostError, StoreUnavailableError, UnsupportedError } from '../base/errors.ts'
import type { HoldfastError } from '../base/errors.ts'
import type { HeldTicket } from './ticket.ts'
import type { Lease } from './types.ts'
import { ttlFor } from './window.ts'

export type ReleaseResult = 'released' | 'lost' | 'unconfirmed'

/** Asked once, when the holder says that it is done: passes the ticket on or takes it out. */
export interface Settling {
  settle(lease: OpenLease): Promise<ReleaseResult>
}

/** Of `ensure`: each but the first fails only if its answer took more than twice as long as any before. */
const TRIES = 4
/** A store may count in units of its own. */
const ROUNDED = 0.99

/** Of which ticket it is. */
interface Tenure {
  readonly ticket: HeldTicket
  readonly token: number
  readonly settling: Settling
}

export class OpenLease implements Lease {
  readonly key: string
  readonly token: number
  readonly mode: Mode
  /** When it was granted, on the core's clock. */
  readonly since: number
  readonly #core: Core
  readonly #ticket: HeldTicket
  readonly #settling: Settling
  #lost: LeaseLostError | undefined
  #releasing: Promise<ReleaseResult> | undefined
  #controller: AbortController | undefined
  #provenAt: number
  #unprovenMs = 0

  constructor(core: Core, { ticket, token, settling }: Tenure) {
    this.key = ticket.key
    this.token = token
    this.mode = ticket.mode
    this.since = core.clock.now()
    this.#provenAt = this.since
    this.#core = core
    this.#ticket = ticket
    this.#settling = settling
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

  async renew(ttl?: Duration): Promise<void> {
    if (ttl === undefined) return void (await this.#renew(this.#ticket.ttlMs))
    const ttlMs = milliseconds(ttl, 'ttl', { min: this.#core.store.traits.minTtlMs })
    this.assertHeld()
    this.#refuseBeyondMaxHold(ttlMs)
    const givenMs = await this.#renew(ttlMs)
    if (givenMs < ttlMs * ROUNDED) throw this.#shortOf(ttlMs, givenMs)
  }

  async ensure(min: Duration): Promise<void> {
    const minMs = milliseconds(min, 'min')
    this.assertHeld()
    if (this.remaining() >= minMs) return
    this.#refuseBeyondMaxHold(minMs)
    // The window counts from the sending: what an answer takes is asked for on top, once it is known.
    // A next answer may take longer than the last, so it asks again while the store gives as much as it is asked for.
    let givenMs = minMs
    for (let tries = 0, tookMs = 0; tries < TRIES && givenMs >= minMs * ROUNDED; tries += 1) {
      const sentAt = this.#core.clock.now()
      givenMs = await this.#renew(Math.max(this.#ticket.ttlMs, ttlFor(minMs + 2 * tookMs, this.#core.store.traits)))
      if (this.remaining() >= minMs) return
      tookMs = Math.max(tookMs, this.#core.clock.now() - sentAt)
    }
    throw this.#shortOf(minMs, givenMs)
  }

  release(): Promise<ReleaseResult> {
    if (this.#releasing === undefined) {
      // Found dead now, it is reported as lost and not as released.
      this.#isHeld()
      this.#releasing = this.#settling.settle(this)
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
    this.#ticket.lose(reason, 'the test has lost it')
  }

  /** A renewal was answered that was sent at `sentAt`. */
  proven(sentAt: number): void {
    this.#unprovenMs = this.unprovenMs()
    this.#provenAt = Math.max(sentAt, this.since)
  }

  /** The longest time that it has gone without a new answer from the store, the present one included. */
  unprovenMs(): number {
    return Math.max(this.#unprovenMs, this.#core.clock.now() - this.#provenAt)
  }

  async #renew(ttlMs: number): Promise<number> {
    this.assertHeld()
    const givenMs = await this.#core.renewer.renew(this.#ticket, ttlMs)
    this.assertHeld()
    return givenMs
  }

  #refuseBeyondMaxHold(ms: number): void {
    if (ms > this.#ticket.endsAt - this.#core.clock.now()) throw this.#endsBefore(ms)
  }

  #endsBefore(ms: number): ConfigurationError {
    const leftMs = this.#ticket.endsAt - this.#core.clock.now()
    return new ConfigurationError(
      `The lease of "${this.key}" ends in ${humanMs(leftMs)}, when it has been held for its maxHold, so it cannot last ` +
        `${humanMs(ms)} from now. Ask for less, or raise maxHold.`,
      { key: this.key },
    )
  }

  /** Why so much could not be had. */
  #shortOf(askedMs: number, givenMs: number): HoldfastError {
    const { key } = this
    const store = this.#core.store.traits.name
    if (this.#ticket.renewAt === Infinity) return this.#endsBefore(askedMs)
    if (givenMs < askedMs * ROUNDED)
      return new UnsupportedError(
        `${store} gives the lease of "${key}" ${humanMs(givenMs)}, not the ${humanMs(askedMs)} that were asked for. ` +
          'Ask for less.',
        { key },
      )
    return new StoreUnavailableError(
      `${store} takes so long to answer that ${humanMs(this.remaining())} of the lease of "${key}" are certain, not ` +
        `${humanMs(askedMs)}.`,
      { key, ambiguous: false },
    )
  }

  /** Reads the clock: after a blocked event loop nobody else may have done so yet. */
  #isHeld(): boolean {
    return this.#releasing === undefined && this.#lost === undefined && this.#ticket.isHeld()
  }
}
