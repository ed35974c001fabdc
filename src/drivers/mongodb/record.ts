/**
 * A lock as one document, and back. Its numbers are of the types that an update pipeline computes with, so that a
 * ticket that MongoDB itself has written reads like one of ours; times are milliseconds of the server's clock.
 */
import { flag, integer, list, number, oneOf, record, text, texts } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { ConfigurationError } from '../../base/errors.ts'
import type { Forbidden, Now, Queue, Ticket } from '../../store/queue.ts'

/** Grows when an older holdfast could no longer read what is written. */
export const LAYOUT = 1

/** A record is forgotten a day after the clock has passed all that is in it. */
export const REMEMBER_MS = 86_400_000

/** A command may wait so long between its look at the clock and its look at the document. */
const STALLED_MS = 10_000

export interface LockDocument {
  readonly _id: string
  readonly layout: number
  /** Another one after every change. */
  readonly v: number
  readonly end: number
  readonly tickets: readonly object[]
  readonly forbidden: readonly object[]
  /** When the TTL index may take the document away: nobody needs it by then. */
  readonly sweepAt: Date
}

export interface FoundRecord {
  readonly queue: Queue
  readonly version: number
  readonly now: Now
}

export function documentOf(name: string, queue: Queue, version: number): LockDocument {
  const { end, tickets, forbidden } = queue
  const ends = [end / 1_000, ...tickets.map(ticket => ticket.expiresAt), ...forbidden.map(({ until }) => until)]
  return {
    _id: name,
    layout: LAYOUT,
    v: version,
    end,
    // Names of fields may hold dots and dollars, which MongoDB would read as its own.
    tickets: tickets.map(ticket => ({ ...ticket, meta: JSON.stringify(ticket.meta) })),
    forbidden,
    sweepAt: new Date(Math.ceil(Math.max(...ends)) + REMEMBER_MS),
  }
}

/** @throws ConfigurationError  a document of somebody else, or of a newer holdfast */
export function recordIn(document: unknown, name: string): FoundRecord {
  try {
    const from = record(document, 'document')
    if (from['layout'] !== LAYOUT)
      throw new TypeError(`it has layout ${String(from['layout'])}, and this holdfast knows ${LAYOUT}`)
    const queue: Queue = {
      end: integer(from, 'end'),
      tickets: list(from, 'tickets').map(ticketIn),
      forbidden: list(from, 'forbidden').map(forbiddenIn),
    }
    return { queue, version: integer(from, 'v'), now: nowFor(queue, integer(from, 'now')) }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigurationError(
      `The document ${JSON.stringify(name)} is no lock that this holdfast can read (${why}). Give holdfast a collection of its own.`,
      { cause },
    )
  }
}

export function nowAt(ms: number): Now {
  return { ms, micros: ms * 1_000 }
}

/**
 * MongoDB reads the clock when a command begins, before it waits for its turn: the document may be newer than that. No
 * ticket was given its life later than now, so the latest such moment is a clock that is not older than the document. A
 * clock that was set back is further off.
 */
function nowFor({ tickets, forbidden }: Queue, ms: number): Now {
  const given = [
    ...tickets.map(({ expiresAt, lifeMs }) => expiresAt - lifeMs),
    ...forbidden.map(({ until, lifeMs }) => until - lifeMs),
  ]
  const latest = Math.max(ms, ...given)
  return nowAt(latest - ms <= STALLED_MS ? latest : ms)
}

function ticketIn(value: unknown): Ticket {
  const from = record(value, 'ticket')
  return {
    id: text(from, 'id'),
    token: integer(from, 'token'),
    tokens: integer(from, 'tokens'),
    holder: text(from, 'holder'),
    mode: oneOf(from, 'mode', ['exclusive', 'shared']),
    limit: orNull(from, 'limit', integer),
    meta: texts({ meta: JSON.parse(text(from, 'meta')) }, 'meta'),
    enteredAt: number(from, 'enteredAt'),
    heldAt: orNull(from, 'heldAt', number),
    expiresAt: number(from, 'expiresAt'),
    lifeMs: number(from, 'lifeMs'),
    claimMs: orNull(from, 'claimMs', number),
    kept: flag(from, 'kept'),
    revoked: orNull(from, 'revoked', text),
  }
}

function forbiddenIn(value: unknown): Forbidden {
  const from = record(value, 'forbidden id')
  return {
    id: text(from, 'id'),
    reason: oneOf(from, 'reason', ['left', 'revoked']),
    message: text(from, 'message'),
    until: number(from, 'until'),
    lifeMs: number(from, 'lifeMs'),
  }
}

function orNull<T>(from: Fields, name: string, read: (from: Fields, name: string) => T): T | null {
  return from[name] === null ? null : read(from, name)
}
