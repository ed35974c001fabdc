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
import type {
  Entry,
  LeaveRequest,
  LockView,
  Mode,
  Renewal,
  RenewRequest,
  RevokeRequest,
  TicketRequest,
  TicketView,
  Was,
} from './contract.ts'

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
  /** Left by its owner, but kept for minHold: nobody may renew it. */
  readonly kept: boolean
  /** Why renewal is forbidden; null: it is not. */
  readonly revoked: string | null
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

/** `ms`: the clock that decides expiry. `micros`: microseconds since 1970, from which tokens are made. */
export interface Now {
  readonly ms: number
  readonly micros: number
}

/**
 * `holds`: tokens of tickets, the caller's own left out, that hold since this step. `revoked`: tickets whose owners
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
 * How long a revoked waiter's id stays forbidden: long enough for its owner, which asks every few seconds, to learn
 * why.
 */
const REVOKED_MS = 60_000
/**
 * Records are kept for a day after the clock has passed their last token, so that tokens grow even if it is set back a
 * little.
 */
const REMEMBER_MICROS = 86_400e6

export function enter(before: Queue, request: TicketRequest, now: Now): Step<Entry> {
  const queue = sweep(before, now)
  const forbidden = queue.forbidden.find(entry => entry.id === request.id)
  if (forbidden)
    return settle(queue, now, { status: 'forbidden', reason: forbidden.reason, message: forbidden.message })

  const index = queue.tickets.findIndex(ticket => ticket.id === request.id)
  const ticket = queue.tickets[index]
  if (ticket?.kept === true)
    return settle(queue, now, { status: 'forbidden', reason: 'left', message: 'the ticket was left and is kept' })
  if (ticket && ticket.revoked !== null)
    return settle(queue, now, { status: 'forbidden', reason: 'revoked', message: ticket.revoked })
  if (ticket) {
    const held = index < holding(queue.tickets)
    const fresh = refresh(
      held && ticket.heldAt === null ? { ...ticket, heldAt: now.ms } : ticket,
      held ? request.ttlMs : request.waiterTtlMs,
      now,
    )
    const tickets = queue.tickets.with(index, fresh)
    return settle({ ...queue, tickets }, now, place(tickets, index, request, now))
  }
  if (request.token !== undefined) return settle(queue, now, { status: 'gone' })

  const token = Math.max(queue.end, now.micros)
  if (!Number.isSafeInteger(token + request.tokens))
    throw new RangeError(`The token ${token} of "${request.key}" is beyond the safe integers.`)
  const holds = holding([...queue.tickets, request]) > queue.tickets.length
  if (!holds && !request.queue) return settle(queue, now, refusal(queue.tickets, now))

  const lifeMs = holds ? request.ttlMs : request.waiterTtlMs
  const fresh: Ticket = {
    id: request.id,
    token,
    tokens: request.tokens,
    holder: request.holder,
    mode: request.mode,
    limit: request.limit,
    meta: request.meta,
    enteredAt: now.ms,
    heldAt: holds ? now.ms : null,
    expiresAt: now.ms + lifeMs,
    lifeMs,
    kept: false,
    revoked: null,
  }
  const tickets = [...queue.tickets, fresh]
  return settle(
    { ...queue, tickets, end: token + request.tokens },
    now,
    place(tickets, tickets.length - 1, request, now),
  )
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
  const fresh = refresh({ ...ticket, heldAt: ticket.heldAt ?? now.ms }, request.ttlMs, now)
  const tickets = queue.tickets.with(index, fresh)
  const leftMs = Math.min(leftOf(fresh, now), request.ttlMs)
  return settle({ ...queue, tickets }, now, { status: 'held', leftMs, waiters: tickets.length - holders })
}

export function leave(before: Queue, request: LeaveRequest, now: Now): Step<{ readonly was: Was }> {
  let queue = sweep(before, now)
  if (request.forbidMs > 0) queue = forbid(queue, request.id, 'left', 'its owner gave it up', request.forbidMs, now)
  const index = queue.tickets.findIndex(ticket => ticket.id === request.id)
  const ticket = queue.tickets[index]
  if (!ticket || ticket.kept) return settle(queue, now, { was: 'absent' })
  const held = index < holding(queue.tickets)
  const tickets =
    held && request.keepMs > 0
      ? queue.tickets.with(index, {
          ...ticket,
          heldAt: ticket.heldAt ?? now.ms,
          expiresAt: now.ms + request.keepMs,
          lifeMs: request.keepMs,
          kept: true,
        })
      : queue.tickets.toSpliced(index, 1)
  return settle({ ...queue, tickets }, now, { was: held ? 'held' : 'waiting' })
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
  for (const [index, ticket] of queue.tickets.entries()) {
    const held = index < holders
    const chosen =
      request.tickets === 'all' ||
      (request.tickets === 'holders'
        ? held
        : ticket.token <= request.tickets && request.tickets < ticket.token + ticket.tokens)
    if (!chosen) {
      tickets.push(ticket)
      continue
    }
    revoked.push({ token: ticket.token, reason: request.reason })
    if (held && !request.now) tickets.push({ ...ticket, revoked: request.reason })
    else queue = forbid(queue, ticket.id, 'revoked', request.reason, Math.max(REVOKED_MS, ticket.lifeMs), now)
  }
  return { ...settle({ ...queue, tickets }, now, revoked.length), revoked }
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
  const tickets = queue.tickets
    .filter(ticket => ticket.expiresAt > now.ms)
    .map(ticket =>
      ticket.expiresAt > now.ms + ticket.lifeMs ? { ...ticket, expiresAt: now.ms + ticket.lifeMs } : ticket,
    )
  const forbidden = queue.forbidden
    .filter(entry => entry.until > now.ms)
    .map(entry => (entry.until > now.ms + entry.lifeMs ? { ...entry, until: now.ms + entry.lifeMs } : entry))
  return { ...queue, tickets, forbidden }
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
function refresh(ticket: Ticket, lifeMs: number, now: Now): Ticket {
  const expiresAt = now.ms + lifeMs
  return expiresAt > ticket.expiresAt ? { ...ticket, expiresAt, lifeMs } : ticket
}

function forbid(
  queue: Queue,
  id: string,
  reason: Forbidden['reason'],
  message: string,
  lifeMs: number,
  now: Now,
): Queue {
  const others = queue.forbidden.filter(entry => entry.id !== id)
  return { ...queue, forbidden: [...others, { id, reason, message, until: now.ms + lifeMs, lifeMs }] }
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
  const { holder, token, tokens, mode, limit, meta } = ticket
  const marks = {
    ...(ticket.revoked !== null && { revoked: true as const }),
    ...(ticket.kept && { kept: true as const }),
  }
  return {
    holder,
    token,
    tokens,
    mode,
    limit,
    sinceMs: now.ms - (ticket.heldAt ?? ticket.enteredAt),
    leftMs: leftOf(ticket, now),
    meta,
    ...marks,
  }
}
