/**
 * The contract over HTTP: what a holdfast server and its clients say to each other, as JSON, in any language.
 *
 *     GET  /v1/store            what kind of store is behind the server
 *     POST /v1/enter            the verbs, with bodies as in `Store`: the key is in the body, since keys hold slashes
 *     POST /v1/renew
 *     POST /v1/leave
 *     POST /v1/revoke
 *     GET  /v1/lock?key=KEY     who holds and who waits
 *     GET  /v1/locks?prefix=P   the same of all locks whose key begins so
 *     GET  /v1/events           pushes, as server-sent events, from the event `ready` on
 *
 * Each request may name a `namespace`, in its body or query; locks of two namespaces know nothing of each other.
 *
 * A refusal is an answer like any other (200, with a `status`); what could not be done at all is an error with a code
 * (wire-errors.ts). No instant is ever sent, only time left: two machines never compare their clocks. A field that is
 * not known is passed over, so that either side may be the newer one; what it must have and has not is refused.
 */
import { finite, flag, integer, list, oneOf, record, span, text, texts } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import type { LockView, TicketView } from '../base/view.ts'
import type { Entry, Renewal, RenewRequest, StoreListener, StoreTraits, TicketRequest, Was } from './contract.ts'

/** Grows when an older holdfast could no longer make sense of what is said; it is in every path. */
export const WIRE_VERSION = 1

export const PATHS = {
  store: '/v1/store',
  enter: '/v1/enter',
  renew: '/v1/renew',
  leave: '/v1/leave',
  revoke: '/v1/revoke',
  lock: '/v1/lock',
  locks: '/v1/locks',
  events: '/v1/events',
} as const

/** Of a bearer token (RFC 6750). */
export const AUTHORIZATION = 'Bearer '

/** The server says something on the stream of events at least so often: a comment, where there is no news. */
export const HEARTBEAT_MS = 2_000

/** What a server tells of the store behind it. */
export interface StoreInfo {
  readonly version: number
  readonly traits: StoreTraits
  /** It pushes: `/v1/events` is there. */
  readonly pushes: boolean
}

/** What happens on the stream of events. `ready`: whatever comes from now on is told. */
export type Push =
  | { readonly event: 'ready' }
  | { readonly event: 'gap' }
  | (Of & { readonly event: 'holds'; readonly tokens: readonly number[] })
  | (Of & { readonly event: 'revoked'; readonly token: number; readonly reason: string })

interface Of {
  /** Empty: none. */
  readonly namespace: string
  readonly key: string
}

const EVENTS = ['ready', 'gap', 'holds', 'revoked'] as const

// ------------------------------------------------------------------ answers, as the client reads them

/** @throws TypeError  not what a server of this version says; the message names the field */
export function decodeInfo(from: Fields): StoreInfo {
  return {
    version: integer(from, 'version'),
    traits: decodeTraits(record(from['traits'], 'traits')),
    pushes: flag(from, 'pushes'),
  }
}

function decodeTraits(from: Fields): StoreTraits {
  const maxTokens = integer(from, 'maxTokens')
  if (maxTokens < 1) throw new TypeError(`maxTokens is ${maxTokens}, not 1 or more`)
  return {
    name: text(from, 'name'),
    guarantee: oneOf(from, 'guarantee', ['consensus', 'durable', 'quorum', 'volatile', 'best-effort', 'process']),
    reach: oneOf(from, 'reach', ['process', 'host', 'network']),
    fencing: flag(from, 'fencing'),
    queue: flag(from, 'queue'),
    shared: flag(from, 'shared'),
    limit: flag(from, 'limit'),
    keep: flag(from, 'keep'),
    clock: oneOf(from, 'clock', ['store', 'session', 'host', 'observer']),
    clockErrorMs: span(from, 'clockErrorMs'),
    minTtlMs: span(from, 'minTtlMs'),
    maxTokens,
  }
}

/** Holding never for longer than was asked for, whatever a server says: windows are made of it. @throws TypeError */
export function decodeEntry(from: Fields, { ttlMs }: TicketRequest): Entry {
  const status = oneOf(from, 'status', ['holds', 'waits', 'refused', 'gone', 'forbidden'])
  switch (status) {
    case 'holds': {
      const leftMs = Math.min(ttlMs, finite(from, 'leftMs'))
      return { status, token: integer(from, 'token'), leftMs, waiters: integer(from, 'waiters') }
    }
    case 'waits':
      return {
        status,
        token: integer(from, 'token'),
        leftMs: finite(from, 'leftMs'),
        ahead: integer(from, 'ahead'),
        retryMs: finite(from, 'retryMs'),
      }
    case 'refused':
      return { status, retryMs: finite(from, 'retryMs'), holders: list(from, 'holders').map(decodeTicket) }
    case 'gone':
      return { status }
    case 'forbidden':
      return { status, reason: oneOf(from, 'reason', ['left', 'revoked']), message: text(from, 'message') }
  }
}

/** Why a renewal is unknown travels as text. */
export function encodeRenewal(renewal: Renewal): object {
  if (renewal.status !== 'unknown') return renewal
  const { cause } = renewal
  return { status: 'unknown', message: cause instanceof Error ? cause.message : String(cause) }
}

/** In the order in which they were asked for, and never with more life than that. @throws TypeError */
export function decodeRenewals(from: Fields, wanted: readonly RenewRequest[]): readonly Renewal[] {
  const renewals = list(from, 'renewals')
  if (renewals.length !== wanted.length)
    throw new TypeError(`renewals are ${renewals.length}, where ${wanted.length} were asked for`)
  return wanted.map(({ ttlMs }, index) => decodeRenewal(renewals[index], ttlMs))
}

function decodeRenewal(value: unknown, ttlMs: number): Renewal {
  const from = record(value, 'renewal')
  const status = oneOf(from, 'status', ['held', 'lost', 'unknown'])
  switch (status) {
    case 'held':
      return { status, leftMs: Math.min(ttlMs, finite(from, 'leftMs')), waiters: integer(from, 'waiters') }
    case 'lost':
      return { status, reason: oneOf(from, 'reason', ['gone', 'revoked']), message: text(from, 'message') }
    case 'unknown':
      return { status, cause: new Error(text(from, 'message')) }
  }
}

/** @throws TypeError */
export function decodeWas(from: Fields): { readonly was: Was } {
  return { was: oneOf(from, 'was', ['held', 'waiting', 'absent']) }
}

/** @throws TypeError */
export function decodeView(value: unknown): LockView {
  const from = record(value, 'lock')
  return {
    key: text(from, 'key'),
    token: integer(from, 'token'),
    holders: list(from, 'holders').map(decodeTicket),
    waiters: list(from, 'waiters').map(decodeTicket),
  }
}

function decodeTicket(value: unknown): TicketView {
  const from = record(value, 'ticket')
  return {
    holder: text(from, 'holder'),
    token: integer(from, 'token'),
    tokens: integer(from, 'tokens'),
    mode: oneOf(from, 'mode', ['exclusive', 'shared']),
    limit: from['limit'] === null ? null : integer(from, 'limit'),
    sinceMs: finite(from, 'sinceMs'),
    leftMs: finite(from, 'leftMs'),
    meta: texts(from, 'meta'),
    ...(from['revoked'] === true && { revoked: true as const }),
    ...(from['kept'] === true && { kept: true as const }),
  }
}

// ------------------------------------------------------------------ pushes

/** One server-sent event (WHATWG HTML, "Server-sent events"): JSON has no line breaks. */
export function encodePush({ event, ...data }: Push): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

/** null: an event that this version does not know. @throws TypeError | SyntaxError */
export function decodePush(name: string, data: string): Push | null {
  const event = EVENTS.find(each => each === name)
  if (event === undefined) return null
  if (event === 'ready' || event === 'gap') return { event }
  const from = record(JSON.parse(data), event)
  const of: Of = { namespace: from['namespace'] === undefined ? '' : text(from, 'namespace'), key: text(from, 'key') }
  if (event === 'holds') return { event, ...of, tokens: list(from, 'tokens').map(token => integer({ token }, 'token')) }
  return { event, ...of, token: integer(from, 'token'), reason: text(from, 'reason') }
}

/** Whoever listens is told. */
export function tellPush(push: Push, listener: StoreListener): void {
  if (push.event === 'holds') listener.holds(push.key, push.tokens)
  else if (push.event === 'revoked') listener.revoked(push.key, push.token, push.reason)
  else if (push.event === 'gap') listener.gap()
}
