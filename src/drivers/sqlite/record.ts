/**
 * A lock's queue as it is kept in the file, where processes with different clocks may meet: before and after a reboot, or in
 * containers with time namespaces of their own. Each ticket says whose clock its times are of (its domain).
 *
 * A ticket of another domain lives one full ttl from when this domain first sees it unchanged: it is then at least as old as
 * it looks. That moment is kept with the ticket, one for each domain that looks, so that all processes of a domain share it and
 * two domains that take turns do not put each other's off for ever; a refresh, which changes the end, wipes them. So a
 * dead ticket dies in whatever domain goes on looking, and a live one never dies early.
 *
 * Only the one who moves a ticket's end writes times of its own clock; whoever merely passes by leaves them as they are.
 */
import type { Forbidden, Queue, Ticket } from '../../store/queue.ts'
import { flag, list, number, numbers, oneOf, record, text, texts } from '../shared/decode.ts'

/** Grows when an older holdfast could no longer read what is written. */
export const LAYOUT = 1

interface Stamp {
  /** Whose clock the times are of. */
  readonly domain: string
  /** When other domains first saw it with this end, each by its own clock. */
  readonly seen: Readonly<Record<string, number>>
}

export interface StoredQueue {
  readonly end: number
  readonly tickets: readonly (Ticket & Stamp)[]
  readonly forbidden: readonly (Forbidden & Stamp)[]
}

export const NOTHING: StoredQueue = { end: 0, tickets: [], forbidden: [] }

/** The queue in this domain's time, and the way back for what a transition has made of it. */
export function localise(stored: StoredQueue, domain: string, nowMs: number): { readonly queue: Queue; restore(queue: Queue): StoredQueue } {
  if (stored.tickets.every(untouched) && stored.forbidden.every(untouched)) return { queue: stored, restore: queue => restore(queue, new Map(), new Map()) }

  const tickets = new Map<string, Translated<Ticket>>()
  const forbidden = new Map<string, Translated<Forbidden>>()
  for (const entry of stored.tickets) {
    const { seen, offset } = observe(entry, entry.expiresAt - entry.lifeMs)
    const heldAt = entry.heldAt === null ? null : entry.heldAt + offset
    tickets.set(entry.id, {
      stored: { ...entry, seen },
      offset,
      local: { ...entry, expiresAt: entry.expiresAt + offset, enteredAt: entry.enteredAt + offset, heldAt },
    })
  }
  for (const entry of stored.forbidden) {
    const { seen, offset } = observe(entry, entry.until - entry.lifeMs)
    forbidden.set(entry.id, { stored: { ...entry, seen }, offset, local: { ...entry, until: entry.until + offset } })
  }
  const queue = { end: stored.end, tickets: [...tickets.values()].map(entry => entry.local), forbidden: [...forbidden.values()].map(entry => entry.local) }
  return { queue, restore: after => restore(after, tickets, forbidden) }

  function mine(stamp: Stamp): boolean {
    return stamp.domain === domain
  }

  function untouched(stamp: Stamp): boolean {
    return mine(stamp) && Object.keys(stamp.seen).length === 0
  }

  /** `offset`: added to a time of its clock it gives one of ours. As if the last refresh had been when we first saw it. */
  function observe(stamp: Stamp, refreshedAt: number): { readonly seen: Stamp['seen']; readonly offset: number } {
    if (mine(stamp)) return { seen: stamp.seen, offset: 0 }
    const firstSeen = stamp.seen[domain] ?? nowMs
    return { seen: { ...stamp.seen, [domain]: firstSeen }, offset: firstSeen - refreshedAt }
  }

  function restore(after: Queue, before: ReadonlyMap<string, Translated<Ticket>>, ids: ReadonlyMap<string, Translated<Forbidden>>): StoredQueue {
    return {
      end: after.end,
      tickets: after.tickets.map(ticket => {
        const was = before.get(ticket.id)
        if (was === undefined || was.local.expiresAt !== ticket.expiresAt || was.local.lifeMs !== ticket.lifeMs) return { ...ticket, domain, seen: {} }
        const { enteredAt, expiresAt, heldAt } = was.stored
        return {
          ...ticket,
          enteredAt,
          expiresAt,
          heldAt: ticket.heldAt === null ? null : (heldAt ?? ticket.heldAt - was.offset),
          domain: was.stored.domain,
          seen: was.stored.seen,
        }
      }),
      forbidden: after.forbidden.map(entry => {
        const was = ids.get(entry.id)
        return was === undefined || was.local.until !== entry.until ? { ...entry, domain, seen: {} } : was.stored
      }),
    }
  }
}

interface Translated<Entry> {
  readonly stored: Entry & Stamp
  readonly local: Entry
  readonly offset: number
}

export function encodeQueue(queue: StoredQueue): string {
  return JSON.stringify({ layout: LAYOUT, ...queue })
}

/** @throws TypeError  not a record of this layout; the message says where */
export function decodeQueue(json: string): StoredQueue {
  const root = record(JSON.parse(json), 'record')
  if (root['layout'] !== LAYOUT) throw new TypeError(`it has layout ${String(root['layout'])}, and this holdfast knows ${LAYOUT}`)
  return { end: number(root, 'end'), tickets: list(root, 'tickets').map(decodeTicket), forbidden: list(root, 'forbidden').map(decodeForbidden) }
}

function decodeTicket(value: unknown): Ticket & Stamp {
  const from = record(value, 'ticket')
  return {
    id: text(from, 'id'),
    token: number(from, 'token'),
    tokens: number(from, 'tokens'),
    holder: text(from, 'holder'),
    mode: oneOf(from, 'mode', ['exclusive', 'shared']),
    limit: from['limit'] === null ? null : number(from, 'limit'),
    meta: texts(from, 'meta'),
    enteredAt: number(from, 'enteredAt'),
    heldAt: from['heldAt'] === null ? null : number(from, 'heldAt'),
    expiresAt: number(from, 'expiresAt'),
    lifeMs: number(from, 'lifeMs'),
    kept: flag(from, 'kept'),
    revoked: from['revoked'] === null ? null : text(from, 'revoked'),
    domain: text(from, 'domain'),
    seen: numbers(from, 'seen'),
  }
}

function decodeForbidden(value: unknown): Forbidden & Stamp {
  const from = record(value, 'forbidden id')
  return {
    id: text(from, 'id'),
    reason: oneOf(from, 'reason', ['left', 'revoked']),
    message: text(from, 'message'),
    until: number(from, 'until'),
    lifeMs: number(from, 'lifeMs'),
    domain: text(from, 'domain'),
    seen: numbers(from, 'seen'),
  }
}
