/**
 * News by looking, for a store that others change and that pushes nothing: while tickets of ours wait, their records
 * are looked at again and again, and who has come to hold is told as by a push.
 *
 * How often follows the place in the line. The next in line looks every 2 to 4 ms at first, and then after a fiftieth
 * of the time it has stood there, at most every 25 ms: its wait becomes about 2 % longer, and a process that waits for
 * an hour does not burn a battery. Whoever stands behind looks four times in the time that the line will take to come
 * to it at its present pace: a hundred who wait do not look a hundred times as often, and still each is at its post
 * when it is the next. Tickets that hold only wait for a revocation, which renewal tells them too: four looks a second.
 * Without tickets there is no timer.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import type { Entry, LeaveRequest, Renewal, RenewRequest, Store } from '../../store/contract.ts'
import type { StoreListener, TicketRequest } from '../../store/contract.ts'
import { holding } from '../../store/queue.ts'
import type { Queue } from '../../store/queue.ts'
import type { News } from '../../store/record-store.ts'

const QUICK_MS = 2
const NEXT_MS = 25
const BEHIND_MS = 1_000
const HOLDING_MS = 250
/** The next in line waits for this part of the time in which nothing has changed. */
const PATIENCE = 50
/** Looks of one behind, in the time until it is its turn. */
const APPROACHES = 4
/**
 * After a look at many records the pause is so many times what it took: looking never takes more than a fifth of the
 * process.
 */
const RESPITE = 4

interface Watched {
  readonly id: string
  readonly key: string
  readonly token: number
  /** 1: the next in line; 0: it holds. */
  place: number
  /** When that changed last. */
  placedAt: number
  /** How long a place took last; 0: not known. */
  paceMs: number
}

export interface Watch {
  /** The same store, but its tickets are watched from their first enter to their leave. */
  over(store: Store): Store
  listen(listener: StoreListener): AsyncDisposable
  stop(): void
  /** Sooner than the next look could. */
  tell(key: string, news: News): void
}

/** `look`: the records of those keys as they are now; null: no record has changed since the last look. May reject. */
export function createWatch(
  look: (keys: readonly string[]) => Promise<ReadonlyMap<string, Queue> | null>,
  clock: Clock,
): Watch {
  const watched = new Map<string, Watched>()
  const listeners = new Set<StoreListener>()
  let timer: Timer | undefined
  let due = Infinity
  let looking = false
  let lookMs = 0

  function stand(ticket: Watched, place: number): void {
    if (place === ticket.place) return
    const now = clock.now()
    if (place < ticket.place) ticket.paceMs = (now - ticket.placedAt) / (ticket.place - place)
    ticket.place = place
    ticket.placedAt = now
  }

  function tellHolds(ticket: Watched): void {
    stand(ticket, 0)
    for (const listener of listeners) listener.holds(ticket.key, [ticket.token])
  }

  function tellRevoked(ticket: Watched, reason: string): void {
    watched.delete(ticket.id)
    for (const listener of listeners) listener.revoked(ticket.key, ticket.token, reason)
  }

  function pauseOf({ place, placedAt, paceMs }: Watched, now: number): number {
    const quietMs = now - placedAt
    const quickMs = QUICK_MS * (1 + clock.random())
    if (place === 0) return HOLDING_MS
    if (place === 1) return Math.min(NEXT_MS, Math.max(quickMs, quietMs / PATIENCE))
    return Math.min(BEHIND_MS, NEXT_MS * place, Math.max(quickMs, (place * Math.max(paceMs, quietMs)) / APPROACHES))
  }

  /** Sets the timer, or moves it forward, for what these are to be looked after. */
  function arm(tickets: Iterable<Watched>): void {
    if (listeners.size === 0 || looking) return
    const now = clock.now()
    let pauseMs = Infinity
    for (const ticket of tickets) pauseMs = Math.min(pauseMs, pauseOf(ticket, now))
    pauseMs = Math.max(pauseMs, lookMs * RESPITE)
    if (due <= now + pauseMs) return
    timer?.cancel()
    due = now + pauseMs
    timer = clock.after(pauseMs, () => void round(), { idle: true })
  }

  function disarm(): void {
    timer?.cancel()
    timer = undefined
    due = Infinity
  }

  /** Never rejects: a store that fails is looked at again, and whom it refuses learns that from its own calls. */
  async function round(): Promise<void> {
    disarm()
    if (watched.size === 0) return
    const beganAt = clock.now()
    looking = true
    try {
      const queues = await look([...new Set([...watched.values()].map(ticket => ticket.key))])
      if (queues !== null) for (const ticket of [...watched.values()]) compare(ticket, queues.get(ticket.key))
    } catch {
      // As above.
    }
    looking = false
    lookMs = clock.now() - beganAt
    arm(watched.values())
  }

  function compare(ticket: Watched, queue: Queue | undefined): void {
    if (watched.get(ticket.id) !== ticket) return
    const index = queue?.tickets.findIndex(entry => entry.id === ticket.id) ?? -1
    const reason =
      queue?.tickets[index]?.revoked ??
      queue?.forbidden.find(entry => entry.id === ticket.id && entry.reason === 'revoked')?.message
    if (reason !== undefined) return tellRevoked(ticket, reason)
    if (queue === undefined || index < 0) return void watched.delete(ticket.id)
    const place = Math.max(0, index + 1 - holding(queue.tickets))
    if (place > 0) stand(ticket, place)
    else if (ticket.place > 0) tellHolds(ticket)
  }

  function entered({ id, key }: TicketRequest, entry: Entry): Entry {
    if (entry.status !== 'holds' && entry.status !== 'waits') watched.delete(id)
    else {
      const place = entry.status === 'holds' ? 0 : Math.max(1, entry.ahead)
      const known = watched.get(id)
      // Those ahead hold too, some of them: a look knows better.
      if (known?.token === entry.token && known.place > 0 === place > 0) return entry
      const ticket = { id, key, token: entry.token, place, placedAt: clock.now(), paceMs: 0 }
      watched.set(id, ticket)
      arm([ticket])
    }
    return entry
  }

  function renewed(requests: readonly RenewRequest[], answers: readonly Renewal[]): readonly Renewal[] {
    for (const [index, answer] of answers.entries()) {
      const ticket = watched.get(requests[index]?.id ?? '')
      if (ticket === undefined || answer.status === 'unknown') continue
      if (answer.status === 'lost') watched.delete(ticket.id)
      else stand(ticket, 0)
    }
    return answers
  }

  return {
    over: store => ({
      ...store,
      enter: (request, io) => store.enter(request, io).then(entry => entered(request, entry)),
      renew: (requests, io) => store.renew(requests, io).then(answers => renewed(requests, answers)),
      leave: (request: LeaveRequest, io) =>
        store.leave(request, io).then(answer => {
          watched.delete(request.id)
          return answer
        }),
    }),
    listen(listener) {
      listeners.add(listener)
      arm(watched.values())
      return {
        async [Symbol.asyncDispose]() {
          listeners.delete(listener)
          if (listeners.size === 0) disarm()
        },
      }
    },
    stop() {
      listeners.clear()
      watched.clear()
      disarm()
    },
    tell(key, news) {
      for (const ticket of [...watched.values()]) {
        if (ticket.key !== key) continue
        const reason = news.revoked.find(entry => entry.token === ticket.token)?.reason
        if (reason !== undefined) tellRevoked(ticket, reason)
        else if (ticket.place > 0 && news.holds.includes(ticket.token)) tellHolds(ticket)
      }
    },
  }
}
