/**
 * Who of this process stands in which line, and who is to be told.
 *
 * Of every lock for which a ticket of ours waits the line is kept as last read. What changes it comes as events (a
 * stream of changes) or as a whole line (read again); whichever of ours holds since then is told, once. Events may
 * overtake the answer from which a line is made, so while a call is under way they are kept and gone through after.
 */
import type { StoreListener } from '../../../store/contract.ts'
import { holding } from '../../../store/rule.ts'
import type { LineTicket, Mark, Standing } from './line.ts'

/** A ticket of this process. */
export interface Own {
  readonly key: string
  readonly token: number
  /** Of its key, as the store has it. */
  readonly name: string
  /** Likewise, as we know it. */
  version: string
  life: string
  /** It lives until then at least, by our clock. */
  until: number
  /** It has been seen to hold, and so holds while it is there. */
  isHeld: boolean
  revokedTold: boolean
}

/** One change of a line. `ticket` null: it is gone. */
export interface LineEvent {
  readonly key: string
  /** Of the ticket's key. */
  readonly name: string
  readonly ticket: LineTicket | null
  readonly revision: number
}

export interface News {
  readonly own: ReadonlyMap<string, Own>
  /** A ticket of ours as it is now. */
  note(key: string, ticket: LineTicket, until: number): void
  forget(id: string): void
  /** A call is under way that may tell of a line. Call what it gives when that is over. */
  watching(key: string): () => void
  /** This ticket of ours waits in this line. */
  waits(key: string, id: string, line: { readonly tickets: readonly Standing[]; readonly revision: number }): void
  /** This ticket of ours holds. */
  holds(key: string, id: string): void
  /** It waits no longer. */
  served(key: string, id: string): void
  /** The line as it is now, of a lock for which one of ours waits. */
  line(key: string, line: { readonly tickets: readonly LineTicket[]; readonly revision: number }): void
  changed(event: LineEvent): void
  marked(id: string, mark: Mark): void
  /** Changes may have been missed. */
  gap(): void
  listen(listener: StoreListener): AsyncDisposable
}

/** Looks after a lock for which tickets of ours wait, and after the first of them above all: the others come later. */
export interface Follower {
  /** The first of ours that waited has gone: another is the first now. */
  again(): void
  stop(): void
}

interface Room {
  /** Tokens of ours that wait, by id. */
  readonly waiting: Map<string, number>
  /** By the names of their keys. */
  readonly line: Map<string, Standing>
  /** 0: the line is not known yet. */
  revision: number
  calls: number
  early: LineEvent[]
  follower: Follower | null
}

/** `follow`: called while one of ours waits for this lock, whose line is known as of that revision. */
export function createNews(follow: (key: string, revision: number) => Follower): News {
  const own = new Map<string, Own>()
  const rooms = new Map<string, Room>()
  let listener: StoreListener | null = null

  function roomOf(key: string): Room {
    const room = rooms.get(key) ?? {
      waiting: new Map(),
      line: new Map(),
      revision: 0,
      calls: 0,
      early: [],
      follower: null,
    }
    rooms.set(key, room)
    return room
  }

  function tidy(key: string, room: Room): void {
    if (room.waiting.size > 0) return
    room.follower?.stop()
    room.follower = null
    if (room.calls === 0) rooms.delete(key)
  }

  function set(room: Room, tickets: readonly Standing[], revision: number): void {
    room.line.clear()
    for (const ticket of tickets) room.line.set(ticket.name, ticket)
    room.revision = revision
    for (const event of room.early.splice(0)) apply(room, event)
  }

  function apply(room: Room, { name, ticket, revision }: LineEvent): void {
    if (revision <= room.revision) return
    if (ticket === null) room.line.delete(name)
    else room.line.set(name, ticket)
    room.revision = revision
  }

  function tell(key: string, room: Room): void {
    const queue = [...room.line.values()].toSorted((one, other) => one.token - other.token)
    const tokens = queue.slice(0, holding(queue)).flatMap(({ id }) => {
      const token = room.waiting.get(id)
      return token !== undefined && room.waiting.delete(id) ? token : []
    })
    if (tokens.length > 0) listener?.holds(key, tokens)
    tidy(key, room)
  }

  function tellRevoked(id: string, reason: string): void {
    const ticket = own.get(id)
    if (ticket === undefined || ticket.revokedTold) return
    ticket.revokedTold = true
    listener?.revoked(ticket.key, ticket.token, reason)
  }

  return {
    own,
    note(key, { id, token, name, version, life, revoked }, until) {
      const known = own.get(id)
      if (known?.token === token) Object.assign(known, { version, life, until })
      else own.set(id, { key, token, name, version, life, until, isHeld: false, revokedTold: revoked !== null })
    },
    forget: id => void own.delete(id),
    watching(key) {
      if (listener === null) return () => {}
      const room = roomOf(key)
      room.calls += 1
      return () => {
        room.calls -= 1
        if (room.calls === 0 && room.revision === 0) room.early.length = 0
        tidy(key, room)
      }
    },
    waits(key, id, { tickets, revision }) {
      if (listener === null) return
      const token = own.get(id)?.token
      if (token === undefined) return
      const room = roomOf(key)
      room.waiting.set(id, token)
      if (revision > room.revision) set(room, tickets, revision)
      room.follower ??= follow(key, room.revision)
      tell(key, room)
    },
    holds(key, id) {
      const ticket = own.get(id)
      if (ticket !== undefined) ticket.isHeld = true
      this.served(key, id)
    },
    served(key, id) {
      const room = rooms.get(key)
      const token = room?.waiting.get(id)
      if (room === undefined || token === undefined) return
      // Nobody who stands behind it was looked after.
      const isFirst = token === Math.min(...room.waiting.values())
      room.waiting.delete(id)
      if (isFirst && room.waiting.size > 0) room.follower?.again()
      tidy(key, room)
    },
    line(key, { tickets, revision }) {
      const room = rooms.get(key)
      for (const { id, revoked } of tickets) if (revoked !== null) tellRevoked(id, revoked)
      if (room === undefined || room.waiting.size === 0 || revision <= room.revision) return
      set(room, tickets, revision)
      tell(key, room)
    },
    changed(event) {
      const { key, ticket } = event
      if (ticket !== null && ticket.revoked !== null) tellRevoked(ticket.id, ticket.revoked)
      const room = rooms.get(key)
      if (room === undefined) return
      if (room.revision === 0) return void room.early.push(event)
      apply(room, event)
      tell(key, room)
    },
    marked(id, { reason, message }) {
      if (reason === 'revoked') tellRevoked(id, message)
    },
    gap() {
      for (const room of rooms.values()) {
        room.revision = 0
        room.early.length = 0
      }
      listener?.gap()
    },
    listen(heard) {
      listener = heard
      return {
        async [Symbol.asyncDispose]() {
          if (listener !== heard) return
          listener = null
          for (const room of rooms.values()) room.follower?.stop()
          rooms.clear()
        },
      }
    },
  }
}
