/**
 * What clients ask, read where it comes in. Anybody may send anything: what is not a request is refused with the name
 * of the field that is wrong, and nothing reaches the store.
 *
 * What most callers would say the same way may be left out: an exclusive ticket, one token, no meta, five seconds.
 */
import { finite, flag, integer, list, oneOf, record, span, text, texts } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import type { LeaveRequest, Mode, RenewRequest, RevokeRequest, StoreTraits } from '../store/contract.ts'
import type { TicketRequest } from '../store/contract.ts'
import { RefusedRequest } from '../store/wire-errors.ts'
import { nameOf, prefixOf } from './names.ts'

/** How long a call may take unless the client says otherwise, and at most. */
const TIMEOUT_MS = { usual: 5_000, most: 60_000 } as const
const WAITER_TTL_MS = 5_000
const MOST_RENEWALS = 256
const LONGEST = { id: 256, holder: 1_024, reason: 4_096, meta: 1_024 } as const

/** What `read` gives. @throws RefusedRequest  it does not understand the request; anything else is not the caller's */
export function understood<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof TypeError) throw new RefusedRequest(400, `${cause.message}.`)
    throw cause
  }
}

/** @throws TypeError | InvalidKeyError  as all of these */
export function ticketRequestOf(from: Fields, traits: StoreTraits): TicketRequest {
  const mode = optional(from, 'mode', modeOf) ?? 'exclusive'
  const limit = optional(from, 'limit', integer) ?? null
  if (limit !== null && (mode !== 'shared' || limit < 1))
    throw new TypeError(`limit is ${limit}, which only a shared ticket may have, as 1 or more`)
  const token = optional(from, 'token', integer)
  const tokens = optional(from, 'tokens', integer) ?? 1
  if (tokens < 1 || tokens > traits.maxTokens)
    throw new TypeError(`tokens are ${tokens}; a ticket of ${traits.name} has 1 to ${traits.maxTokens}`)
  const meta = from['meta'] === undefined ? {} : texts(from, 'meta')
  if (JSON.stringify(meta).length > LONGEST.meta) throw new TypeError('meta is too long')
  return {
    key: keyOf(from),
    id: short(from, 'id'),
    ...(token === undefined ? {} : { token }),
    holder: short(from, 'holder'),
    mode,
    limit,
    ttlMs: life(from, 'ttlMs'),
    // A client that did not know the store yet may have asked for less.
    waiterTtlMs: Math.max(traits.minTtlMs, optional(from, 'waiterTtlMs', life) ?? WAITER_TTL_MS),
    queue: optional(from, 'queue', flag) ?? true,
    tokens,
    meta,
  }
}

export function renewRequestsOf(from: Fields): readonly RenewRequest[] {
  const renewals = list(from, 'renewals')
  const namespace = namespaceOf(from)
  if (renewals.length > MOST_RENEWALS)
    throw new TypeError(`renewals are ${renewals.length}; at most ${MOST_RENEWALS} go together`)
  return renewals.map(value => {
    const each = { ...record(value, 'renewal'), namespace }
    return { key: keyOf(each), id: short(each, 'id'), ttlMs: life(each, 'ttlMs') }
  })
}

export function leaveRequestOf(from: Fields): LeaveRequest {
  return {
    key: keyOf(from),
    id: short(from, 'id'),
    keepMs: optional(from, 'keepMs', span) ?? 0,
    forbidMs: optional(from, 'forbidMs', span) ?? 0,
  }
}

export function revocationOf(from: Fields): RevokeRequest & { readonly key: string } {
  const { tickets } = from
  return {
    key: keyOf(from),
    tickets: typeof tickets === 'number' ? integer(from, 'tickets') : oneOf(from, 'tickets', ['holders', 'all']),
    reason: short(from, 'reason'),
    now: optional(from, 'now', flag) ?? false,
  }
}

export function timeoutOf(from: Fields): number {
  return Math.min(TIMEOUT_MS.most, Math.max(1, optional(from, 'timeoutMs', finite) ?? TIMEOUT_MS.usual))
}

/** What the key is called at the store. */
export function keyOf(from: Fields): string {
  return nameOf({ namespace: namespaceOf(from), key: text(from, 'key') })
}

/** Which locks are to be listed, and what all their names at the store begin with. */
export function listingOf(from: Fields): { readonly namespace: string; readonly prefix: string } {
  const namespace = namespaceOf(from)
  return { namespace, prefix: prefixOf({ namespace, prefix: optional(from, 'prefix', text) ?? '' }) }
}

function namespaceOf(from: Fields): string {
  return optional(from, 'namespace', text) ?? ''
}

function short(from: Fields, name: 'id' | 'holder' | 'reason'): string {
  const value = text(from, name)
  if (value === '' || value.length > LONGEST[name])
    throw new TypeError(`${name} must have 1 to ${LONGEST[name]} letters`)
  return value
}

function modeOf(from: Fields): Mode {
  return oneOf(from, 'mode', ['exclusive', 'shared'])
}

function life(from: Fields, name: string): number {
  const value = finite(from, name)
  if (value <= 0) throw new TypeError(`${name} is ${value}, not more than 0`)
  return value
}

/** Absent and null are the same: languages differ in which they have. */
function optional<T>(from: Fields, name: string, read: (from: Fields, name: string) => T): T | undefined {
  return from[name] === undefined || from[name] === null ? undefined : read(from, name)
}
