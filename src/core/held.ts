/**
 * The life of a ticket that holds, from its grant to its leave: the leases on it, what is told to their holders, and
 * when it is left. It is left when nobody wants it any more and its last task has settled, lost or not.
 */
import { leaveTicket } from './attempt.ts'
import type { Grant } from './attempt.ts'
import type { Core } from './core.ts'
import { OpenLease } from './lease.ts'
import type { ReleaseResult } from './lease.ts'
import { isFresh, mayPass, UNUSED } from './passing.ts'
import type { CohortLimits, Verdict } from './passing.ts'
import type { Risk } from './risk.ts'
import { isOpen } from './ticket.ts'
import type { HeldTicket, TicketObserver } from './ticket.ts'
import type { LeaseLostReason } from '../store/contract.ts'

/** A class, since a busy key makes very many: one object each, which is also what its ticket tells. */
export class Held implements TicketObserver {
  readonly ticket: HeldTicket
  readonly handover: Grant['handover']
  readonly running = new Set<OpenLease>()
  /** Something has changed: a task has settled, the ticket is lost, the store has answered. */
  readonly changed: () => void
  /** More leases may come: it is not left although no task runs. */
  wanted = true
  passing = UNUSED
  /** The store is being asked who waits. */
  asking = false
  leaving: Promise<ReleaseResult> | null = null
  readonly #life: Life

  constructor(life: Life, { ticket, handover }: Grant, changed: () => void) {
    this.#life = life
    this.ticket = ticket
    this.handover = handover
    this.changed = changed
    ticket.observer = this
  }

  settle(open: OpenLease): Promise<ReleaseResult> {
    return this.#life.settle(this, open)
  }

  lost(reason: LeaseLostReason, message: string): void {
    this.#life.lost(this, reason, message)
  }

  suspect(cause: unknown): void {
    this.#life.suspect(this, cause)
  }

  renewed(tookMs: number, sentAt: number): void {
    this.#life.renewed(this, tookMs, sentAt)
  }
}

/** What the tasks and the ticket of one have to tell, and is dealt with for all of them in one place. */
interface Life {
  settle(held: Held, open: OpenLease): Promise<ReleaseResult>
  lost(held: Held, reason: LeaseLostReason, message: string): void
  suspect(held: Held, cause: unknown): void
  renewed(held: Held, tookMs: number, sentAt: number): void
}

export interface Helds {
  /** `changed` is called whenever the ticket's fate may be decided anew. */
  adopt(grant: Grant, changed: () => void): Held
  /** Whether it may carry one more lease now; if so, that is counted. */
  next(held: Held): Verdict
  /** Renews, which tells whether somebody waits. If that does not help, the ticket has carried its last lease. */
  ask(held: Held): void
  /** After a verdict to pass. */
  lease(held: Held): OpenLease
  /** Nobody wants it any more: left as soon as no task runs on it. */
  letGo(held: Held): void
  /** Leases whose tasks still run. */
  readonly active: number
  /** Called when no task runs any more. */
  onIdle(tell: () => void): void
}

export function createHelds(core: Core, limits: CohortLimits, risk: Risk): Helds {
  const { clock, events, renewer } = core
  let active = 0
  let idle = (): void => {}

  const life: Life = { settle, lost, suspect, renewed }

  function adopt(grant: Grant, changed: () => void): Held {
    const held = new Held(life, grant, changed)
    renewer.watch(held.ticket)
    return held
  }

  function lost(held: Held, reason: LeaseLostReason, message: string): void {
    const { ticket, running } = held
    // The tasks that wait go back to the store; those that run keep their ticket's memory until they have settled.
    renewer.unwatch(ticket)
    held.wanted = false
    for (const open of [...running]) {
      if (reason === 'revoked') events.emit({ type: 'revoked', key: ticket.key, token: open.token, reason: message })
      open.lose(reason, reason === 'revoked' ? `it was revoked (${message})` : message)
    }
    // Lost between two tasks, while the store was asked who waits: no task will leave for it.
    leaveWhenDone(held)
    held.changed()
  }

  function suspect({ ticket, running }: Held, cause: unknown): void {
    const { key } = ticket
    for (const { token } of [...running])
      events.emit({ type: 'suspect', key, token, leftMs: ticket.validUntil - clock.now(), cause })
  }

  function renewed({ ticket, running }: Held, tookMs: number, sentAt: number): void {
    for (const open of running) open.proven(sentAt)
    if (!events.wants('renewed')) return
    for (const { token } of [...running]) events.emit({ type: 'renewed', key: ticket.key, token, tookMs })
  }

  function next(held: Held): Verdict {
    if (!isOpen(held.ticket)) return 'stop'
    const { verdict, next } = mayPass(held.passing, { ticket: held.ticket, limits, now: clock.now() })
    held.passing = next
    return verdict
  }

  function ask(held: Held): void {
    const { ticket } = held
    held.asking = true
    const done = (): void => {
      held.asking = false
      if (!isFresh({ ticket, limits, now: clock.now() })) held.passing = { ...held.passing, used: ticket.tokens }
      held.changed()
    }
    renewer.renew(ticket, ticket.ttlMs).then(done, done)
  }

  function lease(held: Held): OpenLease {
    const { ticket } = held
    const token = ticket.token === 0 ? 0 : ticket.token + held.passing.used - 1
    const open = new OpenLease(core, { ticket, token, settling: held })
    held.running.add(open)
    active += 1
    return open
  }

  async function settle(held: Held, open: OpenLease): Promise<ReleaseResult> {
    const heldMs = clock.now() - open.since
    active -= 1
    if (active === 0) idle()
    held.running.delete(open)
    risk.held(open, held.ticket.ttlMs)
    if (held.ticket.state === 'lost') {
      leaveWhenDone(held)
      await held.leaving
      return 'lost'
    }
    held.changed()
    leaveWhenDone(held)
    return report(open, held.leaving === null ? 'released' : await held.leaving, heldMs)
  }

  function report(open: OpenLease, result: ReleaseResult, heldMs: number): ReleaseResult {
    const { key } = open
    if (result !== 'lost' && !events.wants('released')) return result
    // A holder ends when its leave is sent: the next may hold long before the answer is here.
    const agoMs = clock.now() - open.since - heldMs
    if (result === 'lost') events.emit({ type: 'lost', key, token: open.token, heldMs, agoMs, reason: 'gone' })
    else events.emit({ type: 'released', key, token: open.token, heldMs, agoMs })
    return result
  }

  function leaveWhenDone(held: Held): void {
    if (held.wanted || held.running.size > 0 || held.leaving !== null) return
    held.leaving = leave(held)
  }

  async function leave({ ticket, passing }: Held): Promise<ReleaseResult> {
    if (isOpen(ticket)) ticket.state = 'left'
    // What no task has had is not kept for anybody.
    const { key, id, unanswered } = ticket
    const keepUntil = passing.used === 0 ? 0 : ticket.keepUntil
    const leaving = leaveTicket(core, { key, id, unanswered, keepUntil })
    // Even if nobody waits for the answer, close() does: a connection must not end before its last leave is out.
    core.background.run(leaving)
    renewer.unwatch(ticket)
    const outcome = await leaving
    if (!outcome.ok) return 'unconfirmed'
    return outcome.value.was === 'held' ? 'released' : 'lost'
  }

  return {
    adopt,
    next,
    ask,
    lease,
    letGo(held) {
      held.wanted = false
      leaveWhenDone(held)
    },
    get active() {
      return active
    },
    onIdle: tell => void (idle = tell),
  }
}
