/**
 * A lock whose tickets are keys of their own: what each says of itself, and the line that they make.
 *
 * The store orders the keys and lets the dead go, by a session or lease of each; a clock it does not show. So what a
 * ticket has left is known to whoever prolonged it last, and to all others it is at most its whole life.
 */
import { flag, number, oneOf, record, text, texts } from '../../../base/decode.ts'
import type { Fields } from '../../../base/decode.ts'
import { ConfigurationError } from '../../../base/errors.ts'
import type { Entry, LockView, Mode, TicketRequest } from '../../../store/contract.ts'
import { view } from '../../../store/queue.ts'
import type { Ticket } from '../../../store/rule.ts'

/** As much of a ticket as the rule needs. */
export interface Standing {
  readonly id: string
  /** Of its key, as the store has it. */
  readonly name: string
  /** First of its block; made of the store's own order, so it also is the place in the line. */
  readonly token: number
  readonly mode: Mode
  readonly limit: number | null
}

/** What is written under a ticket's key. */
export interface Words {
  readonly holder: string
  readonly mode: Mode
  readonly limit: number | null
  readonly tokens: number
  readonly meta: Readonly<Record<string, string>>
  /** By the wall clock of who entered: for people. */
  readonly enteredAt: number
  /** What it was given last. */
  readonly lifeMs: number
  /** The ttl it asked for, while it lives on its waiting life: until it is first heard of as a holder. Else null. */
  readonly claimMs: number | null
  readonly kept: boolean
  /** Why renewal is forbidden; null: it is not. */
  readonly revoked: string | null
}

export interface LineTicket extends Standing, Words {
  /** Of its key: changes with each writing. */
  readonly version: string
  /** The session or lease that it dies with, as the store calls it. */
  readonly life: string
}

/** Why an id may not come (back) to life. */
export type Mark = Omit<Extract<Entry, { readonly status: 'forbidden' }>, 'status'>

/** A lock as it was at one moment. */
export interface Line {
  /** Oldest first. */
  readonly tickets: readonly LineTicket[]
  /** Of the id that was asked for. */
  readonly mark: Mark | null
  /** Grows with every change that the store makes. */
  readonly revision: number
}

/** Grows when an older holdfast could no longer read what is written. */
const LAYOUT = 1

/** Of a new ticket. `holds`: it lives its ttl from the start; else as one that waits. */
export function wordsOf(
  request: TicketRequest,
  { holds, at }: { readonly holds: boolean; readonly at: number },
): Words {
  const { holder, mode, limit, tokens, meta, ttlMs, waiterTtlMs } = request
  const [lifeMs, claimMs] = holds ? [ttlMs, null] : [waiterTtlMs, ttlMs]
  return { holder, mode, limit, tokens, meta, enteredAt: at, lifeMs, claimMs, kept: false, revoked: null }
}

/** What goes without saying is left out: it is sent with every ticket. `id`: where the key is not named by it. */
export function encodeWords(words: Words, id?: string): string {
  const { holder, mode, limit, tokens, meta, enteredAt, lifeMs, claimMs, kept, revoked } = words
  return JSON.stringify({
    ...{ layout: LAYOUT, id, holder, mode, tokens, enteredAt, lifeMs },
    ...(limit === null ? {} : { limit }),
    ...(Object.keys(meta).length === 0 ? {} : { meta }),
    ...(claimMs === null ? {} : { claimMs }),
    ...(kept ? { kept } : {}),
    ...(revoked === null ? {} : { revoked }),
  })
}

/** @throws ConfigurationError  it is not what we write */
export function decodeWords(json: string, of: { readonly store: string; readonly key: string }): Words {
  return decode(json, of, wordsIn)
}

/** Of a key that is not named by the id. @throws ConfigurationError  it is not what we write */
export function decodeNamed(
  json: string,
  of: { readonly store: string; readonly key: string },
): Words & { readonly id: string } {
  return decode(json, of, from => ({ ...wordsIn(from), id: text(from, 'id') }))
}

function wordsIn(from: Fields): Words {
  return {
    holder: text(from, 'holder'),
    mode: oneOf(from, 'mode', ['exclusive', 'shared']),
    limit: from['limit'] === undefined ? null : number(from, 'limit'),
    tokens: number(from, 'tokens'),
    meta: from['meta'] === undefined ? {} : texts(from, 'meta'),
    enteredAt: number(from, 'enteredAt'),
    lifeMs: number(from, 'lifeMs'),
    claimMs: from['claimMs'] === undefined ? null : number(from, 'claimMs'),
    kept: from['kept'] !== undefined && flag(from, 'kept'),
    revoked: from['revoked'] === undefined ? null : text(from, 'revoked'),
  }
}

export function encodeMark({ reason, message }: Mark): string {
  return JSON.stringify({ layout: LAYOUT, reason, message })
}

/** @throws ConfigurationError  it is not what we write */
export function decodeMark(json: string, of: { readonly store: string; readonly key: string }): Mark {
  return decode(json, of, from => ({
    reason: oneOf(from, 'reason', ['left', 'revoked']),
    message: text(from, 'message'),
  }))
}

function decode<T>(
  json: string,
  { store, key }: { readonly store: string; readonly key: string },
  read: (from: Fields) => T,
): T {
  try {
    const from = record(JSON.parse(json), 'the value')
    if (from['layout'] !== LAYOUT)
      throw new TypeError(`it has layout ${String(from['layout'])}, and this holdfast knows ${LAYOUT}`)
    return read(from)
  } catch (cause) {
    throw foreign({ store, key }, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** What stands in our place is not ours. */
export function foreign(
  { store, key }: { readonly store: string; readonly key: string },
  why: string,
  cause?: unknown,
): ConfigurationError {
  return new ConfigurationError(
    `What ${store} keeps for "${key}" cannot be read: ${why}. Give holdfast a namespace of its own, or remove it.`,
    { key, cause },
  )
}

/** @throws RangeError  beyond the safe integers, where two tokens could be one */
export function tokenOf(order: number, { block, key }: { readonly block: number; readonly key: string }): number {
  const token = order * block
  if (!Number.isSafeInteger(token + block))
    throw new RangeError(`The token ${token} of "${key}" is beyond the safe integers.`)
  return token
}

/**
 * Tickets in front of one that waits: while they are all there it waits, and before it can hold one of them must go. So
 * who looks for its turn need look at these only.
 */
export function blockersOf<T extends Standing>(tickets: readonly T[], index: number): readonly T[] {
  const ahead = tickets.slice(0, index)
  const nearest = tickets[index]?.mode === 'exclusive' ? ahead.at(-1) : ahead.findLast(isExclusive)
  if (nearest !== undefined) return [nearest]
  // All are shared: the first that its limit keeps waiting does so as long as so many are in front of it.
  const blocked = tickets.findIndex(({ limit }, place) => limit !== null && place >= limit)
  const { limit = 0 } = tickets[blocked] ?? {}
  return [...tickets.slice(0, limit ?? 0), ...tickets.slice(blocked, Math.min(blocked + 1, index))]
}

function isExclusive({ mode }: Standing): boolean {
  return mode === 'exclusive'
}

/** The moment at which a line was read, on the clock of what follows. */
export const READ = { ms: 0, micros: 0 } as const

/** As the rule has tickets. `leftMs`: what each has left at most. */
export function asTickets(
  tickets: readonly LineTicket[],
  { wall, leftMs }: { readonly wall: number; readonly leftMs: (ticket: LineTicket, index: number) => number },
): readonly Ticket[] {
  return tickets.map((ticket, index) => ({
    ...ticket,
    enteredAt: Math.min(0, ticket.enteredAt - wall),
    heldAt: null,
    expiresAt: Math.max(1, Math.min(ticket.lifeMs, leftMs(ticket, index))),
  }))
}

export function viewLine(key: string, tickets: readonly Ticket[]): LockView | null {
  const last = tickets.at(-1)
  return view(key, { tickets, end: last === undefined ? 0 : last.token + last.tokens, forbidden: [] }, READ)
}
