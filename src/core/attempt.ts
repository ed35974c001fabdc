/**
 * One ticket of ours, from its first enter to its last leave.
 *
 * An attempt has an id of its own, and never a second life: a ticket whose fate is not known is left for good, and its
 * id forbidden, so that a request that is carried out late holds the lock for nobody.
 */
import type { Entry, Mode, TicketView } from '../store/contract.ts'
import { call } from './call.ts'
import type { Outcome } from './call.ts'
import { sleep } from '../base/clock.ts'
import type { Core } from './core.ts'
import { LeaseLostError, StoreUnavailableError } from '../base/errors.ts'
import { createTicket } from './ticket.ts'
import type { Given, HeldTicket } from './ticket.ts'
import { closesAt } from './window.ts'

/** What is asked of the store. */
export interface Wanted {
  readonly key: string
  readonly mode: Mode
  readonly limit: number | null
  readonly ttlMs: number
  readonly autoRenew: boolean
  /** Infinity: none. */
  readonly maxHoldMs: number
  /** 0: none. */
  readonly minHoldMs: number
  /** Size of the block. */
  readonly tokens: number
  readonly meta: Readonly<Record<string, string>>
}

export interface Grant {
  readonly ticket: HeldTicket
  readonly handover: 'store' | 'push'
}
export interface Refusal {
  readonly ticket: null
  readonly holders: readonly TicketView[]
  readonly retryMs: number
}

/** One ticket and what is known of it. */
export interface Attempt {
  readonly id: string
  /** The greatest token seen before its first enter was sent. */
  readonly seen: number
  token: number | null
  /** When its last enter was sent. */
  sentAt: number
  /** Until when it lives by our own clock. */
  aliveUntil: number
  sent: boolean
  /** An enter of it was not answered: it may yet be carried out. */
  unanswered: boolean
}

/** An abandoned request may still be carried out for so long: longer than any client or proxy holds one back. */
const FORBID_MS = 60_000
const LEAVE_AGAIN_MS = { first: 20, most: 1_000 } as const

/**
 * One attempt that leaves nothing behind unless it holds. @throws StoreUnavailableError | UnsupportedError |
 * LeaseLostError
 */
export async function attemptOnce(core: Core, wanted: Wanted): Promise<Grant | Refusal> {
  const { store } = core
  const attempt = newAttempt(core, wanted.key)
  const reply = await enterOnce(core, wanted, { attempt, queue: false })
  try {
    if (!reply.ok) throw reply.error
    const entry = reply.value
    if (entry.status === 'refused') return { ticket: null, holders: entry.holders, retryMs: entry.retryMs }
    if (entry.status !== 'holds')
      throw new StoreUnavailableError(
        `${store.traits.name} answered "${entry.status}" to a new ticket of "${wanted.key}".`,
        { key: wanted.key },
      )
    const ticket = ticketOf(core, wanted, { attempt, entry })
    if (ticket instanceof StoreUnavailableError) throw ticket
    return { ticket, handover: 'store' }
  } catch (error) {
    abandon(core, wanted.key, attempt)
    throw error
  }
}

/** Takes a ticket out, and goes on trying in the background when the store does not answer. */
export async function leaveTicket(
  core: Core,
  ticket: Pick<HeldTicket, 'key' | 'id' | 'keepUntil' | 'unanswered'>,
): Promise<Outcome<{ readonly was: 'held' | 'waiting' | 'absent' }>> {
  const { clock, store, storeTimeoutMs } = core
  // Lost or released: what was promised to last until then does.
  const keepMs = Math.max(0, Math.ceil(ticket.keepUntil - clock.now()))
  const leave = { key: ticket.key, id: ticket.id, keepMs, forbidMs: ticket.unanswered ? FORBID_MS : 0 }
  const outcome = await call(core, { verb: 'leave', key: leave.key, timeoutMs: storeTimeoutMs }, io =>
    store.leave(leave, io),
  )
  if (!outcome.ok) {
    core.events.emit({ type: 'store-error', verb: 'leave', cause: outcome.error })
    core.background.run(leaveUntilAnswered(core, { ...leave, forbidMs: FORBID_MS }))
  }
  return outcome
}

export function newAttempt(core: Core, key: string): Attempt {
  const seen = core.newest.of(key)
  return { id: core.clock.id(), seen, token: null, sentAt: 0, aliveUntil: 0, sent: false, unanswered: false }
}

/** `queue`: a ticket that cannot hold now waits. */
export async function enterOnce(
  core: Core,
  wanted: Wanted,
  { attempt, queue }: { readonly attempt: Attempt; readonly queue: boolean },
): Promise<Outcome<Entry>> {
  const { clock, store } = core
  const { key, mode, limit, tokens, meta } = wanted
  const ttlMs = Math.max(wanted.minHoldMs, Math.min(wanted.ttlMs, wanted.maxHoldMs))
  const request = {
    key,
    id: attempt.id,
    holder: core.holder,
    mode,
    limit,
    ttlMs,
    waiterTtlMs: core.waiterTtlMs,
    queue,
    tokens,
    meta,
  }
  if (!core.connecting.done) {
    const connected = await core.connecting.connect(key)
    if (!connected.ok) {
      core.events.emit({ type: 'store-error', verb: 'connect', cause: connected.error })
      return connected
    }
  }
  attempt.sent = true
  attempt.sentAt = clock.now()
  const outcome = await call(core, { verb: 'enter', key, timeoutMs: core.storeTimeoutMs }, io =>
    store.enter(attempt.token === null ? request : { ...request, token: attempt.token }, io),
  )
  if (!outcome.ok) {
    if (outcome.ambiguous) attempt.unanswered = true
    core.events.emit({ type: 'store-error', verb: 'enter', cause: outcome.error })
  } else if (
    outcome.value.status === 'refused' ||
    outcome.value.status === 'gone' ||
    (outcome.value.status === 'forbidden' && outcome.value.reason === 'left')
  ) {
    // Not so a revoked one: if it holds, it stands there until its owner leaves.
    attempt.sent = attempt.unanswered
  }
  return outcome
}

/** @throws LeaseLostError  the token is not above what was seen before this ticket was asked for */
export function refuseRegression(
  core: Core,
  { key, attempt, token }: { readonly key: string; readonly attempt: Attempt; readonly token: number },
): void {
  if (core.store.traits.fencing && token <= attempt.seen) {
    core.events.emit({ type: 'lost', key, token, heldMs: 0, agoMs: 0, reason: 'store-regressed' })
    throw new LeaseLostError(
      `${core.store.traits.name} gave token ${token} for "${key}" after ${attempt.seen}: it has lost its memory and its clock. Nothing was taken; check the store.`,
      { key, token, reason: 'store-regressed' },
    )
  }
}

/**
 * What the answer "holds" gives; an error: it came too late to be worth anything.
 * @throws LeaseLostError  the store has lost its memory
 */
export function ticketOf(
  core: Core,
  wanted: Wanted,
  answer: { readonly attempt: Attempt; readonly entry: Extract<Entry, { status: 'holds' }> },
): HeldTicket | StoreUnavailableError {
  const { clock, store } = core
  const { attempt, entry } = answer
  const { id, sentAt, unanswered } = attempt
  const { token, leftMs, waiters } = entry
  refuseRegression(core, { key: wanted.key, attempt, token })
  const validUntil = closesAt(sentAt, leftMs, store.traits)
  if (clock.now() < validUntil)
    return heldTicket(core, wanted, {
      id,
      unanswered,
      token,
      sentAt,
      validUntil,
      leftMs,
      news: { waiters, at: sentAt },
    })
  return new StoreUnavailableError(
    `${store.traits.name} took longer to grant "${wanted.key}" than the ttl of ${wanted.ttlMs} ms lasts.`,
    { key: wanted.key },
  )
}

export function waitRevoked(key: string, attempt: Attempt, reason: string): LeaseLostError {
  return new LeaseLostError(`Waiting for "${key}" was ended by an operator: ${reason}.`, {
    key,
    token: attempt.token ?? 0,
    reason: 'revoked',
  })
}

export function heldTicket(
  core: Core,
  wanted: Wanted,
  grant: Given & {
    readonly id: string
    readonly unanswered: boolean
    readonly token: number
    /** Tickets that wait in the store, as of the sending of what told so. */
    readonly news: { readonly waiters: number; readonly at: number }
  },
): HeldTicket {
  const { key, mode, tokens, ttlMs, autoRenew, minHoldMs, maxHoldMs } = wanted
  const { id, token, unanswered, news } = grant
  core.newest.saw(key, token + tokens - 1)
  const keepUntil = minHoldMs > 0 ? core.clock.now() + minHoldMs : 0
  const facts = { key, id, token, tokens, mode, ttlMs, autoRenew, maxHoldMs, keepUntil, unanswered }
  const ticket = createTicket(core.clock, facts, grant)
  ticket.waiters = news.waiters
  ticket.newsAt = news.at
  return ticket
}

/** Nobody wants this ticket any more. */
export function abandon(core: Core, key: string, attempt: Attempt): void {
  if (!attempt.sent) return
  attempt.sent = false
  core.background.run(
    leaveUntilAnswered(core, { key, id: attempt.id, keepMs: 0, forbidMs: attempt.unanswered ? FORBID_MS : 0 }),
  )
}

/** Until the store has answered, or nothing of the ticket can be alive any more. Never rejects. */
async function leaveUntilAnswered(
  core: Core,
  leave: { readonly key: string; readonly id: string; readonly keepMs: number; readonly forbidMs: number },
): Promise<void> {
  const { clock, store } = core
  const asked = { verb: 'leave', key: leave.key, timeoutMs: core.storeTimeoutMs }
  const until = clock.now() + FORBID_MS
  for (let times = 0; times === 0 || (clock.now() < until && !core.background.closing); times += 1) {
    const outcome = await call(core, asked, io => store.leave(leave, io))
    if (outcome.ok || outcome.final) return
    core.events.emit({ type: 'store-error', verb: 'leave', cause: outcome.error })
    if (core.background.closing) return
    await sleep(clock, Math.min(LEAVE_AGAIN_MS.most, LEAVE_AGAIN_MS.first * 2 ** times), { idle: true })
  }
}
