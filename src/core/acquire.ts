/**
 * From wanting a lock to a ticket that holds: enter, wait, retry, give up. Written once, for every store.
 *
 * A pursuit waits without limit; who wants a limit gives it up. It enters one ticket and keeps it alive by entering again,
 * until the store says or pushes that it holds. It starts on a push only if its own ticket is alive by its own clock.
 * A ticket whose fate is not known is left for good, so that a request that is carried out late holds the lock for nobody.
 */
import type { Entry, Mode, TicketView } from '../store/contract.ts'
import { call } from './call.ts'
import type { Outcome } from './call.ts'
import { sleep } from './clock.ts'
import type { Core } from './core.ts'
import { LeaseLostError, StoreUnavailableError } from './errors.ts'
import type { HoldfastError } from './errors.ts'
import type { PushTarget } from './pushes.ts'
import { nextRenewal } from './renewal.ts'
import { NOBODY } from './ticket.ts'
import type { HeldTicket } from './ticket.ts'
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

/** A ticket that starts on a push has half of its waiting life left at least: time enough to renew, or it refreshes first. */
const ENOUGH_LIFE = 1 / 2
/**
 * A lease that a push has started is renewed to its full ttl so long after its start: most sections are over by then, and so
 * cost one enter and one leave, however many wait.
 */
const RENEW_AFTER_PUSH_MS = 25
/** An abandoned request may still be carried out for so long: longer than any client or proxy holds one back. */
const FORBID_MS = 60_000
const FAILED_RETRY_MS = { first: 20, most: 1_000 } as const
const POLL_MS = { first: 5, most: 100 } as const

/** Tickets that wait in the store, as of the sending of what told so. */
interface News {
  readonly waiters: number
  readonly at: number
}

/** One ticket and what is known of it. */
interface Attempt {
  readonly id: string
  /** The greatest token seen before its first enter was sent. */
  readonly seen: number
  token: number | null
  /** Until when it lives by our own clock. */
  aliveUntil: number
  sent: boolean
  /** An enter of it was not answered: it may yet be carried out. */
  unanswered: boolean
}

export function pursue(core: Core, wanted: Wanted, onWaiting: (ahead: number) => void): Pursuit {
  const { clock, store, pushes } = core
  let attempt = newAttempt(core, wanted.key)
  let ahead = 0
  let holders: readonly TicketView[] = []
  let failure: HoldfastError | null = null
  let failures = 0
  let polls = 0
  let callSince: number | null = clock.now()
  let given = false
  let wake: () => void = () => {}
  let pushed = false
  let revoked: string | null = null
  let asked = false
  let enlisted = false

  const target: PushTarget = {
    get token() {
      return attempt.token
    },
    holds() {
      pushed = true
      wake()
    },
    revoked(reason) {
      revoked = reason
      wake()
    },
    gap() {
      asked = true
      wake()
    },
  }

  /** Until a push, a gap, giving up, or the time is over. */
  async function pause(ms: number): Promise<void> {
    if (given || pushed || asked || revoked !== null) return
    const cut = new Promise<void>(resolve => (wake = resolve))
    const timer = clock.after(ms, () => wake())
    await cut
    timer.cancel()
    wake = () => {}
  }

  function enlist(): void {
    enlisted = true
    pushes.add(wanted.key)
  }

  function delist(): void {
    if (enlisted) pushes.remove(wanted.key, target)
    enlisted = false
  }

  function renounce(): void {
    delist()
    abandon(core, wanted.key, attempt)
  }

  function giveBack(): null {
    renounce()
    return null
  }

  function startOver(): void {
    renounce()
    attempt = newAttempt(core, wanted.key)
    pushed = false
    enlist()
  }

  function mayStart(now: number): boolean {
    return now < attempt.aliveUntil && wanted.autoRenew && wanted.minHoldMs === 0 && attempt.aliveUntil - now >= core.waiterTtlMs * ENOUGH_LIFE
  }

  function hold(token: number, sentAt: number, validUntil: number, news: News, handover: Grant['handover']): Grant {
    delist()
    const ticket = heldTicket(core, wanted, { id: attempt.id, unanswered: attempt.unanswered, token, sentAt, validUntil, news })
    if (handover === 'push') ticket.renewAt = Math.min(ticket.renewAt, sentAt + RENEW_AFTER_PUSH_MS)
    return { ticket, handover }
  }

  async function chase(): Promise<Grant | null> {
    try {
      const listening = !store.traits.queue ? false : await pushes.ready()
      enlist()
      for (;;) {
        if (given) return giveBack()
        const now = clock.now()
        if (pushed && attempt.token !== null && mayStart(now)) {
          const validUntil = Math.min(attempt.aliveUntil, now + wanted.ttlMs)
          return hold(attempt.token, now, validUntil, { waiters: 0, at: -Infinity }, 'push')
        }
        pushed = false
        asked = false

        callSince = now
        const reply = await enterOnce(core, wanted, attempt, true)
        callSince = null
        if (!reply.ok) {
          failure = reply.error
          failures += 1
          if (reply.final) throw reply.error
          if (reply.overdue) startOver()
          await pause(backoff(FAILED_RETRY_MS, failures))
          continue
        }
        const entry = reply.value
        if (given && entry.status !== 'holds' && entry.status !== 'waits') return giveBack()
        failure = null
        failures = 0

        if (entry.status === 'holds') {
          if (given) return giveBack()
          refuseRegression(core, wanted.key, attempt, entry.token)
          const validUntil = closesAt(now, entry.leftMs, store.traits)
          if (clock.now() < validUntil) return hold(entry.token, now, validUntil, { waiters: entry.waiters, at: now }, 'store')
          failure = new StoreUnavailableError(`${store.traits.name} took longer to grant "${wanted.key}" than the ttl of ${wanted.ttlMs} ms lasts.`, {
            key: wanted.key,
          })
          failures += 1
          startOver()
          await pause(backoff(FAILED_RETRY_MS, failures))
        } else if (entry.status === 'waits') {
          if (attempt.token === null) {
            refuseRegression(core, wanted.key, attempt, entry.token)
            attempt.token = entry.token
            pushes.named(wanted.key, target)
          }
          attempt.aliveUntil = closesAt(now, entry.leftMs, store.traits)
          ahead = entry.ahead
          onWaiting(ahead)
          await pause(Math.max(1, now + (listening ? entry.retryMs : Math.min(entry.retryMs, poll())) - clock.now()))
          if (revoked !== null) throw waitRevoked(wanted.key, attempt, revoked)
        } else if (entry.status === 'refused') {
          // A new id each time: what a refused attempt left behind must not be taken for the next one's.
          startOver()
          holders = entry.holders
          ahead = holders.length
          onWaiting(ahead)
          await pause(Math.max(1, Math.min(entry.retryMs, poll())))
        } else if (entry.status === 'forbidden' && entry.reason === 'revoked') {
          throw waitRevoked(wanted.key, attempt, entry.message)
        } else {
          startOver()
        }
      }
    } catch (error) {
      renounce()
      throw error
    }
  }

  /** Random, so that those who were refused together do not come again together. */
  function poll(): number {
    polls += 1
    return backoff(POLL_MS, polls)
  }

  function backoff(range: { readonly first: number; readonly most: number }, times: number): number {
    return Math.min(range.most, range.first * 1.5 ** (times - 1)) * (0.5 + clock.random() / 2)
  }

  return {
    grant: chase(),
    get ahead() {
      return ahead
    },
    get holders() {
      return holders
    },
    trouble() {
      if (failure !== null) return failure
      const silentMs = callSince === null ? 0 : clock.now() - callSince
      const neverAnswered = ahead === 0 && holders.length === 0
      if (callSince === null || (!neverAnswered && silentMs < core.storeTimeoutMs / 4)) return null
      return new StoreUnavailableError(`${store.traits.name} has not answered "enter" of "${wanted.key}" for ${Math.round(silentMs)} ms.`, { key: wanted.key })
    },
    giveUp() {
      if (given) return
      given = true
      // Out of the queue at once if its fate is known; a request under way is waited for first.
      if (callSince === null) renounce()
      wake()
    },
  }
}

/** One attempt that leaves nothing behind unless it holds. @throws StoreUnavailableError | UnsupportedError | LeaseLostError */
export async function attemptOnce(core: Core, wanted: Wanted): Promise<Grant | Refusal> {
  const { clock, store } = core
  const attempt = newAttempt(core, wanted.key)
  const sentAt = clock.now()
  const reply = await enterOnce(core, wanted, attempt, false)
  try {
    if (!reply.ok) throw reply.error
    const entry = reply.value
    if (entry.status === 'refused') return { ticket: null, holders: entry.holders, retryMs: entry.retryMs }
    if (entry.status !== 'holds')
      throw new StoreUnavailableError(`${store.traits.name} answered "${entry.status}" to a new ticket of "${wanted.key}".`, { key: wanted.key })
    refuseRegression(core, wanted.key, attempt, entry.token)
    const validUntil = closesAt(sentAt, entry.leftMs, store.traits)
    if (clock.now() >= validUntil) {
      throw new StoreUnavailableError(`${store.traits.name} took longer to grant "${wanted.key}" than the ttl of ${wanted.ttlMs} ms lasts.`, {
        key: wanted.key,
      })
    }
    return {
      ticket: heldTicket(core, wanted, {
        id: attempt.id,
        unanswered: attempt.unanswered,
        token: entry.token,
        sentAt,
        validUntil,
        news: { waiters: entry.waiters, at: sentAt },
      }),
      handover: 'store',
    }
  } catch (error) {
    abandon(core, wanted.key, attempt)
    throw error
  }
}

/** Takes a ticket out, and goes on trying in the background when the store does not answer. */
export async function leaveTicket(core: Core, ticket: HeldTicket): Promise<Outcome<{ readonly was: 'held' | 'waiting' | 'absent' }>> {
  const { clock, store } = core
  // Lost or released: what was promised to last until then does.
  const keepMs = Math.max(0, Math.ceil(ticket.keepUntil - clock.now()))
  const leave = { key: ticket.key, id: ticket.id, keepMs, forbidMs: ticket.unanswered ? FORBID_MS : 0 }
  const outcome = await call(clock, store, 'leave', ticket.key, core.storeTimeoutMs, io => store.leave(leave, io))
  if (!outcome.ok) {
    core.events.emit({ type: 'store-error', verb: 'leave', cause: outcome.error })
    core.background.run(leaveUntilAnswered(core, { ...leave, forbidMs: FORBID_MS }))
  }
  return outcome
}

function newAttempt(core: Core, key: string): Attempt {
  return { id: core.clock.id(), seen: core.newest.of(key), token: null, aliveUntil: 0, sent: false, unanswered: false }
}

async function enterOnce(core: Core, wanted: Wanted, attempt: Attempt, queue: boolean): Promise<Outcome<Entry>> {
  const { clock, store } = core
  const { key, mode, limit, tokens, meta } = wanted
  const ttlMs = Math.max(wanted.minHoldMs, Math.min(wanted.ttlMs, wanted.maxHoldMs))
  const request = { key, id: attempt.id, holder: core.holder, mode, limit, ttlMs, waiterTtlMs: core.waiterTtlMs, queue, tokens, meta }
  attempt.sent = true
  const outcome = await call(clock, store, 'enter', key, core.storeTimeoutMs, io =>
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
function refuseRegression(core: Core, key: string, attempt: Attempt, token: number): void {
  if (core.store.traits.fencing && token <= attempt.seen) {
    core.events.emit({ type: 'lost', key, token, heldMs: 0, reason: 'store-regressed' })
    throw new LeaseLostError(
      `${core.store.traits.name} gave token ${token} for "${key}" after ${attempt.seen}: it has lost its memory and its clock. Nothing was taken; check the store.`,
      { key, token, reason: 'store-regressed' },
    )
  }
}

function waitRevoked(key: string, attempt: Attempt, reason: string): LeaseLostError {
  return new LeaseLostError(`Waiting for "${key}" was ended by an operator: ${reason}.`, { key, token: attempt.token ?? 0, reason: 'revoked' })
}

function heldTicket(
  core: Core,
  wanted: Wanted,
  grant: {
    readonly id: string
    readonly unanswered: boolean
    readonly token: number
    readonly sentAt: number
    readonly validUntil: number
    readonly news: News
  },
): HeldTicket {
  const { key, mode, tokens, ttlMs, autoRenew } = wanted
  const { id, token, sentAt, news } = grant
  const now = core.clock.now()
  const endsAt = now + wanted.maxHoldMs
  core.newest.saw(key, token + tokens - 1)
  return {
    key,
    id,
    token,
    tokens,
    mode,
    ttlMs,
    autoRenew,
    endsAt,
    keepUntil: wanted.minHoldMs > 0 ? now + wanted.minHoldMs : 0,
    unanswered: grant.unanswered,
    validUntil: Math.min(grant.validUntil, endsAt),
    renewAt: nextRenewal(sentAt, { ttlMs, endsAt }),
    state: 'held',
    waiters: news.waiters,
    newsAt: news.at,
    observer: NOBODY,
  }
}

/** Nobody wants this ticket any more. */
function abandon(core: Core, key: string, attempt: Attempt): void {
  if (!attempt.sent) return
  attempt.sent = false
  core.background.run(leaveUntilAnswered(core, { key, id: attempt.id, keepMs: 0, forbidMs: attempt.unanswered ? FORBID_MS : 0 }))
}

/** Until the store has answered, or nothing of the ticket can be alive any more. Never rejects. */
async function leaveUntilAnswered(
  core: Core,
  leave: { readonly key: string; readonly id: string; readonly keepMs: number; readonly forbidMs: number },
): Promise<void> {
  const { clock, store } = core
  const until = clock.now() + FORBID_MS
  for (let times = 0; times === 0 || (clock.now() < until && !core.background.closing); times += 1) {
    const outcome = await call(clock, store, 'leave', leave.key, core.storeTimeoutMs, io => store.leave(leave, io))
    if (outcome.ok || outcome.final) return
    core.events.emit({ type: 'store-error', verb: 'leave', cause: outcome.error })
    if (core.background.closing) return
    await sleep(clock, Math.min(FAILED_RETRY_MS.most, FAILED_RETRY_MS.first * 2 ** times), { idle: true })
  }
}
