/**
 * A queue as text and back, for stores that keep a lock as one record. What is read is checked: a record that somebody
 * else wrote, or a later holdfast, must not be taken for an empty lock.
 */
import { flag, list, number, oneOf, record, text, texts } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import type { Forbidden, Queue, Ticket } from './queue.ts'

/** Grows when an older holdfast could no longer read what is written. */
export const LAYOUT = 1

export function encodeQueue({ end, tickets, forbidden }: Queue): string {
  return JSON.stringify({ layout: LAYOUT, end, tickets, forbidden })
}

/** @throws TypeError | SyntaxError  not a record of this layout; the message says where */
export function decodeQueue(json: string): Queue {
  return queueOf(recordOf(json))
}

/** The fields of a record of this layout; a driver may have put its own beside ours. @throws TypeError | SyntaxError */
export function recordOf(json: string): Fields {
  const root = record(JSON.parse(json), 'record')
  if (root['layout'] !== LAYOUT)
    throw new TypeError(`it has layout ${String(root['layout'])}, and this holdfast knows ${LAYOUT}`)
  return root
}

export function queueOf(root: Fields): Queue {
  return {
    end: number(root, 'end'),
    tickets: list(root, 'tickets').map(decodeTicket),
    forbidden: list(root, 'forbidden').map(decodeForbidden),
  }
}

function decodeTicket(value: unknown): Ticket {
  const from = record(value, 'ticket')
  return {
    id: text(from, 'id'),
    token: number(from, 'token'),
    tokens: number(from, 'tokens'),
    holder: text(from, 'holder'),
    mode: oneOf(from, 'mode', ['exclusive', 'shared']),
    limit: from['limit'] === null ? null : number(from, 'limit'),
    meta: texts(from, 'meta'),
    enteredAt: number(from, 'enteredAt'),
    heldAt: from['heldAt'] === null ? null : number(from, 'heldAt'),
    expiresAt: number(from, 'expiresAt'),
    lifeMs: number(from, 'lifeMs'),
    // A ticket of holdfast 0.1.0 has none.
    claimMs: typeof from['claimMs'] === 'number' ? from['claimMs'] : null,
    kept: flag(from, 'kept'),
    revoked: from['revoked'] === null ? null : text(from, 'revoked'),
    ...(from['extra'] === undefined ? {} : { extra: text(from, 'extra') }),
  }
}

function decodeForbidden(value: unknown): Forbidden {
  const from = record(value, 'forbidden id')
  return {
    id: text(from, 'id'),
    reason: oneOf(from, 'reason', ['left', 'revoked']),
    message: text(from, 'message'),
    until: number(from, 'until'),
    lifeMs: number(from, 'lifeMs'),
  }
}
