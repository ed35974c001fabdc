/**
 * memcached, one server or several that share the locks.
 *
 * A lock is one item with the ticket that holds; the server drops it when its time is up. Every write compares: it
 * takes effect only if the item is still as it was read. So a request that comes late, or twice, changes nothing, and
 * whoever was overtaken reads again. To take a free lock is two steps, since there must be something to compare with:
 * the reading itself makes an empty item, the writing puts the ticket into it. Whoever has just given the lock back
 * knows the empty item that it left there, and takes it again in one; to give it back is one too, for who wrote it
 * last.
 *
 * An id that its owner has given up, or an operator taken away, has a mark of its own for a while. It is set before the
 * item is read, and looked for after the item is known. Who finds it behind its own writing takes that back.
 *
 * Guarantee: best-effort. memcached is a cache: it forgets a lock when it is restarted, when memory is short, and when
 * somebody says flush_all. There are no fencing tokens to catch that. Good where two at once are merely a waste;
 * where they do harm use another store.
 *
 * Source: the memcached wiki, "Ghetto Central Locking", for the idea; the protocol's CAS for what it lacked.
 */
import { createHash } from 'node:crypto'
import { UnsupportedError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Entry, Io, LeaveRequest, LockView, Renewal, RenewRequest, RevokeRequest } from '../store/contract.ts'
import type { Store, StoreTraits, TicketRequest, Was } from '../store/contract.ts'
import { untilNotOvertaken } from '../store/overtaken.ts'
import { get, remove, set } from './memcached/client.ts'
import type { Answer, Link } from './memcached/client.ts'
import { encodeMark, encodeTicket, itemOf, markOf, refusal, secondsOf, ticketOf, viewOf } from './memcached/item.ts'
import type { Item, Mark, Ticket } from './memcached/item.ts'
import { createKnown } from './memcached/known.ts'
import type { Writing } from './memcached/known.ts'
import { serverFor, serversOf } from './memcached/servers.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'

export interface MemcachedStoreOptions {
  /** Put before every key, so that two applications on one server do not meet. */
  readonly namespace?: string
  /**
   * How much sooner than it says the server may drop an item (1000): its clock is read once a second, and skips one now
   * and then. Taken off every window.
   */
  readonly clockErrorMs?: number
}

/** What stands there now, and whether the id is forbidden. */
interface Found {
  readonly item: Item | null
  readonly mark: Mark | null
}

/** A ticket has been put where another of ours was, and whether its id is forbidden. */
interface Retaken {
  readonly writing: Writing
  readonly mark: Mark | null
}

const OPTIONS: Known<MemcachedStoreOptions> = { namespace: true, clockErrorMs: true }
const CLOCK_ERROR_MS = 1_000
/** What is left of the shortest ttl to work in: a renewal that is lost must leave time for another. */
const LEAST_WINDOW_MS = 2_000
/** How long a place that was read as free, or was left, waits for its ticket. */
const FREE_SECONDS = 60
/** Writings of ours that are remembered: of tickets, and of places that we have left. */
const MOST_KNOWN = 4_096
/** How long a revoked id stays forbidden at least: its owner asks every few seconds. */
const REVOKED_MS = 60_000
const FLAGS = 'v c t'
const SPAN_OF_MARKS = 30 * 24 * 3_600_000 - 1_000

/**
 * Locks on the memcached (1.6 or newer) at an address, or on several: `memcached://h1:p1,h2:p2`. All who share locks
 * must name the same servers.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { memcachedStore } from 'holdfast/memcached'
 *
 * const locks = createLocks(memcachedStore('memcached://a:11211,b:11211', { namespace: 'shop' }))
 * ```
 */
export function memcachedStore(address: string, options: MemcachedStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'memcachedStore')
  const namespace = namespaceOf(options)
  const clockErrorMs = clockErrorOf(options, CLOCK_ERROR_MS)
  const servers = serversOf(address)
  /** Tickets of ours, by id, and places that we have left empty. */
  const [own, emptied] = [createKnown(MOST_KNOWN), createKnown(MOST_KNOWN)]
  const traits: StoreTraits = {
    name: 'memcached',
    guarantee: 'best-effort',
    reach: 'network',
    fencing: false,
    queue: false,
    shared: false,
    limit: false,
    keep: true,
    clock: 'store',
    clockErrorMs,
    minTtlMs: Math.ceil(LEAST_WINDOW_MS + clockErrorMs),
    maxTokens: 1,
  }

  /** The items of one lock, which are all on one server. */
  function placeOf(key: string) {
    // The length keeps namespace "a" with key "bc" from meeting namespace "ab" with key "c".
    const lock = hashed(`${namespace.length}:${namespace}${key}`)
    const name = `holdfast:${lock}`
    const { connection } = serverFor(servers, lock)
    const ask = (commands: readonly string[], io: Io): Promise<readonly Answer[]> =>
      connection.use(link => link.ask(commands), io)
    const putting = (value: string, cas: string, seconds: number): string => set(name, value, `C${cas} T${seconds} c`)
    const reading = (id: string, flags = FLAGS): readonly string[] => [get(name, flags), get(markName(id), 'v')]
    const FREE = `${FLAGS} N${FREE_SECONDS}`
    const foundIn = ([item, marked]: readonly Answer[]): Found => ({
      item: item ? itemOf(item, key) : null,
      mark: marked ? markOf(marked, key) : null,
    })
    const markName = (id: string): string => `${name}:${hashed(id)}`
    const mark = (id: string, { reason, message }: Omit<Mark, 'status'>, spanMs: number): string =>
      set(markName(id), encodeMark({ reason, message }), `T${secondsOf(Math.min(spanMs, SPAN_OF_MARKS), key)}`)

    /** Undefined: it is no longer as it was read, and nothing has been written. null: the server tells no number. */
    function put({ cas }: Item, ticket: Ticket, seconds: number, io: Io): Promise<Writing | null | undefined> {
      const command = putting(encodeTicket(ticket, key), cas, seconds)
      return connection.use(async link => {
        const [answer] = await link.ask([command])
        return answer?.status === 'HD' ? writingOf(answer, link) : undefined
      }, io)
    }

    return {
      mark,
      /** Of a ticket of ours, which is remembered. False: as below. */
      async hold(item: Item, ticket: Ticket, seconds: number, io: Io): Promise<boolean> {
        const writing = await put(item, ticket, seconds, io)
        if (writing) own.note(ticket.id, writing)
        else own.forget(ticket.id)
        return writing !== undefined
      },
      /** Of whatever ticket. False: it is no longer as it was read. */
      put: async (item: Item, ticket: Ticket, seconds: number, io: Io): Promise<boolean> =>
        (await put(item, ticket, seconds, io)) !== undefined,
      /** Puts the ticket into the place that we have left, and looks for its id's mark. null: we have left none. */
      async takeAgain(ticket: Ticket, seconds: number, io: Io): Promise<Retaken | null> {
        const value = encodeTicket(ticket, key)
        return connection.use(async link => {
          const cas = emptied.take(name, link)
          if (cas === null) return null
          const answers = await link.ask([putting(value, cas, seconds), get(markName(ticket.id), 'v')])
          const [written, marked] = answers
          const writing = writingOf(written, link)
          if (writing === null) return null
          own.note(ticket.id, writing)
          return { writing, mark: marked ? markOf(marked, key) : null }
        }, io)
      },
      /** True: the ticket of ours that we wrote last has gone, and an empty item is in its place. */
      async leaveKnown(id: string, io: Io): Promise<boolean> {
        return connection.use(async link => {
          const cas = own.take(id, link)
          if (cas === null) return false
          const [answer] = await link.ask([putting('', cas, FREE_SECONDS)])
          const writing = writingOf(answer, link)
          if (writing !== null) emptied.note(name, writing)
          return writing !== null
        }, io)
      },
      async take({ cas }: Pick<Item, 'cas'>, io: Io): Promise<boolean> {
        const [answer] = await ask([remove(name, `C${cas}`)], io)
        return answer?.status === 'HD'
      },
      /** Never shortens. */
      async prolong(item: Item, ticket: Ticket, ttlMs: number, io: Io): Promise<boolean> {
        const seconds = secondsOf(ttlMs, key)
        return seconds <= item.leftSeconds || this.hold(item, { ...ticket, lifeMs: ttlMs }, seconds, io)
      },
      /** What holds now, and whether this id is forbidden. `make`: if nothing is there, an empty item. */
      async read(id: string, { make }: { readonly make: boolean }, io: Io): Promise<Found> {
        return foundIn(await ask(reading(id, make ? FREE : FLAGS), io))
      },
      /** After these commands. */
      async look(io: Io, before: readonly string[] = []): Promise<Item | null> {
        const answer = (await ask([...before, get(name, FLAGS)], io)).at(-1)
        return answer ? itemOf(answer, key) : null
      },
      /** Made again while others are quicker. */
      step: <T>(io: Io, attempt: (left: () => Io) => Promise<{ readonly answer: T } | null>): Promise<T> =>
        untilNotOvertaken(attempt, { name: traits.name, key, io }),
    }
  }

  async function enter(request: TicketRequest, io: Io): Promise<Entry> {
    const { key, id, ttlMs } = request
    if (request.mode !== 'exclusive' || request.limit !== null)
      throw new UnsupportedError(
        `memcached has exclusive locks only: "${key}" cannot be shared. Use redis for readers and semaphores.`,
        { key },
      )
    const place = placeOf(key)
    const isNew = request.token === undefined
    const seconds = secondsOf(ttlMs, key)
    const holds: Entry = { status: 'holds', token: 0, leftMs: ttlMs, waiters: 0 }
    return place.step<Entry>(io, async left => {
      const retaken = isNew ? await place.takeAgain(ticketOf(request), seconds, left()) : null
      if (retaken !== null) {
        if (retaken.mark === null) return { answer: holds }
        await place.take(retaken.writing, left())
        return { answer: retaken.mark }
      }
      const { item, mark } = await place.read(id, { make: isNew }, left())
      if (mark !== null) return { answer: mark }
      const ticket = item?.ticket ?? null
      if (item !== null && ticket?.id === id) {
        const barred = barredOf(ticket)
        if (barred !== null) return { answer: barred }
        return (await place.prolong(item, ticket, ttlMs, left())) ? { answer: holds } : null
      }
      if (!isNew) return { answer: { status: 'gone' } }
      if (item === null) return null
      if (ticket !== null) return { answer: refusal(key, item) }
      return (await place.hold(item, ticketOf(request), seconds, left())) ? { answer: holds } : null
    })
  }

  async function renew({ key, id, ttlMs }: RenewRequest, io: Io): Promise<Renewal> {
    const place = placeOf(key)
    return place.step<Renewal>(io, async left => {
      const { item, mark } = await place.read(id, { make: false }, left())
      const ticket = item?.ticket?.id === id ? item.ticket : null
      const revoked = ticket?.revoked || (mark?.reason === 'revoked' ? mark.message : '')
      if (revoked !== '') return { answer: { status: 'lost', reason: 'revoked', message: revoked } }
      if (item === null || ticket === null || ticket.kept)
        return { answer: { status: 'lost', reason: 'gone', message: 'memcached no longer has the ticket' } }
      if (!(await place.prolong(item, ticket, ttlMs, left()))) return null
      return { answer: { status: 'held', leftMs: ttlMs, waiters: 0 } }
    })
  }

  /** An empty item goes as well: an `enter` that is still under way may have read it, and must find it changed. */
  async function leave({ key, id, keepMs, forbidMs }: LeaveRequest, io: Io): Promise<{ readonly was: Was }> {
    const place = placeOf(key)
    const marks = forbidMs > 0 ? [place.mark(id, { reason: 'left', message: 'its owner gave it up' }, forbidMs)] : []
    const keepSeconds = secondsOf(keepMs, key)
    // Who forbids its id takes the item away whatever it is: what is under way may compare with it.
    if (keepMs === 0 && forbidMs === 0 && (await place.leaveKnown(id, io))) return { was: 'held' }
    own.forget(id)
    return place.step<{ readonly was: Was }>(io, async left => {
      const item = await place.look(left(), marks)
      const ticket = item?.ticket ?? null
      if (item === null || (ticket === null ? forbidMs === 0 : ticket.id !== id || ticket.kept))
        return { answer: { was: 'absent' } }
      if (ticket === null) return (await place.take(item, left())) ? { answer: { was: 'absent' } } : null
      const done =
        keepMs > 0
          ? await place.put(item, { ...ticket, kept: true, lifeMs: keepMs }, keepSeconds, left())
          : await place.take(item, left())
      return done ? { answer: { was: 'held' } } : null
    })
  }

  async function revoke(key: string, { tickets, reason, now }: RevokeRequest, io: Io): Promise<number> {
    if (typeof tickets === 'number')
      throw new UnsupportedError(`memcached gives no tokens: revoke "${key}" without naming one.`, { key })
    const place = placeOf(key)
    return place.step(io, async left => {
      const item = await place.look(left())
      if (item === null || item.ticket === null) return { answer: 0 }
      const { ticket } = item
      // Never 0 seconds, which means for ever.
      if (!now) {
        const done = await place.put(item, { ...ticket, revoked: reason }, Math.max(1, item.leftSeconds), left())
        return done ? { answer: 1 } : null
      }
      const mark = place.mark(ticket.id, { reason: 'revoked', message: reason }, Math.max(REVOKED_MS, ticket.lifeMs))
      const seen = await place.look(left(), [mark])
      return seen?.ticket?.id === ticket.id && (await place.take(seen, left())) ? { answer: 1 } : null
    })
  }

  return {
    traits,
    enter,
    renew: (renewals, io) =>
      Promise.all(
        renewals.map(renewal => renew(renewal, io).catch((cause: unknown): Renewal => ({ status: 'unknown', cause }))),
      ),
    leave,
    revoke,
    async inspect(key: string, io: Io): Promise<LockView | null> {
      const item = await placeOf(key).look(io)
      return item === null ? null : viewOf(key, item)
    },
    // oxlint-disable-next-line require-yield
    async *list(): AsyncIterable<LockView> {
      throw new UnsupportedError('memcached cannot list its locks. Inspect one by its key.')
    },
    async close() {
      for (const { connection } of servers) connection.close()
    },
  }
}

/** null: nothing was written, or by a server that does not tell the number of a writing. */
function writingOf(answer: Answer | undefined, link: Link): Writing | null {
  const cas = answer?.status === 'HD' ? answer.flags.get('c') : undefined
  return cas === undefined ? null : { link, cas }
}

function barredOf({ kept, revoked }: Ticket): Mark | null {
  if (kept) return { status: 'forbidden', reason: 'left', message: 'the ticket was left and is kept' }
  return revoked === '' ? null : { status: 'forbidden', reason: 'revoked', message: revoked }
}

/** Any text as a name that memcached takes: 43 letters. */
function hashed(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
