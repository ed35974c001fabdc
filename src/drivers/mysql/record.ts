/**
 * A lock's queue as a row, and back.
 *
 * The columns say what the one-statement enter and leave must know without reading JSON: until when anything in it is
 * alive, and who is there alone. A ticket that entered by one statement has its times and its token in the columns
 * only, since they are known on the server; everybody else writes them into the JSON.
 */
import { bytes, list, record } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { TicketRequest } from '../../store/contract.ts'
import type { Now, Queue } from '../../store/queue.ts'
import { EMPTY } from '../../store/queue.ts'
import { encodeQueue, LAYOUT, queueOf, recordOf } from '../../store/record.ts'

export interface Row {
  readonly tokenEnd: number
  readonly sole: Uint8Array | null
  readonly queue: Uint8Array
  /** In microseconds, as all times on the server. */
  readonly freeAt: number
}

export const NOTHING: Uint8Array = Buffer.from(encodeQueue(EMPTY))

export function rowOf(queue: Queue): Row {
  const { tickets, forbidden, end } = queue
  const [only, ...others] = tickets
  const ends = [...tickets.map(ticket => ticket.expiresAt), ...forbidden.map(({ until }) => until)]
  const isAlone = only !== undefined && others.length === 0 && forbidden.length === 0 && !only.kept
  return {
    tokenEnd: end,
    sole: isAlone ? Buffer.from(only.id) : null,
    queue: Buffer.from(encodeQueue(queue)),
    freeAt: Math.ceil(Math.max(0, ...ends) * 1_000),
  }
}

/** The queue of a ticket that enters by one statement. */
export function freshQueue({ id, tokens, holder, mode, limit, meta, ttlMs }: TicketRequest): Uint8Array {
  const ticket = { id, tokens, holder, mode, limit, meta, lifeMs: ttlMs, claimMs: null, kept: false, revoked: null }
  return Buffer.from(JSON.stringify({ layout: LAYOUT, tickets: [ticket], forbidden: [] }))
}

/** @throws StoreUnavailableError  not a record of this layout */
export function queueIn(row: Fields, key: string): Queue {
  try {
    const root = recordOf(textIn(row, 'queue'))
    const end = numberIn(row, 'token_end')
    const tickets = list(root, 'tickets').map(ticket => completed(record(ticket, 'ticket'), row, end))
    return queueOf({ ...root, end, tickets })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StoreUnavailableError(
      `The record of "${key}" cannot be read: ${reason}. Upgrade holdfast, or delete that row of holdfast_records once nobody holds the lock.`,
      { key, cause, ambiguous: false },
    )
  }
}

function completed(ticket: Fields, row: Fields, end: number): Fields {
  if (ticket['token'] !== undefined) return ticket
  const expiresAt = numberIn(row, 'free_at') / 1_000
  const enteredAt = expiresAt - Number(ticket['lifeMs'])
  return { ...ticket, token: end - Number(ticket['tokens']), enteredAt, heldAt: enteredAt, expiresAt }
}

export function nowIn(row: Fields): Now {
  const micros = numberIn(row, 'micros')
  return { ms: micros / 1_000, micros }
}

/** Every value comes as bytes. */
export function numberIn(row: Fields, name: string): number {
  const value = Number(textIn(row, name))
  if (!Number.isSafeInteger(value)) throw new TypeError(`${name} is ${textIn(row, name)}, not a safe integer`)
  return value
}

export function textIn(row: Fields, name: string): string {
  return Buffer.from(bytes(row, name)).toString()
}
