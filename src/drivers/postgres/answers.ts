/** What goes into the functions of the server, and what comes out of them: text in ASCII, whatever its encoding. */
import { createHash } from 'node:crypto'
import { StoreUnavailableError } from '../../base/errors.ts'
import { list, number, record, text } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { refusal } from '../../store/answers.ts'
import type { Entry, Renewal, Was } from '../../store/contract.ts'
import { queueOf } from '../../store/record.ts'
import type { LockRecord } from '../../store/record-store.ts'

const ID = /^[\w-]{1,64}$/
const LEFT = 'its owner gave it up'
const KEPT = 'the ticket was left and is kept'
const GONE = 'the ticket is no longer in the queue'

/** Text of the server knows no NUL, and not every encoding has every letter: ids that are not plain are hashed. */
export function idOf(id: string): string {
  return ID.test(id) ? id : createHash('sha256').update(id).digest('base64url')
}

/** JSON in ASCII. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function entryOf([answer = '']: readonly string[]): Entry {
  const [status, one, two, three, four] = answer.split(' ', 5)
  if (status === 'holds') return { status, token: whole(one), leftMs: ms(two), waiters: whole(three) }
  if (status === 'waits') return { status, token: whole(one), leftMs: ms(two), ahead: whole(three), retryMs: ms(four) }
  if (status === 'gone') return { status }
  if (status === 'kept') return { status: 'forbidden', reason: 'left', message: KEPT }
  if (status === 'left') return { status: 'forbidden', reason: 'left', message: LEFT }
  if (status === 'revoked') return { status: 'forbidden', reason: 'revoked', message: said(rest(answer)) }
  if (status !== 'refused') return strange(answer)
  const { queue, now } = recordOf(JSON.parse(rest(answer)))
  return refusal(queue.tickets, now)
}

/** null: somebody keeps the row of the lock. */
export function renewalsOf([answer = '']: readonly string[]): readonly (Renewal | null)[] {
  return answer.split('\n').map(line => {
    const [status, left, waiters] = line.split(' ', 3)
    if (status === 'busy') return null
    if (status === 'held') return { status, leftMs: ms(left), waiters: whole(waiters) }
    if (status === 'gone') return { status: 'lost', reason: 'gone', message: GONE }
    if (status === 'revoked') return { status: 'lost', reason: 'revoked', message: said(rest(line)) }
    if (status !== 'failed') return strange(answer)
    const why = `PostgreSQL could not renew it: ${said(rest(line))}`
    return { status: 'unknown', cause: new StoreUnavailableError(why, { ambiguous: false }) }
  })
}

export function wasOf([was = '']: readonly string[]): { readonly was: Was } {
  return was === 'held' || was === 'waiting' || was === 'absent' ? { was } : strange(was)
}

export function countOf([count]: readonly string[]): number {
  return whole(count)
}

/** null: nobody knows the lock. */
export function lookOf([answer]: readonly string[]): Omit<LockRecord, 'key'> | null {
  return answer === undefined ? null : recordOf(JSON.parse(answer))
}

export function pageOf(rows: readonly string[]): readonly LockRecord[] {
  return rows.map(row => {
    const [key, queue] = list({ row: JSON.parse(row) }, 'row')
    return { key: Buffer.from(text({ key }, 'key'), 'base64').toString(), ...recordOf(queue) }
  })
}

/** Where the next sweep begins: at the first lock of all, where that was the last. */
export function sweptTo([answer]: readonly string[]): readonly [space: string, key: string] {
  if (answer === undefined) return ['', '']
  const [space, key] = list({ last: JSON.parse(answer) }, 'last')
  return [text({ space }, 'space'), text({ key }, 'key')]
}

function recordOf(value: unknown): Omit<LockRecord, 'key'> {
  const root = record(value, 'queue')
  const micros = number(root, 'now')
  const tickets = list(root, 'tickets').map(value => {
    const ticket = record(value, 'ticket')
    const [holder, meta] = list({ about: JSON.parse(text(ticket, 'about')) }, 'about')
    return { ...ticket, holder, meta, revoked: saidIn(ticket, 'revoked') }
  })
  const forbidden = list(root, 'forbidden').map(value => {
    const entry = record(value, 'forbidden id')
    return { ...entry, message: saidIn(entry, 'message') ?? LEFT }
  })
  return { queue: queueOf({ ...root, tickets, forbidden }), now: { ms: micros / 1_000, micros } }
}

function saidIn(from: Fields, name: string): string | null {
  return from[name] === null ? null : said(text(from, name))
}

function said(json: string): string {
  const words: unknown = JSON.parse(json)
  return String(words)
}

function rest(line: string): string {
  return line.slice(line.indexOf(' ') + 1)
}

function whole(text: string | undefined): number {
  const number = Number(text)
  return text !== undefined && text !== '' && Number.isSafeInteger(number) ? number : strange(String(text))
}

function ms(text: string | undefined): number {
  return whole(text) / 1_000
}

function strange(answer: string): never {
  throw new TypeError(`PostgreSQL answered with something that is not ours: ${JSON.stringify(answer.slice(0, 200))}`)
}
