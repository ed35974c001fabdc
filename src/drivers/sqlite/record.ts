/**
 * A lock's queue as it is kept in the file, where processes with different clocks may meet: before and after a reboot,
 * or in containers with time namespaces of their own. Each ticket says whose clock its times are of (its domain).
 *
 * A ticket of another domain lives one full ttl from when this domain first sees it unchanged: it is then at least as
 * old as it looks. That moment is kept with the ticket, one for each domain that looks, so that all processes of a
 * domain share it and two domains that take turns do not put each other's off for ever; a refresh, which changes the
 * end, wipes them. So a dead ticket dies in whatever domain goes on looking, and a live one never dies early.
 *
 * Only the one who moves a ticket's end writes times of its own clock; whoever merely passes by leaves them as they
 * are.
 */
import { list, numbers, oneOf, record, text } from '../../base/decode.ts'
import { EMPTY } from '../../store/queue.ts'
import type { Queue } from '../../store/queue.ts'
import { LAYOUT, queueOf, recordOf } from '../../store/record.ts'

interface Stamp {
  /** Whose clock the times are of. */
  readonly domain: string
  /** When other domains first saw it with this end, each by its own clock. */
  readonly seen: Readonly<Record<string, number>>
}

interface Stamped extends Stamp {
  readonly list: 'tickets' | 'forbidden'
  readonly id: string
}

export interface StoredQueue {
  readonly queue: Queue
  /** Of all entries that have no stamp, which is nearly always all. */
  readonly domain: string
  readonly stamps: readonly Stamped[]
}

export const NOTHING: StoredQueue = { queue: EMPTY, domain: '', stamps: [] }

/**
 * The queue in this domain's time, and the way back for what a transition has made of it. `foreign`: other domains have
 * a part in it, and what this one has seen of them is to be kept even if the transition changes nothing.
 */
export function localise(
  stored: StoredQueue,
  domain: string,
  nowMs: number,
): { readonly queue: Queue; readonly foreign: boolean; restore(queue: Queue): StoredQueue } {
  if (stored.domain === domain && stored.stamps.length === 0)
    return { queue: stored.queue, foreign: false, restore: queue => ({ queue, domain, stamps: [] }) }

  const stamps = new Map(stored.stamps.map(stamp => [nameOf(stamp.list, stamp.id), stamp]))
  const tickets = stored.queue.tickets.map(entry => {
    const seen = observe('tickets', entry.id, entry.expiresAt - entry.lifeMs)
    const heldAt = entry.heldAt === null ? null : entry.heldAt + seen.offset
    return {
      ...seen,
      entry,
      local: { ...entry, expiresAt: entry.expiresAt + seen.offset, enteredAt: entry.enteredAt + seen.offset, heldAt },
    }
  })
  const forbidden = stored.queue.forbidden.map(entry => {
    const seen = observe('forbidden', entry.id, entry.until - entry.lifeMs)
    return { ...seen, entry, local: { ...entry, until: entry.until + seen.offset } }
  })
  const queue = {
    end: stored.queue.end,
    tickets: tickets.map(({ local }) => local),
    forbidden: forbidden.map(({ local }) => local),
  }
  return { queue, foreign: true, restore }

  /**
   * `offset`: added to a time of its clock it gives one of ours. As if the last refresh had been when we first saw it.
   */
  function observe(
    list: Stamped['list'],
    id: string,
    refreshedAt: number,
  ): { readonly stamp: Stamp; readonly offset: number } {
    const stamp: Stamp = stamps.get(nameOf(list, id)) ?? { domain: stored.domain, seen: {} }
    if (stamp.domain === domain) return { stamp, offset: 0 }
    const firstSeen = stamp.seen[domain] ?? nowMs
    return {
      stamp: { domain: stamp.domain, seen: { ...stamp.seen, [domain]: firstSeen } },
      offset: firstSeen - refreshedAt,
    }
  }

  function restore(after: Queue): StoredQueue {
    const all: Stamped[] = []
    const own = { domain, seen: {} }
    const mark = (list: Stamped['list'], id: string, { domain, seen }: Stamp): unknown =>
      all.push({ list, id, domain, seen })
    const before = {
      tickets: after.tickets.map(ticket => {
        const was = tickets.find(
          ({ local }) =>
            local.id === ticket.id && local.expiresAt === ticket.expiresAt && local.lifeMs === ticket.lifeMs,
        )
        mark('tickets', ticket.id, was?.stamp ?? own)
        if (was === undefined) return ticket
        const { enteredAt, expiresAt, heldAt } = was.entry
        return {
          ...ticket,
          enteredAt,
          expiresAt,
          heldAt: ticket.heldAt === null ? null : (heldAt ?? ticket.heldAt - was.offset),
        }
      }),
      forbidden: after.forbidden.map(entry => {
        const was = forbidden.find(({ local }) => local.id === entry.id && local.until === entry.until)
        mark('forbidden', entry.id, was?.stamp ?? own)
        return was === undefined ? entry : was.entry
      }),
    }
    // Whose the record was it stays as long as anything in it is theirs: two domains that only look must not rewrite it
    // in turn.
    const base = all.some(stamp => stamp.domain === stored.domain) ? stored.domain : domain
    return {
      queue: { ...before, end: after.end },
      domain: base,
      stamps: all.filter(stamp => stamp.domain !== base || Object.keys(stamp.seen).length > 0),
    }
  }
}

function nameOf(list: Stamped['list'], id: string): string {
  return `${list} ${id}`
}

export function encodeStored({ queue, domain, stamps }: StoredQueue): string {
  const { end, tickets, forbidden } = queue
  return JSON.stringify({ layout: LAYOUT, domain, end, tickets, forbidden, stamps })
}

/** @throws TypeError | SyntaxError  not a record of this layout; the message says where */
export function decodeStored(json: string): StoredQueue {
  const root = recordOf(json)
  return { queue: queueOf(root), domain: text(root, 'domain'), stamps: list(root, 'stamps').map(decodeStamp) }
}

function decodeStamp(value: unknown): Stamped {
  const from = record(value, 'stamp')
  return {
    list: oneOf(from, 'list', ['tickets', 'forbidden']),
    id: text(from, 'id'),
    domain: text(from, 'domain'),
    seen: numbers(from, 'seen'),
  }
}
