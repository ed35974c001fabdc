/** What etcd answers, decoded. Its gateway leaves out what is zero, false or empty, and has 64-bit numbers as text. */
import { list, record, text } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'

export interface KeyValue {
  readonly name: string
  readonly value: string
  readonly created: number
  /** Of its last writing. */
  readonly modified: string
  /** '0': it has none, and so never goes by itself. */
  readonly lease: string
}

export interface TransactionAnswer {
  readonly succeeded: boolean
  readonly revision: number
  /** One for each operation: what it has read, if it was a reading. */
  readonly parts: readonly Part[]
}

export interface Part {
  /** Of a transaction within: what its last operation has read. */
  readonly found: readonly KeyValue[]
  /** Of a transaction within: whether its comparisons held. */
  readonly succeeded: boolean
}

export interface WatchAnswer {
  readonly created: boolean
  /** Why it ended; null: it has not. */
  readonly canceled: string | null
  readonly events: readonly { readonly removed: boolean; readonly item: KeyValue }[]
}

/** @throws TypeError */
export function transactionAnswer(value: unknown): TransactionAnswer {
  const from = record(value, 'the answer')
  return {
    succeeded: from['succeeded'] === true,
    revision: whole(record(from['header'], 'header'), 'revision'),
    parts: optional(from, 'responses').map(partOf),
  }
}

function partOf(value: unknown): Part {
  const from = record(value, 'a response')
  const within = from['response_txn'] === undefined ? {} : record(from['response_txn'], 'response_txn')
  const range = from['response_range'] === undefined ? {} : record(from['response_range'], 'response_range')
  const inner = optional(within, 'responses').at(-1)
  const found = inner === undefined ? optional(range, 'kvs').map(keyValueOf) : partOf(inner).found
  return { found, succeeded: within['succeeded'] === true }
}

/** The name of a lease that was granted. @throws TypeError */
export function leaseOf(value: unknown): string {
  return text(record(value, 'the answer'), 'ID')
}

/** Whole seconds that it lives from now on; 0: it is gone. @throws TypeError */
export function keptAliveOf(value: unknown): number {
  return whole(record(record(value, 'the answer')['result'], 'result'), 'TTL')
}

/** Whole seconds left, rounded down; below 0: it is gone. @throws TypeError */
export function timeToLiveOf(value: unknown): number {
  return whole(record(value, 'the answer'), 'TTL')
}

/** @throws TypeError */
export function tokenOf(value: unknown): string {
  return text(record(value, 'the answer'), 'token')
}

/** One line of a watch. @throws TypeError */
export function watchAnswer(value: unknown): WatchAnswer {
  const whole = record(value, 'the answer')
  if (whole['error'] !== undefined) return { created: false, canceled: JSON.stringify(whole['error']), events: [] }
  const from = record(whole['result'], 'result')
  const reason = typeof from['cancel_reason'] === 'string' ? from['cancel_reason'] : 'no reason given'
  return {
    created: from['created'] === true,
    canceled: from['canceled'] === true ? reason : null,
    events: optional(from, 'events').map(event => {
      const fields = record(event, 'event')
      return { removed: fields['type'] === 'DELETE', item: keyValueOf(fields['kv']) }
    }),
  }
}

function keyValueOf(value: unknown): KeyValue {
  const from = record(value, 'kv')
  return {
    name: Buffer.from(text(from, 'key'), 'base64').toString(),
    value: from['value'] === undefined ? '' : Buffer.from(text(from, 'value'), 'base64').toString(),
    created: whole(from, 'create_revision'),
    modified: from['mod_revision'] === undefined ? '0' : text(from, 'mod_revision'),
    lease: from['lease'] === undefined ? '0' : text(from, 'lease'),
  }
}

function optional(from: Fields, name: string): readonly unknown[] {
  return from[name] === undefined ? [] : list(from, name)
}

function whole(from: Fields, name: string): number {
  const value = from[name] === undefined ? 0 : Number(text(from, name))
  if (!Number.isSafeInteger(value)) throw new TypeError(`${name} is ${String(from[name])}, not a safe integer`)
  return value
}
