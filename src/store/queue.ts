/**
 * The one rule, and the pure transitions around it. A lock is ONE ordered list of live tickets; everything else
 * follows.
 *
 * The transitions take the queue as it was and the time, and give the queue as it is now, the answer, and whom to tell.
 * They do no I/O and read no clock, so a store that can compare and swap a record is a driver in forty lines, and the
 * model that every other driver is tested against is this file.
 *
 * Order of work in each: remove the tickets whose time is up, then act. Removed, not skipped: a late heartbeat must not
 * find an expired ticket and bring it back while somebody else holds.
 */
import type { Entry, LeaveRequest, Renewal, RenewRequest, RevokeRequest, TicketRequest, Was } from './contract.ts'
import type { LockView, Mode, TicketView } from '../base/view.ts'

/**
 * The rule: how many tickets of the queue, oldest first, hold. An exclusive ticket holds only if it is first. A shared
 * ticket holds if every ticket before it is shared and, if it has a limit n, fewer than n are before it.
 */
export function holding(queue: readonly { readonly mode: Mode; readonly limit: number | null }[]): number {
  let count = 0
  for (const ticket of queue) {
    if (ticket.mode === 'exclusive') return count === 0 ? 1 : count
    if (ticket.limit !== null && count >= ticket.limit) return count
    count += 1
  }
  return count
}

/** A place in the queue. Plain data: a store may keep it as JSON. */
export interface Ticket {
  readonly id: string
  /** First of its block. */
  readonly token: number
  readonly tokens: number
  readonly holder: string
  readonly mode: Mode
  readonly limit: number | null
  readonly meta: Readonly<Record<string, string>>
  readonly enteredAt: number
  /** null while it waits. */
  readonly heldAt: number | null
  readonly expiresAt: number
  /** The span that gave `expiresAt`: more than this it may never have left, whatever the clock does. */
  readonly lifeMs: number
  /** The ttl it asked for, while it lives on its waiting life: until it is first heard of as a holder. Else null. */
  readonly claimMs: number | null
  /** Left by its owner, but kept for minHold: nobody may renew it. */
  readonly kept: boolean
  /** Why renewal is forbidden; null: it is not. */
  readonly revoked: string | null
  /** A driver's own word on it, such as whom to tell; no transition looks at it. */
  readonly extra?: string
}

/** An id that may not come (back) to life. */
export interface Forbidden {
  readonly id: string
  readonly reason: 'left' | 'revoked'
  readonly message: string
  readonly until: number
  readonly lifeMs: number
}

/** The whole state of a lock. `end`: the first token that no block has had yet. */
export interface Queue {
  readonly tickets: readonly Ticket[]
  readonly end: number
  readonly forbidden: readonly Forbidden[]
}

/**
 * `ms`: the clock that decides expiry. `micros`: microseconds since 1970, from which tokens are made.
 *
 * Read no earlier than the queue: with a clock from before it, a step would take time from a ticket that another step
 * has prolonged in between, and two would hold.
 */
export interface Now {
  readonly ms: number
  readonly micros: number
}

/**
 * `queue`: the very one that was given if nothing has changed, and then nothing need be written. `holds`: tokens of tickets, the caller's own left out, that hold since this step. `revoked`: tickets whose owners
 * must be told.
 */
export interface Step<Answer> {
  readonly queue: Queue
  readonly answer: Answer
  readonly holds: readonly number[]
  readonly revoked: readonly { readonly token: number; readonly reason: string }[]
}

export const EMPTY: Queue = { tickets: [], end: 0, forbidden: [] }

/** A waiter refreshes after a third of its life, so that one lost heartbeat costs it nothing. */
const HEARTBEATS = 3
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

/** Never more than was given: `(now + life) - now` is a hair above `life` for some fractions. */
function leftOf({ expiresAt, lifeMs }: Ticket, now: Now): number {
  return Math.min(expiresAt - now.ms, lifeMs)
}

function place(tickets: readonly Ticket[], index: number, request: TicketRequest, now: Now): Entry {
  const ticket = tickets[index]
  if (!ticket) return { status: 'gone' }
  const leftMs = leftOf(ticket, now)
  const holders = holding(tickets)
  if (index < holders)
    return {
      status: 'holds',
      token: ticket.token,
      leftMs: Math.min(leftMs, request.ttlMs),
      waiters: tickets.length - holders,
    }
  return {
    status: 'waits',
    token: ticket.token,
    leftMs,
    ahead: index,
    retryMs: retryIn(tickets, index, request.waiterTtlMs, now),
  }
}

/**
 * The end of the life in front that makes this ticket hold, if nobody there renews; its heartbeat if that comes first.
 * So a herd does not come at every expiry. While the one right in front lives past that heartbeat it is the one to come
 * earlier: a crowd costs each of its heartbeats one look, and not a walk of the line.
 */
function retryIn(tickets: readonly Ticket[], index: number, waiterTtlMs: number, now: Now): number {
  const heartbeatMs = waiterTtlMs / HEARTBEATS
  const front = tickets[index - 1]
  if (front && front.expiresAt - now.ms >= heartbeatMs) return heartbeatMs
  const line = tickets.slice(0, index + 1)
  const ends = tickets.slice(0, index).flatMap(({ expiresAt }) => (expiresAt - now.ms < heartbeatMs ? expiresAt : []))
  ends.sort((one, other) => one - other)
  const holdsAfter = (end: number): boolean => {
    const left = line.filter((ticket, place) => place === index || ticket.expiresAt > end)
    return holding(left) === left.length
  }
  // The fewer are in front, the sooner it holds: so the first end that suffices is found by halving.
  let [low, high] = [0, ends.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (holdsAfter(ends[middle] ?? Infinity)) high = middle
    else low = middle + 1
  }
  return Math.min(heartbeatMs, (ends[low] ?? Infinity) - now.ms)
}

function refusal(tickets: readonly Ticket[], now: Now): Entry {
  const holders = tickets.slice(0, holding(tickets))
  return {
    status: 'refused',
    retryMs: Math.min(...holders.map(ticket => leftOf(ticket, now))),
    holders: holders.map(ticket => viewTicket(ticket, now)),
  }
}

/** A ticket as people may see it: without its id, which proves possession. */
export function viewTicket(ticket: Ticket, now: Now): TicketView {
  const { holder, token, tokens, mode, limit, meta, heldAt, enteredAt, revoked, kept } = ticket
  return {
    ...{ holder, token, tokens, mode, limit },
    ...{ sinceMs: now.ms - (heldAt ?? enteredAt), leftMs: leftOf(ticket, now), meta },
    ...(revoked !== null && { revoked: true as const }),
    ...(kept && { kept: true as const }),
  }
}
