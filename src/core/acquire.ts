/**
 * From wanting a lock to a ticket that holds: enter, wait, retry, give up. Written once, for every store.
 *
 * A pursuit waits without limit; who wants a limit gives it up. It enters one ticket and keeps it alive by entering
 * again, until the store says or pushes that it holds. It starts on a push only if its own ticket is alive by its own
 * clock.
 */
import type { Entry, TicketView } from '../store/contract.ts'
import { abandon, enterOnce, heldTicket, newAttempt, refuseRegression, ticketOf, waitRevoked } from './attempt.ts'
import type { Attempt, Grant, Wanted } from './attempt.ts'
import type { Outcome } from './call.ts'
import type { Core } from './core.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import type { HoldfastError } from '../base/errors.ts'
import { dueMs, failedMs, pollMs } from './pace.ts'
import type { PushTarget } from './pushes.ts'
import { closesAt } from './window.ts'

/** How a pursuit stands, for who reports on it. */
export interface Pursuit {
  /** null: given up. Rejects when trying again cannot help. */
  readonly grant: Promise<Grant | null>
  /** Tickets in front, as of the last answer. */
  readonly ahead: number
  /** Who holds, where the store's answer told. */
  readonly holders: readonly TicketView[]
  /** Why the store's silence, not contention, is what is waited for; null: it answers. */
  trouble(): HoldfastError | null
  giveUp(): void
}

/**
 * A ticket that starts on a push has half of its waiting life left at least: time enough to renew, or it refreshes
 * first.
 */
const ENOUGH_LIFE = 1 / 2
/**
 * A lease that a push has started is renewed to its full ttl so long after its start: most sections are over by then,
 * and so cost one enter and one leave, however many wait.
 */
const RENEW_AFTER_PUSH_MS = 25
const NOBODY: readonly TicketView[] = []

/** `onWaiting` is called at each answer that tells to wait. */
export function pursue(core: Core, wanted: Wanted, onWaiting: (ahead: number) => void): Pursuit {
  return new Chase(core, wanted, onWaiting)
}

/** A class, since very many may wait: one object each, no closures. */
class Chase implements Pursuit, PushTarget {
  readonly grant: Promise<Grant | null>
  ahead = 0
  holders: readonly TicketView[] = NOBODY
  readonly #core: Core
  readonly #wanted: Wanted
  readonly #onWaiting: (ahead: number) => void
  readonly #since: number
  #attempt: Attempt
  #failure: HoldfastError | null = null
  #failures = 0
  #polls = 0
  #callSince: number | null
  #given = false
  #wake: (() => void) | null = null
  #pushed = false
  #revoked: string | null = null
  #asked = false
  #enlisted = false

  constructor(core: Core, wanted: Wanted, onWaiting: (ahead: number) => void) {
    this.#core = core
    this.#wanted = wanted
    this.#onWaiting = onWaiting
    this.#attempt = newAttempt(core, wanted.key)
    this.#since = core.clock.now()
    this.#callSince = this.#since
    this.grant = this.#chase()
  }

  // ---------------------------------------------------------------- news from the store

  get token(): number | null {
    return this.#attempt.token
  }

  holds(): void {
    this.#pushed = true
    this.#wake?.()
  }

  revoked(reason: string): void {
    this.#revoked = reason
    this.#wake?.()
  }

  gap(): void {
    this.#asked = true
    this.#wake?.()
  }

  // ---------------------------------------------------------------- for who waits

  trouble(): HoldfastError | null {
    if (this.#failure !== null) return this.#failure
    const { store, clock, storeTimeoutMs } = this.#core
    const silentMs = this.#callSince === null ? 0 : clock.now() - this.#callSince
    const neverAnswered = this.ahead === 0 && this.holders.length === 0
    if (this.#callSince === null || (!neverAnswered && silentMs < storeTimeoutMs / 4)) return null
    const { key } = this.#wanted
    return new StoreUnavailableError(
      `${store.traits.name} has not answered "enter" of "${key}" for ${Math.round(silentMs)} ms.`,
      { key },
    )
  }

  giveUp(): void {
    if (this.#given) return
    this.#given = true
    // Out of the queue at once if its fate is known; a request under way is waited for first.
    if (this.#callSince === null) this.#renounce()
    this.#wake?.()
  }

  // ---------------------------------------------------------------- the way to a grant

  async #chase(): Promise<Grant | null> {
    const { clock, store, pushes } = this.#core
    try {
      const listening = store.traits.queue && (await pushes.ready())
      this.#enlist()
      for (;;) {
        if (this.#given) return this.#giveBack()
        const now = clock.now()
        if (this.#pushed && this.#attempt.token !== null && this.#mayStart(now))
          return this.#start(this.#attempt.token, now)
        this.#pushed = false
        this.#asked = false
        this.#callSince = now
        const reply = await enterOnce(this.#core, this.#wanted, { attempt: this.#attempt, queue: true })
        this.#callSince = null
        const ms = reply.ok ? this.#heed(reply.value, listening) : this.#fail(reply)
        if (typeof ms !== 'number') return ms
        if (ms > 0) await this.#pause(ms)
        if (this.#revoked !== null) throw waitRevoked(this.#wanted.key, this.#attempt, this.#revoked)
      }
    } catch (error) {
      this.#renounce()
      throw error
    }
  }

  /** A grant, null if it was given up meanwhile, or how long to wait until it asks again. */
  #heed(entry: Entry, listening: boolean): Grant | null | number {
    const { clock, pushes, waiterTtlMs } = this.#core
    const { key, limit } = this.#wanted
    if (this.#given && entry.status !== 'waits') return this.#giveBack()
    this.#failure = null
    this.#failures = 0
    if (entry.status === 'holds') return this.#hold(entry)
    if (entry.status === 'waits') {
      this.#place(entry)
      if (this.#attempt.token === null) {
        this.#attempt.token = entry.token
        pushes.named(key, this)
      }
      this.#tell(entry.ahead)
      const due = dueMs(clock, { retryMs: entry.retryMs, waiterTtlMs })
      const retryMs = listening ? due : Math.min(due, this.#poll(entry.ahead + 1 - (limit ?? 1)))
      return Math.max(1, this.#attempt.sentAt + retryMs - clock.now())
    }
    if (entry.status === 'forbidden' && entry.reason === 'revoked') throw waitRevoked(key, this.#attempt, entry.message)
    // A new id each time: what a refused attempt left behind must not be taken for the next one's.
    this.#startOver()
    if (entry.status !== 'refused') return 0
    this.holders = entry.holders
    this.#tell(entry.holders.length)
    return Math.max(1, Math.min(entry.retryMs, this.#poll(entry.holders.length + 1)))
  }

  #fail(reply: Extract<Outcome<Entry>, { ok: false }>): number {
    if (reply.final) throw reply.error
    if (reply.overdue) this.#startOver()
    return this.#failed(reply.error)
  }

  #failed(error: HoldfastError): number {
    this.#failure = error
    this.#failures += 1
    return failedMs(this.#core.clock, this.#failures)
  }

  #hold(entry: Extract<Entry, { status: 'holds' }>): Grant | number {
    const ticket = ticketOf(this.#core, this.#wanted, { attempt: this.#attempt, entry })
    if (ticket instanceof StoreUnavailableError) {
      this.#startOver()
      return this.#failed(ticket)
    }
    this.#delist()
    return { ticket, handover: 'store' }
  }

  /** It stands in the queue, alive for so long. */
  #place({ token, leftMs }: Extract<Entry, { status: 'waits' }>): void {
    const attempt = this.#attempt
    const { ttlMs, maxHoldMs, key } = this.#wanted
    const { traits } = this.#core.store
    if (attempt.token === null) refuseRegression(this.#core, { key, attempt, token })
    // An enter of ours that is carried out once more, after the ticket came to hold, sets its end to the ttl from then:
    // later than this sending, since then it still waited.
    attempt.aliveUntil = closesAt(attempt.sentAt, Math.min(leftMs, ttlMs, maxHoldMs), traits)
  }

  #tell(ahead: number): void {
    this.ahead = ahead
    this.#onWaiting(ahead)
  }

  #mayStart(now: number): boolean {
    const attempt = this.#attempt
    const wanted = this.#wanted
    return (
      now < attempt.aliveUntil &&
      wanted.autoRenew &&
      wanted.minHoldMs === 0 &&
      attempt.aliveUntil - now >= Math.min(this.#core.waiterTtlMs, wanted.ttlMs) * ENOUGH_LIFE
    )
  }

  /** By a push, which does not say who waits. */
  #start(token: number, now: number): Grant {
    this.#delist()
    const attempt = this.#attempt
    const { id, unanswered } = attempt
    const given = { sentAt: now, leftMs: attempt.aliveUntil - now, validUntil: attempt.aliveUntil }
    const news = { waiters: 0, at: -Infinity }
    const ticket = heldTicket(this.#core, this.#wanted, { ...given, id, unanswered, token, news })
    ticket.renewAt = Math.min(ticket.renewAt, now + RENEW_AFTER_PUSH_MS)
    return { ticket, handover: 'push' }
  }

  // ---------------------------------------------------------------- its place in the queue

  #enlist(): void {
    this.#enlisted = true
    this.#core.pushes.add(this.#wanted.key)
  }

  #delist(): void {
    if (this.#enlisted) this.#core.pushes.remove(this.#wanted.key, this)
    this.#enlisted = false
  }

  #renounce(): void {
    this.#delist()
    abandon(this.#core, this.#wanted.key, this.#attempt)
  }

  #giveBack(): null {
    this.#renounce()
    return null
  }

  #startOver(): void {
    this.#renounce()
    this.#attempt = newAttempt(this.#core, this.#wanted.key)
    this.#pushed = false
    this.#enlist()
  }

  // ---------------------------------------------------------------- waiting

  /** Until a push, a gap, giving up, or the time is over. */
  #pause(ms: number): Promise<void> {
    return new Promise<void>(resolve => {
      if (this.#given || this.#pushed || this.#asked || this.#revoked !== null) return resolve()
      const done = (): void => {
        timer.cancel()
        this.#wake = null
        resolve()
      }
      const timer = this.#core.clock.after(ms, done)
      this.#wake = done
    })
  }

  /** `place`: 1 is the next in line. */
  #poll(place: number): number {
    const { clock } = this.#core
    this.#polls += 1
    return pollMs(clock, { place, times: this.#polls, waitedMs: clock.now() - this.#since })
  }
}
