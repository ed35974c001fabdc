/**
 * The pure transitions around the rule. A lock is ONE ordered list of live tickets; everything else follows.
 *
 * The transitions take the queue as it was and the time, and give the queue as it is now, the answer, and whom to tell.
 * They do no I/O and read no clock, so a store that can compare and swap a record is a driver in forty lines, and the
 * model that every other driver is tested against is this file.
 *
 * Order of work in each: remove the tickets whose time is up, then act. Removed, not skipped: a late heartbeat must not
 * find an expired ticket and bring it back while somebody else holds.
 */
import { leftOf, place, refusal, viewTicket } from './answers.ts'
import type { LockView } from '../base/view.ts'
import type { Entry, LeaveRequest, Renewal, RenewRequest, RevokeRequest, TicketRequest, Was } from './contract.ts'
import { holding } from './rule.ts'
import type { Forbidden, Now, Queue, Ticket } from './rule.ts'

export { EMPTY, holding } from './rule.ts'
export type { Forbidden, Now, Queue, Ticket } from './rule.ts'

/**
 * `queue`: the very one that was given if nothing has changed, and then nothing need be written. `holds`: tokens of
 * tickets, the caller's own left out, that hold since this step. `revoked`: tickets whose owners must be told.
 */
export interface Step<Answer> {
  readonly queue: Queue
  readonly answer: Answer
  readonly holds: readonly number[]
  readonly revoked: readonly { readonly token: number; readonly reason: string }[]
}

/**
 * Who waits and asks again with more than this part of its life left changes nothing: a poll need not write. A
 * heartbeat, which comes after a third, always refreshes.
 */
export const FRESH = 3 / 4
/**
 * An end farther away than the ticket's own life tells of a clock that was set back, and is cut. Not at once: between
 * the reading of a clock and the use of it a statement may pass, and what is alive must not be cut for that.
 */
const TOLERANCE_MS = 1_000
/**
 * How long a revoked waiter's id stays forbidden: long enough for its owner, which asks every few seconds, to learn
 * why.
 */
const REVOKED_MS = 60_000
/**
 * Records are kept for a day after the clock has passed their last token, so that tokens grow even if it is set back a
 * little.
 */
const REMEMBER_MICROS = 86_400e6

export function enter(before: Queue, request: TicketRequest & Pick<Ticket, 'extra'>, now: Now): Step<Entry> {
  const queue = sweep(before, now)
  const forbidden = queue.forbidden.find(entry => entry.id === request.id)
  if (forbidden)
    return settle(queue, now, { status: 'forbidden', reason: forbidden.reason, message: forbidden.message })

  const index = queue.tickets.findIndex(ticket => ticket.id === request.id)
  const ticket = queue.tickets[index]
  if (ticket) return enterAgain(queue, { index, ticket, request }, now)
  if (request.token !== undefined) return settle(queue, now, { status: 'gone' })

  const token = Math.max(queue.end, now.micros)
  if (!Number.isSafeInteger(token + request.tokens))
    throw new RangeError(`The token ${token} of "${request.key}" is beyond the safe integers.`)
  const holds = holding([...queue.tickets, request]) > queue.tickets.length
  if (!holds && !request.queue) return settle(queue, now, refusal(queue.tickets, now))

  const { id, tokens, holder, mode, limit, meta } = request
  const lifeMs = holds ? request.ttlMs : request.waiterTtlMs
  const fresh: Ticket = {
    id,
    token,
    tokens,
    holder,
    mode,
    limit,
    meta,
    enteredAt: now.ms,
    heldAt: holds ? now.ms : null,
    expiresAt: now.ms + lifeMs,
    lifeMs,
    claimMs: holds ? null : request.ttlMs,
    kept: false,
    revoked: null,
    ...(request.extra === undefined ? {} : { extra: request.extra }),
  }
  const tickets = [...queue.tickets, fresh]
  return settle({ ...queue, tickets, end: token + tokens }, now, place(tickets, tickets.length - 1, request, now))
}

/** The heartbeat and the poll of one that waits, the claim of one that holds. */
function enterAgain(
  queue: Queue,
  { index, ticket, request }: { readonly index: number; readonly ticket: Ticket; readonly request: TicketRequest },
  now: Now,
): Step<Entry> {
  if (ticket.kept)
    return settle(queue, now, { status: 'forbidden', reason: 'left', message: 'the ticket was left and is kept' })
  if (ticket.revoked !== null)
    return settle(queue, now, { status: 'forbidden', reason: 'revoked', message: ticket.revoked })
  const holds = index < holding(queue.tickets)
  const isFresh = ticket.expiresAt - now.ms > request.waiterTtlMs * FRESH
  const prolonged = holds
    ? claim(ticket, request.ttlMs, now)
    : isFresh
      ? ticket
      : prolong(ticket, request.waiterTtlMs, now)
  const after = put(queue, index, prolonged)
  return settle(after, now, place(after.tickets, index, request, now))
}

export function renew(before: Queue, request: RenewRequest, now: Now): Step<Renewal> {
  const queue = sweep(before, now)
  const index = queue.tickets.findIndex(ticket => ticket.id === request.id)
  const ticket = queue.tickets[index]
  const revoked =
    ticket?.revoked ?? queue.forbidden.find(entry => entry.id === request.id && entry.reason === 'revoked')?.message
  if (revoked !== undefined && revoked !== null)
    return settle(queue, now, { status: 'lost', reason: 'revoked', message: revoked })
  const holders = holding(queue.tickets)
  if (!ticket || ticket.kept || index >= holders)
    return settle(queue, now, { status: 'lost', reason: 'gone', message: 'the ticket is no longer in the queue' })
  const fresh = claim(ticket, request.ttlMs, now)
  const leftMs = Math.min(leftOf(fresh, now), request.ttlMs)
  return settle(put(queue, index, fresh), now, { status: 'held', leftMs, waiters: queue.tickets.length - holders })
}

export function leave(before: Queue, request: LeaveRequest, now: Now): Step<{ readonly was: Was }> {
  let queue = sweep(before, now)
  const { id, keepMs, forbidMs } = request
  if (forbidMs > 0)
    queue = forbid(queue, { id, reason: 'left', message: 'its owner gave it up', lifeMs: forbidMs }, now)
  const index = queue.tickets.findIndex(ticket => ticket.id === id)
  const ticket = queue.tickets[index]
  if (!ticket || ticket.kept) return settle(queue, now, { was: 'absent' })
  const held = index < holding(queue.tickets)
  if (held && keepMs > 0) {
    const kept = { ...ticket, heldAt: ticket.heldAt ?? now.ms, expiresAt: now.ms + keepMs, lifeMs: keepMs, kept: true }
    return settle(put(queue, index, kept), now, { was: 'held' })
  }
  return settle({ ...queue, tickets: queue.tickets.toSpliced(index, 1) }, now, { was: held ? 'held' : 'waiting' })
}

/**
 * A ticket that holds is only forbidden to renew: its owner stops and leaves, or its time runs out. Who waits is
 * removed, and so is everybody chosen with `now`.
 */
export function revoke(before: Queue, request: RevokeRequest, now: Now): Step<number> {
  let queue = sweep(before, now)
  const holders = holding(queue.tickets)
  const revoked: { token: number; reason: string }[] = []
  const tickets: Ticket[] = []
  const { reason: message } = request
  for (const [index, ticket] of queue.tickets.entries()) {
    const held = index < holders
    if (!isChosen(request.tickets, ticket, held)) {
      tickets.push(ticket)
      continue
    }
    revoked.push({ token: ticket.token, reason: message })
    const lifeMs = Math.max(REVOKED_MS, ticket.lifeMs)
    if (held && !request.now) tickets.push({ ...ticket, revoked: message })
    else queue = forbid(queue, { id: ticket.id, reason: 'revoked', message, lifeMs }, now)
  }
  if (revoked.length === 0) return settle(queue, now, 0)
  return { ...settle({ ...queue, tickets }, now, revoked.length), revoked }
}

function isChosen(wanted: RevokeRequest['tickets'], { token, tokens }: Ticket, held: boolean): boolean {
  if (typeof wanted === 'number') return token <= wanted && wanted < token + tokens
  return wanted === 'all' || held
}

/** What people see. Changes nothing; null: nothing is held and nobody waits. */
export function view(key: string, before: Queue, now: Now): LockView | null {
  const { tickets, end } = sweep(before, now)
  const last = tickets.at(-1)
  if (last === undefined) return null
  const holders = holding(tickets)
  const views = tickets.map(ticket => viewTicket(ticket, now))
  return {
    key,
    token: Math.max(last.token, end - last.tokens),
    holders: views.slice(0, holders),
    waiters: views.slice(holders),
  }
}

/**
 * True when the record of a lock may be dropped: nothing in it is alive, and the clock alone will make greater tokens.
 */
export function forgettable(queue: Queue, now: Now): boolean {
  if (queue.end + REMEMBER_MICROS >= now.micros) return false
  const { tickets, forbidden } = sweep(queue, now)
  return tickets.length === 0 && forbidden.length === 0
}

/** Removes what has run out, and cuts what a clock that was set back has stretched. */
function sweep(queue: Queue, now: Now): Queue {
  const cutTicket = (ticket: Ticket): Ticket =>
    isStretched(ticket.expiresAt, ticket.lifeMs, now) ? { ...ticket, expiresAt: now.ms + ticket.lifeMs } : ticket
  const cutForbidden = (entry: Forbidden): Forbidden =>
    isStretched(entry.until, entry.lifeMs, now) ? { ...entry, until: now.ms + entry.lifeMs } : entry
  const isRight = (end: number, lifeMs: number): boolean => end > now.ms && !isStretched(end, lifeMs, now)
  if (
    queue.tickets.every(ticket => isRight(ticket.expiresAt, ticket.lifeMs)) &&
    queue.forbidden.every(entry => isRight(entry.until, entry.lifeMs))
  )
    return queue
  const tickets = queue.tickets.filter(ticket => ticket.expiresAt > now.ms).map(cutTicket)
  const forbidden = queue.forbidden.filter(entry => entry.until > now.ms).map(cutForbidden)
  return { ...queue, tickets, forbidden }
}

function isStretched(end: number, lifeMs: number, now: Now): boolean {
  return end > now.ms + lifeMs + TOLERANCE_MS
}

/** Marks who holds since now, so that each is told once. */
function settle<Answer>(queue: Queue, now: Now, answer: Answer): Step<Answer> {
  const holders = holding(queue.tickets)
  const news = queue.tickets.slice(0, holders).filter(ticket => ticket.heldAt === null)
  if (news.length === 0) return { queue, answer, holds: [], revoked: [] }
  const tickets = queue.tickets.map((ticket, index) =>
    index < holders && ticket.heldAt === null ? { ...ticket, heldAt: now.ms } : ticket,
  )
  return { queue: { ...queue, tickets }, answer, holds: news.map(ticket => ticket.token), revoked: [] }
}

/** A live ticket's end only moves later. */
function prolong(ticket: Ticket, lifeMs: number, now: Now): Ticket {
  const expiresAt = now.ms + lifeMs
  return expiresAt > ticket.expiresAt ? { ...ticket, expiresAt, lifeMs } : ticket
}

/**
 * Prolongs one that holds. The first time after a wait its end is set, and may so come earlier: a dead holder is in the
 * way for its ttl, not for its waiting life. Never for less than it asked for when it came, since on a push its owner
 * has counted on that much.
 */
function claim(ticket: Ticket, ttlMs: number, now: Now): Ticket {
  if (ticket.claimMs === null) return prolong(ticket, ttlMs, now)
  const lifeMs = Math.max(ttlMs, ticket.claimMs)
  return { ...ticket, heldAt: ticket.heldAt ?? now.ms, expiresAt: now.ms + lifeMs, lifeMs, claimMs: null }
}

function put(queue: Queue, index: number, ticket: Ticket): Queue {
  return queue.tickets[index] === ticket ? queue : { ...queue, tickets: queue.tickets.with(index, ticket) }
}

function forbid(queue: Queue, entry: Omit<Forbidden, 'until'>, now: Now): Queue {
  const others = queue.forbidden.filter(({ id }) => id !== entry.id)
  return { ...queue, forbidden: [...others, { ...entry, until: now.ms + entry.lifeMs }] }
}
