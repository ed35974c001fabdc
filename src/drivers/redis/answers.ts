/** What goes into the scripts, and what comes out of them. */
import { createHash } from 'node:crypto'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Entry, LeaveRequest, LockView, Mode, Renewal, TicketRequest, Was } from '../../store/contract.ts'
import { viewTicket } from '../../store/answers.ts'
import { view } from '../../store/queue.ts'
import type { Ticket } from '../../store/queue.ts'
import { list, record, texts } from '../../base/decode.ts'
import { unquoted } from './news.ts'

/**
 * Beyond this, about a century, an end could no longer be counted in microseconds; nothing that anybody means is
 * longer.
 */
const LONGEST_MICROS = 3e15
/** Of a blank, counted from '0'. */
const BLANK = -16
const CELL = /^[\w-]{22}$/
// What people wrote may hold a line separator (U+2028), which a dot does not match.
const TICKET = /^([nkrb]) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) ([xs]) (\d+|-) \S+ ([^]*)$/

const LEFT = 'its owner gave it up'
const KEPT = 'the ticket was left and is kept'
const GONE = 'the ticket is no longer in the queue'

export function micros(ms: number): string {
  return String(Math.min(Math.floor(ms * 1_000), LONGEST_MICROS))
}

/** The queue is kept in cells of one width, which the ids of holdfast fit; others are hashed to it. */
export function cellOf(id: string): string {
  return CELL.test(id) ? id : createHash('sha256').update(id).digest('base64url').slice(0, 22)
}

/** What an enter says but for its key and id, which alone differ from one to the next of a crowd. */
export function enterWords(request: TicketRequest, channel: string): readonly string[] {
  const { token, ttlMs, waiterTtlMs, queue, tokens, mode, limit, holder, meta } = request
  const known = token === undefined ? '' : String(token)
  const rest = `${mode === 'shared' ? 's' : 'x'} ${limit ?? '-'} ${channel} ${JSON.stringify([holder, meta])}`
  return [known, micros(ttlMs), micros(waiterTtlMs), queue ? '1' : '0', String(tokens), rest]
}

export function leaveWords({ keepMs, forbidMs }: LeaveRequest, channel: string): readonly string[] {
  return keepMs > 0 || forbidMs > 0 ? [channel, micros(keepMs), micros(forbidMs)] : [channel]
}

export function entryOf(answer: string): Entry {
  if (answer.startsWith('holds ')) {
    const [token = 0, left = 0, waiters = 0] = numbersOf(answer, 6, 3)
    return { status: 'holds', token, leftMs: left / 1_000, waiters }
  }
  if (answer.startsWith('waits ')) {
    const [token = 0, left = 0, ahead = 0, retry = 0] = numbersOf(answer, 6, 4)
    return { status: 'waits', token, leftMs: left / 1_000, ahead, retryMs: retry / 1_000 }
  }
  const [status = ''] = answer.split(' ', 1)
  if (status === 'gone') return { status }
  if (status === 'kept') return { status: 'forbidden', reason: 'left', message: KEPT }
  if (status === 'left') return { status: 'forbidden', reason: 'left', message: LEFT }
  if (status === 'revoked') return { status: 'forbidden', reason: 'revoked', message: reasonOf(answer) }
  if (status === 'refused') return refusalOf(answer)
  return strange(answer)
}

function refusalOf(answer: string): Entry {
  const [head = '', ...lines] = answer.split('\n')
  const [, retry, now] = head.split(' ')
  const holders = lines.map(line => viewTicket(ticketOf(line), { ms: ms(now), micros: whole(now) }))
  return { status: 'refused', retryMs: ms(retry), holders }
}

export function renewalsOf(answer: string): readonly Renewal[] {
  return answer.split('\n').map(line => {
    const [status, left, waiters] = line.split(' ', 3)
    if (status === 'held') return { status, leftMs: ms(left), waiters: whole(waiters) }
    if (status === 'gone') return { status: 'lost', reason: 'gone', message: GONE }
    if (status === 'revoked') return { status: 'lost', reason: 'revoked', message: reasonOf(line) }
    return {
      status: 'unknown',
      cause: new StoreUnavailableError(`Redis could not renew it: ${line}`, { ambiguous: false }),
    }
  })
}

/** holds: the tokens of the caller's own tickets that hold from now on. */
export function leaveOf(answer: string): { readonly was: Was; readonly holds: readonly number[] } {
  if (answer === 'held') return { was: answer, holds: [] }
  const [was, tokens] = answer.split(' ', 2)
  if (was !== 'held' && was !== 'waiting' && was !== 'absent') return strange(answer)
  return { was, holds: tokens === undefined ? [] : tokens.split(',').map(whole) }
}

/** null: nothing is held and nobody waits. */
export function lockOf(key: string, answer: string): LockView | null {
  const [head = '', ...lines] = answer.split('\n')
  const [now, end] = head.split(' ')
  return view(
    key,
    { tickets: lines.map(ticketOf), end: whole(end), forbidden: [] },
    { ms: ms(now), micros: whole(now) },
  )
}

function ticketOf(line: string): Ticket {
  const [, state, ends, life, token, tokens, entered, since, mode, limit, people] = TICKET.exec(line) ?? strange(line)
  const [holder, meta] = list({ people: JSON.parse(people ?? '') }, 'people')
  return {
    id: '',
    token: whole(token),
    tokens: whole(tokens),
    holder: String(holder),
    mode: modeOf(mode),
    limit: limit === '-' ? null : whole(limit),
    meta: texts(record({ meta }, 'a ticket'), 'meta'),
    enteredAt: ms(entered),
    heldAt: since === '0' ? null : ms(since),
    expiresAt: ms(ends),
    lifeMs: ms(life),
    claimMs: null,
    kept: state === 'k' || state === 'b',
    revoked: state === 'r' || state === 'b' ? '' : null,
  }
}

function modeOf(letter: string | undefined): Mode {
  return letter === 's' ? 'shared' : 'exclusive'
}

function reasonOf(answer: string): string {
  return unquoted(answer.slice(answer.indexOf(' ') + 1))
}

/**
 * `count` whole numbers with one blank between, to the end. By hand, once for every section: split and Number take six
 * times as long.
 */
function numbersOf(answer: string, start: number, count: number): readonly number[] {
  const numbers: number[] = []
  let number = 0
  for (let at = start; at <= answer.length; at += 1) {
    const digit = answer.charCodeAt(at) - 48
    if (digit >= 0 && digit <= 9) number = number * 10 + digit
    else if (at === start || (at < answer.length && digit !== BLANK) || !Number.isSafeInteger(number))
      return strange(answer)
    else {
      numbers.push(number)
      number = 0
      start = at + 1
    }
  }
  return numbers.length === count ? numbers : strange(answer)
}

function whole(text: string | undefined): number {
  const number = Number(text)
  return text !== undefined && Number.isSafeInteger(number) ? number : strange(String(text))
}

function ms(text: string | undefined): number {
  return whole(text) / 1_000
}

function strange(answer: string): never {
  throw new TypeError(`Redis answered with something that is not ours: ${JSON.stringify(answer.slice(0, 200))}`)
}
