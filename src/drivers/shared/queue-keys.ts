/**
 * A store whose tickets are keys of their own: the verbs, written once over a few steps that such a store has.
 *
 * Each key is bound to a life of the store's (a lease, a session), and the store removes it when that ends: who is dead
 * is the store's word, and every ticket that can be read is alive. The keys of a lock are in the order in which they
 * were made. So who holds is known from one reading of them, without comparing: a prefix of the line that holds goes on
 * holding, whoever comes later. What is written over compares with the key as it was read; who was overtaken reads
 * again.
 *
 * A ticket is prolonged only after a reading has shown it in the line. That reading has also shown that the server is
 * the one in charge: one that was stopped and deposed answers a call to prolong as if it were, and prolongs nothing.
 * Whoever is in charge later begins the life anew, and no earlier than the call, which is from when our window counts.
 */
import { systemClock } from '../../base/clock.ts'
import { refusal, place } from '../../store/answers.ts'
import type { Entry, Io, LeaveRequest, Renewal, RenewRequest, RevokeRequest } from '../../store/contract.ts'
import type { Store, StoreListener, StoreTraits, TicketRequest, Was } from '../../store/contract.ts'
import { untilNotOvertaken } from '../../store/overtaken.ts'
import { FRESH } from '../../store/queue.ts'
import { holding } from '../../store/rule.ts'
import { asTickets, blockersOf, READ, viewLine } from './queue-keys/line.ts'
import type { Line, LineTicket, Mark, Words } from './queue-keys/line.ts'
import { createNews } from './queue-keys/news.ts'
import type { Follower, News } from './queue-keys/news.ts'

/** Which lock, and whose mark is asked for. */
export interface Whose {
  readonly key: string
  readonly id: string
}

/** A ticket that has been written. */
export interface Written {
  readonly ticket: LineTicket
  /** It lives until then at least, by the system clock. */
  readonly until: number
}

export interface Removed extends Pick<LineTicket, 'id' | 'name' | 'version' | 'life'> {
  /** Only while these are there, which make it wait: what has come to hold meanwhile must not be taken. */
  readonly behind: readonly LineTicket[]
  /** It is known to hold, and so goes on holding while it is there: the line need not be given. */
  readonly isHeld?: boolean
}

/** `until`: as above, of the ticket that this call has added; null: it has added none. */
export type Added = Line & { readonly until: number | null }

/** The steps of a store. Each is atomic, except where it says so. */
export interface TicketKeys {
  /** As of no earlier than the call, and by the server in charge. `id` null: no mark is asked for. */
  read(key: string, id: string | null, io: Io): Promise<Line>
  /**
   * Adds a ticket, unless one of this id or a mark of it is there; with `queue: false` only if it holds. It lives its
   * ttl if it holds, else its waiting life, and its words say which. One that has taken the wrong life, since the line
   * was not known, costs a step more. Gives the line as it is then. A request of this that is carried out twice must
   * add once. Where keys are not named by their ids, one that is asked for anew, since its first answer was lost, may
   * add a second, behind the first: it is taken out again.
   */
  add(request: TicketRequest, io: Io): Promise<Added>
  /** Its life begins anew. False: it is gone. */
  refresh(key: string, ticket: LineTicket, io: Io): Promise<boolean>
  /** Other words, and a life of `words.lifeMs` from now on, which may end sooner. null: it is not as it was read. */
  rewrite(key: string, ticket: LineTicket, words: Words, io: Io): Promise<Written | null>
  /** Forbids its renewal, in its words; its life goes on as it was. False: it is not as it was read. */
  revoke(key: string, ticket: LineTicket, reason: string, io: Io): Promise<boolean>
  /**
   * The line as it was before, without tickets if `isHeld`; null: the ticket is not as it was read, or one of `behind`
   * is no longer there, and nothing has been removed.
   */
  remove(key: string, ticket: Removed, io: Io): Promise<Line | null>
  /** For at least so long. In place of an earlier mark. */
  forbid(whose: Whose, mark: Mark & { readonly lifeMs: number }, io: Io): Promise<void>
  /** All locks whose key begins so. */
  list(prefix: string, io: Io): AsyncIterable<{ readonly key: string; readonly tickets: readonly LineTicket[] }>
  /** What each has left, for people, where the store can tell. */
  left?(tickets: readonly LineTicket[], io: Io): Promise<readonly number[]>
  /** Begins to call `news`, and resolves once nothing is missed any more. */
  listen(news: News): Promise<AsyncDisposable>
  /** Called when one of ours begins to wait for this lock, whose line is known as of that revision. */
  follow(key: string, news: News, revision: number): Follower
  connect?(io: Io): Promise<void>
  close(): Promise<void>
}

/** How long a revoked waiter's id stays forbidden: its owner asks every few seconds, and learns why. */
const REVOKED_MS = 60_000
/** A waiter behind more than these, all of whom must be there, is only forbidden: it goes when it asks, or dies. */
const MOST_COMPARED = 100

/** The verbs of a store over its keys; `news` knows the tickets of this process. */
export function queueKeyStore(traits: StoreTraits, keys: TicketKeys): { readonly store: Store; readonly news: News } {
  const clock = systemClock
  const news = createNews((key, revision) => keys.follow(key, news, revision))

  const inTurn = <T>(
    key: string,
    io: Io,
    attempt: (left: () => Io) => Promise<{ readonly answer: T } | null>,
  ): Promise<T> => untilNotOvertaken(attempt, { name: traits.name, key, io })

  const ticketsOf = (tickets: readonly LineTicket[]) =>
    asTickets(tickets, { wall: clock.wall(), leftMs: ({ lifeMs }) => lifeMs })

  async function enter(request: TicketRequest, io: Io): Promise<Entry> {
    const { key, id } = request
    const done = news.watching(key)
    const since = clock.now()
    let adding = request.token === undefined
    try {
      return await inTurn(key, io, async left => {
        const line = adding ? await keys.add(request, left()) : { ...(await keys.read(key, id, left())), until: null }
        adding = false
        const answer = await entered(request, line, { since, io: left() })
        return answer === null ? null : { answer }
      })
    } finally {
      done()
    }
  }

  /** null: the line has changed meanwhile. `since`: from when the answer counts. */
  async function entered(
    request: TicketRequest,
    line: Added,
    { since, io }: { readonly since: number; readonly io: Io },
  ): Promise<Entry | null> {
    const { key, id } = request
    const { tickets, mark, until } = line
    if (mark !== null) return gone(key, id, { status: 'forbidden', ...mark })
    const index = tickets.findIndex(ticket => ticket.id === id)
    const ticket = tickets[index]
    if (await hasDoubles(key, { tickets, id }, io)) return null
    if (ticket === undefined) {
      const isRefused = request.token === undefined && !request.queue
      return gone(key, id, isRefused ? refusal(ticketsOf(tickets), READ) : { status: 'gone' })
    }
    const barred = barredOf(ticket)
    if (barred !== null) return { status: 'forbidden', ...barred }
    const holds = index < holding(tickets)
    if (until !== null) news.note(key, ticket, until)
    const isSettled = until !== null && holds === (ticket.claimMs === null)
    const given = isSettled
      ? Math.min(until - since, ticket.lifeMs)
      : await (holds ? claim : wait)(key, ticket, request, io)
    if (given === null) return null
    if (holds) news.holds(key, id)
    else news.waits(key, id, line)
    const wall = clock.wall()
    const leftMs = (each: LineTicket): number => (each.id === id ? given : each.lifeMs)
    const lives = tickets.map(each => (each.id === id ? { ...each, lifeMs: Math.max(each.lifeMs, given) } : each))
    return place(asTickets(lives, { wall, leftMs }), index, request, READ)
  }

  /** An id has one ticket, its first: others are taken out. False: there were none. */
  async function hasDoubles(key: string, { tickets, id }: Pick<Line, 'tickets'> & { readonly id: string }, io: Io) {
    const [, ...others] = tickets.filter(ticket => ticket.id === id)
    for (const other of others) await keys.remove(key, { ...other, behind: [] }, io)
    return others.length > 0
  }

  function gone(key: string, id: string, entry: Entry): Entry {
    news.forget(id)
    news.served(key, id)
    return entry
  }

  /**
   * What a ticket that holds has left. The first time after a wait its end is set, and may so come sooner; never for
   * less than it asked for when it came, since on a push its owner has counted on that much. null: it has changed.
   */
  function claim(key: string, ticket: LineTicket, { ttlMs }: RenewRequest | TicketRequest, io: Io) {
    if (ticket.claimMs === null) return prolong(key, ticket, ttlMs, io)
    return rewrite(key, ticket, { ...ticket, lifeMs: Math.max(ttlMs, ticket.claimMs), claimMs: null }, { ttlMs, io })
  }

  /** Likewise of one that waits. Who asks again soon changes nothing. */
  async function wait(key: string, ticket: LineTicket, request: TicketRequest, io: Io): Promise<number | null> {
    const { ttlMs, waiterTtlMs } = request
    if (ticket.claimMs === null) {
      const words = { ...ticket, lifeMs: waiterTtlMs, claimMs: ttlMs }
      return rewrite(key, ticket, words, { ttlMs: waiterTtlMs, io })
    }
    const surelyMs = surely(ticket)
    return surelyMs > waiterTtlMs * FRESH ? surelyMs : prolong(key, ticket, waiterTtlMs, io)
  }

  /** What we know it to have left. */
  function surely({ id, life }: LineTicket): number {
    const own = news.own.get(id)
    return own?.life === life ? own.until - clock.now() : 0
  }

  /** Never shortens. */
  async function prolong(key: string, ticket: LineTicket, lifeMs: number, io: Io): Promise<number | null> {
    const surelyMs = surely(ticket)
    if (surelyMs >= lifeMs) return surelyMs
    // Whose end we do not know we do not give a shorter life, which could end before that.
    const isSame = ticket.lifeMs === lifeMs || (ticket.lifeMs > lifeMs && surelyMs <= 0)
    if (!isSame) return rewrite(key, ticket, { ...ticket, lifeMs }, { ttlMs: lifeMs, io })
    const sentAt = clock.now()
    if (!(await keys.refresh(key, ticket, io))) return null
    news.note(key, ticket, sentAt + ticket.lifeMs)
    return Math.min(ticket.lifeMs, lifeMs)
  }

  async function rewrite(
    key: string,
    ticket: LineTicket,
    words: Words,
    { ttlMs, io }: { readonly ttlMs: number; readonly io: Io },
  ): Promise<number | null> {
    const sentAt = clock.now()
    const written = await keys.rewrite(key, ticket, words, io)
    if (written === null) return null
    news.note(key, written.ticket, written.until)
    return Math.min(written.until - sentAt, ttlMs)
  }

  function renewOne(request: RenewRequest, io: Io): Promise<Renewal> {
    const { key, id } = request
    return inTurn<Renewal>(key, io, async left => {
      const { tickets, mark } = await keys.read(key, id, left())
      const index = tickets.findIndex(each => each.id === id)
      const ticket = tickets[index]
      const revoked = ticket?.revoked ?? (mark?.reason === 'revoked' ? mark.message : null)
      if (revoked !== null) return { answer: { status: 'lost', reason: 'revoked', message: revoked } }
      const holders = holding(tickets)
      if (ticket === undefined || ticket.kept || index >= holders)
        return { answer: { status: 'lost', reason: 'gone', message: `${traits.name} no longer has the ticket` } }
      const leftMs = await claim(key, ticket, request, left())
      if (leftMs === null) return null
      news.holds(key, id)
      const waiters = tickets.length - holders
      return { answer: { status: 'held', leftMs: Math.min(leftMs, request.ttlMs), waiters } }
    })
  }

  async function leave(request: LeaveRequest, io: Io): Promise<{ readonly was: Was }> {
    const { key, id, keepMs, forbidMs } = request
    const own = news.own.get(id)
    const was = await inTurn<Was>(key, io, async left => {
      // Before the line is looked at: what adds the ticket later finds the mark, what added it earlier is found.
      if (forbidMs > 0)
        await keys.forbid(request, { reason: 'left', message: 'its owner gave it up', lifeMs: forbidMs }, left())
      const isKnown = own !== undefined && keepMs === 0 && forbidMs === 0
      const before = isKnown ? await keys.remove(key, { id, ...own, behind: [] }, left()) : null
      if (before !== null) return { answer: own?.isHeld === true ? 'held' : placeOf(before, id) }
      const line = await keys.read(key, null, left())
      if (await hasDoubles(key, { ...line, id }, left())) return null
      const ticket = line.tickets.find(each => each.id === id)
      if (ticket === undefined || ticket.kept) return { answer: 'absent' }
      const isHeld = placeOf(line, id) === 'held'
      const done =
        isHeld && keepMs > 0
          ? await keys.rewrite(key, ticket, { ...ticket, lifeMs: keepMs, kept: true }, left())
          : await keys.remove(key, { ...ticket, behind: [], isHeld }, left())
      return done === null ? null : { answer: isHeld ? 'held' : 'waiting' }
    })
    news.forget(id)
    news.served(key, id)
    return { was }
  }

  async function revoke(key: string, request: RevokeRequest, io: Io): Promise<number> {
    const { tickets } = await keys.read(key, null, io)
    let revoked = 0
    // From behind: whom the removal of those in front would let hold must not come to hold only to be removed.
    for (const { id } of tickets.toReversed()) {
      let line: Pick<Line, 'tickets'> | null = { tickets }
      let isMarked = false
      const isDone = await inTurn<boolean>(key, io, async left => {
        line ??= await keys.read(key, null, left())
        const outcome = await revokeOne(key, { request, id, line }, left())
        line = null
        if (outcome === 'told') isMarked = true
        // Its owner, once told, may be quicker to take it out.
        return outcome === 'told' || outcome === 'changed' ? null : { answer: outcome === 'revoked' || isMarked }
      })
      if (isDone) revoked += 1
    }
    return revoked
  }

  async function revokeOne(
    key: string,
    asked: { readonly request: RevokeRequest; readonly id: string; readonly line: Pick<Line, 'tickets'> },
    io: Io,
  ): Promise<'revoked' | 'told' | 'not meant' | 'changed'> {
    const { id, line, request } = asked
    const { reason: message, now } = request
    const index = line.tickets.findIndex(each => each.id === id)
    const ticket = line.tickets[index]
    const isHeld = index < holding(line.tickets)
    if (ticket === undefined || !isChosen(request.tickets, ticket, isHeld)) return 'not meant'
    const behind = isHeld ? [] : blockersOf(line.tickets, index)
    if ((isHeld && !now) || behind.length > MOST_COMPARED)
      return (await keys.revoke(key, ticket, message, io)) ? 'revoked' : 'changed'
    await keys.forbid({ key, id }, { reason: 'revoked', message, lifeMs: Math.max(REVOKED_MS, ticket.lifeMs) }, io)
    const before = await keys.remove(key, { ...ticket, behind: now ? [] : behind, isHeld }, io)
    return before === null ? 'told' : 'revoked'
  }

  async function viewOf(key: string, tickets: readonly LineTicket[], io: Io) {
    const left = await keys.left?.(tickets, io)
    const leftMs = ({ lifeMs }: LineTicket, index: number): number => left?.[index] ?? lifeMs
    return viewLine(key, asTickets(tickets, { wall: clock.wall(), leftMs }))
  }

  const store: Store = {
    traits,
    enter,
    renew: (renewals, io) =>
      Promise.all(
        renewals.map(each => renewOne(each, io).catch((cause: unknown): Renewal => ({ status: 'unknown', cause }))),
      ),
    leave,
    revoke,
    inspect: async (key, io) => viewOf(key, (await keys.read(key, null, io)).tickets, io),
    async *list(prefix, io) {
      for await (const { key, tickets } of keys.list(prefix, io)) {
        const lock = await viewOf(key, tickets, io)
        if (lock !== null) yield lock
      }
    },
    async listen(listener: StoreListener) {
      const told = news.listen(listener)
      const heard = await keys.listen(news).catch(async (cause: unknown) => {
        await told[Symbol.asyncDispose]()
        throw cause
      })
      return {
        async [Symbol.asyncDispose]() {
          await told[Symbol.asyncDispose]()
          await heard[Symbol.asyncDispose]()
        },
      }
    },
    ...(keys.connect === undefined ? {} : { connect: keys.connect }),
    close: () => keys.close(),
  }
  return { store, news }
}

function placeOf({ tickets }: Line, id: string): Was {
  const index = tickets.findIndex(each => each.id === id)
  if (index < 0) return 'absent'
  return index < holding(tickets) ? 'held' : 'waiting'
}

function barredOf({ kept, revoked }: LineTicket): Mark | null {
  if (kept) return { reason: 'left', message: 'the ticket was left and is kept' }
  return revoked === null ? null : { reason: 'revoked', message: revoked }
}

function isChosen(wanted: RevokeRequest['tickets'], { token, tokens }: LineTicket, held: boolean): boolean {
  if (typeof wanted === 'number') return token <= wanted && wanted < token + tokens
  return wanted === 'all' || held
}
