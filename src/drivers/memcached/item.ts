/** What memcached keeps of a lock: an item with the ticket that holds, and marks of ids that may not come back. */
import { ConfigurationError, UnsupportedError } from '../../base/errors.ts'
import { flag, number, oneOf, record, text, texts } from '../../base/decode.ts'
import type { Entry, LockView, TicketRequest } from '../../store/contract.ts'
import type { Answer } from './client.ts'

export interface Ticket {
  readonly id: string
  readonly holder: string
  readonly meta: Readonly<Record<string, string>>
  /** The span that it was given last: more than this it never has left. */
  readonly lifeMs: number
  readonly kept: boolean
  /** Why renewal is forbidden; empty: it is not. */
  readonly revoked: string
}

export interface Item {
  /** null: the place is free, and somebody is about to take it. */
  readonly ticket: Ticket | null
  /** Changes with every write. */
  readonly cas: string
  /** Until its clock says that the item is over: the last of them may be over at any moment. */
  readonly leftSeconds: number
}

/** Why an id may not come (back) to life. */
export type Mark = Extract<Entry, { readonly status: 'forbidden' }>

/** A number of seconds above this is a date to memcached. */
const MOST_SECONDS = 30 * 24 * 3_600
/** Far below an item's greatest size (1 MB, or what `-I` says): a write that is refused for its size drops the item. */
const VALUE_BYTES = 64_000
/** It may be over at any moment: ask so soon again. */
const LAST_SECOND_MS = 100
const LAYOUT = 1

/**
 * What to ask for so that an item surely lives so long. Its clock counts whole seconds, and the first of them has begun
 * already.
 * @throws UnsupportedError  longer than memcached counts
 */
export function secondsOf(spanMs: number, key: string): number {
  const seconds = Math.ceil(spanMs / 1_000) + 1
  if (seconds <= MOST_SECONDS) return seconds
  throw new UnsupportedError(
    `${Math.round(spanMs)} ms for "${key}" is longer than memcached counts, which is 30 days less a second.`,
    { key },
  )
}

/** What goes without saying is left out. @throws UnsupportedError  holder and meta are too long */
export function encodeTicket(ticket: Ticket, key: string): string {
  const { id, holder, meta, lifeMs, kept, revoked } = ticket
  const value = JSON.stringify({
    ...{ layout: LAYOUT, id, holder, lifeMs },
    ...(Object.keys(meta).length === 0 ? {} : { meta }),
    ...(kept ? { kept } : {}),
    ...(revoked === '' ? {} : { revoked }),
  })
  if (Buffer.byteLength(value) <= VALUE_BYTES) return value
  throw new UnsupportedError(`Holder and meta of "${key}" are too long: memcached keeps ${VALUE_BYTES} bytes.`, { key })
}

export function ticketOf({ id, holder, meta, ttlMs }: TicketRequest): Ticket {
  return { id, holder, meta, lifeMs: ttlMs, kept: false, revoked: '' }
}

/** null: there is none. @throws ConfigurationError  it is not what we write */
export function itemOf({ status, flags, value }: Answer, key: string): Item | null {
  if (status === 'EN') return null
  const cas = flags.get('c')
  if (status !== 'VA' || cas === undefined) throw foreign(key, new TypeError(`${status} answers no question for it`))
  // An item that the question itself has made has no time left to tell yet.
  return { ticket: value === '' ? null : decodeTicket(value, key), cas, leftSeconds: Number(flags.get('t') ?? 0) }
}

export function encodeMark({ reason, message }: Omit<Mark, 'status'>): string {
  return JSON.stringify({ layout: LAYOUT, reason, message })
}

export function markOf({ status, value }: Answer, key: string): Mark | null {
  if (status === 'EN') return null
  return decode(value, key, fields => ({
    status: 'forbidden',
    reason: oneOf(fields, 'reason', ['left', 'revoked']),
    message: text(fields, 'message'),
  }))
}

function decodeTicket(value: string, key: string): Ticket {
  return decode(value, key, fields => ({
    id: text(fields, 'id'),
    holder: text(fields, 'holder'),
    meta: fields['meta'] === undefined ? {} : texts(fields, 'meta'),
    lifeMs: number(fields, 'lifeMs'),
    kept: fields['kept'] !== undefined && flag(fields, 'kept'),
    revoked: fields['revoked'] === undefined ? '' : text(fields, 'revoked'),
  }))
}

function decode<T>(value: string, key: string, read: (fields: ReturnType<typeof record>) => T): T {
  try {
    const fields = record(JSON.parse(value), 'the item')
    if (number(fields, 'layout') !== LAYOUT)
      throw new TypeError(`layout ${number(fields, 'layout')} is of another version of holdfast`)
    return read(fields)
  } catch (cause) {
    throw foreign(key, cause)
  }
}

function foreign(key: string, cause: unknown): ConfigurationError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new ConfigurationError(
    `What memcached keeps for "${key}" cannot be read: ${why}. Give holdfast a namespace of its own.`,
    { key, cause },
  )
}

/** What it surely still lives. */
function leftOf({ ticket, leftSeconds }: Item): number {
  return Math.min(ticket?.lifeMs ?? 0, Math.max(0, leftSeconds - 1) * 1_000)
}

/** Asked again when it may be over at the soonest, and then often. */
export function refusal(key: string, item: Item): Entry {
  return {
    status: 'refused',
    retryMs: Math.max(LAST_SECOND_MS, leftOf(item)),
    holders: viewOf(key, item)?.holders ?? [],
  }
}

export function viewOf(key: string, item: Item): LockView | null {
  const { ticket } = item
  if (ticket === null) return null
  const { holder, meta, kept, revoked } = ticket
  const marks = { ...(revoked !== '' && { revoked: true as const }), ...(kept && { kept: true as const }) }
  const [token, tokens, sinceMs] = [0, 1, 0]
  const times = { sinceMs, leftMs: leftOf(item) }
  return {
    key,
    token,
    holders: [{ holder, token, tokens, mode: 'exclusive', limit: null, ...times, meta, ...marks }],
    waiters: [],
  }
}
