/**
 * From wanting a lock to a ticket that holds: enter, wait, retry, give up. Written once, for every store.
 *
 * A pursuit waits without limit; who wants a limit gives it up. It enters one ticket and keeps it alive by entering
 * again, until the store says or pushes that it holds. It starts on a push only if its own ticket is alive by its own
 * clock.
 */
import type { TicketView } from '../store/contract.ts'
import { abandon, enterOnce, heldTicket, newAttempt, refuseRegression, ticketOf, waitRevoked } from './attempt.ts'
import type { Grant, Wanted } from './attempt.ts'
import type { Core } from './core.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import type { HoldfastError } from '../base/errors.ts'
import type { PushTarget } from './pushes.ts'
import type { Given } from './ticket.ts'
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
const FAILED_RETRY_MS = { first: 20, most: 1_000 } as const
/**
 * Where nothing is pushed. The next in line asks often, and less often the longer it has waited already: a fiftieth of
 * that more is not felt. Those further behind need not hurry.
 */
const POLL_MS = { first: 5, next: 20, others: 100, each: 20, most: 1_000 } as const
const POLL_WAITED = 1 / 50

export function pursue(core: Core, wanted: Wanted, onWaiting: (ahead: number) => void): Pursuit {
  const { clock, store, pushes } = core
  let attempt = newAttempt(core, wanted.key)
  let ahead = 0
  let holders: readonly TicketView[] = []
  let failure: HoldfastError | null = null
  let failures = 0
  let polls = 0
  const since = clock.now()
  let callSince: number | null = since
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
    return (
      now < attempt.aliveUntil &&
      wanted.autoRenew &&
      wanted.minHoldMs === 0 &&
      attempt.aliveUntil - now >= Math.min(core.waiterTtlMs, wanted.ttlMs) * ENOUGH_LIFE
    )
  }

  /** By a push, which does not say who waits. */
  function start(token: number, given: Given): Grant {
    delist()
    const { id, unanswered } = attempt
    const news = { waiters: 0, at: -Infinity }
    const ticket = heldTicket(core, wanted, { ...given, id, unanswered, token, news })
    ticket.renewAt = Math.min(ticket.renewAt, given.sentAt + RENEW_AFTER_PUSH_MS)
    return { ticket, handover: 'push' }
  }

  async function chase(): Promise<Grant | null> {
    try {
      const listening = !store.traits.queue ? false : await pushes.ready()
      enlist()
      for (;;) {
        if (given) return giveBack()
        const now = clock.now()
        if (pushed && attempt.token !== null && mayStart(now)) {
          const given = { sentAt: now, leftMs: attempt.aliveUntil - now, validUntil: attempt.aliveUntil }
          return start(attempt.token, given)
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
          const ticket = ticketOf(core, wanted, { attempt, entry })
          if (!(ticket instanceof StoreUnavailableError)) {
            delist()
            return { ticket, handover: 'store' }
          }
          failure = ticket
          failures += 1
          startOver()
          await pause(backoff(FAILED_RETRY_MS, failures))
        } else if (entry.status === 'waits') {
          if (attempt.token === null) {
            refuseRegression(core, wanted.key, attempt, entry.token)
            attempt.token = entry.token
            pushes.named(wanted.key, target)
          }
          // An enter of ours that is carried out once more, after the ticket came to hold, sets its end to the ttl from then:
          // later than this sending, since then it still waited.
          attempt.aliveUntil = closesAt(
            attempt.sentAt,
            Math.min(entry.leftMs, wanted.ttlMs, wanted.maxHoldMs),
            store.traits,
          )
          ahead = entry.ahead
          onWaiting(ahead)
          const retryMs = listening
            ? entry.retryMs
            : Math.min(entry.retryMs, poll(entry.ahead + 1 - (wanted.limit ?? 1)))
          await pause(Math.max(1, attempt.sentAt + retryMs - clock.now()))
          if (revoked !== null) throw waitRevoked(wanted.key, attempt, revoked)
        } else if (entry.status === 'refused') {
          // A new id each time: what a refused attempt left behind must not be taken for the next one's.
          startOver()
          holders = entry.holders
          ahead = holders.length
          onWaiting(ahead)
          await pause(Math.max(1, Math.min(entry.retryMs, poll(holders.length + 1))))
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

  /** `place`: 1 is the next in line. Random, so that those who were refused together do not come again together. */
  function poll(place: number): number {
    polls += 1
    const most =
      place > 1
        ? Math.min(POLL_MS.most, Math.max(POLL_MS.others, place * POLL_MS.each))
        : Math.min(POLL_MS.others, Math.max(POLL_MS.next, (clock.now() - since) * POLL_WAITED))
    return backoff({ first: POLL_MS.first, most }, polls)
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
      return new StoreUnavailableError(
        `${store.traits.name} has not answered "enter" of "${wanted.key}" for ${Math.round(silentMs)} ms.`,
        { key: wanted.key },
      )
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
