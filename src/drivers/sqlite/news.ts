/**
 * Who waits is told. Inside one process directly: all its stores on one file meet in a hub. From other processes by
 * looking: `PRAGMA data_version` says in a few microseconds whether anybody else has written, and only then the records
 * of our own tickets are read.
 *
 * The look comes every 2 to 4 ms while a ticket waits and the file is busy. While it is quiet the pause grows to a
 * fiftieth of the quiet time, up to 25 ms: a wait becomes at most about 2 % longer, and a process that waits for an
 * hour does not burn a battery. Tickets that hold only wait for a revocation, which renewal tells them too: four looks
 * a second. Without tickets there is no timer.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import type { StoreListener } from '../../store/contract.ts'
import type { Queue } from '../../store/queue.ts'

const QUICK_MS = 2
const RELAXED_MS = 25
const HOLDING_MS = 250
/** The pause is this part of the time in which nothing has changed. */
const PATIENCE = 50
/**
 * After a look at many records the pause is so many times what it took: looking never takes more than a fifth of the
 * process.
 */
const RESPITE = 4

export interface News {
  readonly namespace: string
  readonly key: string
  readonly holds: readonly number[]
  readonly revoked: readonly { readonly token: number; readonly reason: string }[]
}

const hub = new Map<string, Set<(news: News) => void>>()

/** Tells all stores of this process on that file. */
export function publish(identity: string, news: News): void {
  for (const subscriber of hub.get(identity) ?? []) subscriber(news)
}

/** @returns how to stop */
export function subscribe(identity: string, subscriber: (news: News) => void): () => void {
  const subscribers = hub.get(identity) ?? new Set()
  hub.set(identity, subscribers.add(subscriber))
  return () => {
    subscribers.delete(subscriber)
    if (subscribers.size === 0) hub.delete(identity)
  }
}

interface Watched {
  readonly id: string
  readonly key: string
  readonly token: number
  readonly waits: boolean
}

/** What the watch looks at; both may throw, and then the next look finds out. */
export interface Source {
  /** Changes whenever another connection has written. */
  version(): string
  queue(key: string): Queue | null
}

export interface Watch {
  /** This ticket of ours waits, or holds. */
  add(id: string, key: string, token: number, waits: boolean): void
  /** It no longer waits. */
  holds(id: string): void
  drop(id: string): void
  tell(news: News): void
  listen(listener: StoreListener): AsyncDisposable
  stop(): void
}

export function createWatch(source: Source, clock: Clock): Watch {
  const watched = new Map<string, Watched>()
  const listeners = new Set<StoreListener>()
  let waiting = 0
  let timer: Timer | undefined
  let due = Infinity
  let version = ''
  let changedAt = 0
  let lookMs = 0

  function set(ticket: Watched): void {
    drop(ticket.id)
    watched.set(ticket.id, ticket)
    if (ticket.waits) waiting += 1
  }

  function drop(id: string): void {
    if (watched.get(id)?.waits === true) waiting -= 1
    watched.delete(id)
  }

  function tellHolds(ticket: Watched): void {
    set({ ...ticket, waits: false })
    for (const listener of listeners) listener.holds(ticket.key, [ticket.token])
  }

  function tellRevoked(ticket: Watched, reason: string): void {
    drop(ticket.id)
    for (const listener of listeners) listener.revoked(ticket.key, ticket.token, reason)
  }

  /** Sets the timer if there is something to look for, or moves it forward. */
  function arm(): void {
    if (listeners.size === 0 || watched.size === 0) return stop()
    const quietMs = (clock.now() - changedAt) / PATIENCE
    const pauseMs =
      waiting === 0
        ? HOLDING_MS
        : Math.max(Math.min(RELAXED_MS, Math.max(QUICK_MS * (1 + clock.random()), quietMs)), lookMs * RESPITE)
    const at = clock.now() + pauseMs
    if (timer !== undefined && due <= at) return
    timer?.cancel()
    due = at
    timer = clock.after(pauseMs, look, { idle: true })
  }

  function stop(): void {
    timer?.cancel()
    timer = undefined
    due = Infinity
  }

  function look(): void {
    timer = undefined
    due = Infinity
    const beganAt = clock.now()
    try {
      const latest = source.version()
      if (latest !== version) {
        version = latest
        changedAt = clock.now()
        readAll()
      }
    } catch {
      // The file may be busy or failing: look again at everything. Who is refused by it learns that from its own calls.
      version = ''
    }
    lookMs = clock.now() - beganAt
    arm()
  }

  function readAll(): void {
    const keys = new Map<string, Watched[]>()
    for (const ticket of watched.values()) {
      const ours = keys.get(ticket.key)
      if (ours === undefined) keys.set(ticket.key, [ticket])
      else ours.push(ticket)
    }
    for (const [key, ours] of keys) {
      const queue = source.queue(key)
      for (const ticket of ours) compare(ticket, queue)
    }
  }

  function compare(ticket: Watched, queue: Queue | null): void {
    const found = queue?.tickets.find(entry => entry.id === ticket.id)
    const reason =
      found === undefined
        ? queue?.forbidden.find(entry => entry.id === ticket.id && entry.reason === 'revoked')?.message
        : found.revoked
    if (reason !== undefined && reason !== null) tellRevoked(ticket, reason)
    else if (found === undefined) drop(ticket.id)
    else if (ticket.waits && found.heldAt !== null) tellHolds(ticket)
  }

  return {
    add(id, key, token, waits) {
      if (waits) changedAt = clock.now()
      set({ id, key, token, waits })
      arm()
    },
    holds(id) {
      const ticket = watched.get(id)
      if (ticket?.waits === true) set({ ...ticket, waits: false })
    },
    drop,
    tell(news) {
      for (const ticket of [...watched.values()]) {
        if (ticket.key !== news.key) continue
        const reason = news.revoked.find(entry => entry.token === ticket.token)?.reason
        if (reason !== undefined) tellRevoked(ticket, reason)
        else if (ticket.waits && news.holds.includes(ticket.token)) tellHolds(ticket)
      }
    },
    listen(listener) {
      listeners.add(listener)
      arm()
      return {
        [Symbol.asyncDispose]: async () => {
          listeners.delete(listener)
          arm()
        },
      }
    },
    stop() {
      listeners.clear()
      watched.clear()
      waiting = 0
      stop()
    },
  }
}
