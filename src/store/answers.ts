/** What a store answers about a ticket: its place, the time that it has left, and when to ask again. */
import type { TicketView } from '../base/view.ts'
import type { Entry, TicketRequest } from './contract.ts'
import { holding } from './rule.ts'
import type { Now, Ticket } from './rule.ts'

/** A waiter refreshes after a third of its life, so that one lost heartbeat costs it nothing. */
const HEARTBEATS = 3
/** Never more than was given: `(now + life) - now` is a hair above `life` for some fractions. */
export function leftOf({ expiresAt, lifeMs }: Ticket, now: Now): number {
  return Math.min(expiresAt - now.ms, lifeMs)
}

export function place(tickets: readonly Ticket[], index: number, request: TicketRequest, now: Now): Entry {
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
 * So a herd does not come at every expiry. While the one right in front, or any that waits in front, lives past that
 * heartbeat, that is the one to come earlier: a crowd costs each of its heartbeats one look, not a walk of the line.
 */
function retryIn(tickets: readonly Ticket[], index: number, waiterTtlMs: number, now: Now): number {
  const heartbeatMs = waiterTtlMs / HEARTBEATS
  const asks = tickets.slice(Math.min(holding(tickets), index - 1), index)
  if (asks.some(({ expiresAt }) => expiresAt - now.ms >= heartbeatMs)) return heartbeatMs
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

export function refusal(tickets: readonly Ticket[], now: Now): Entry {
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
