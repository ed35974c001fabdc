/** What the scripts answer, read where it comes in: lists of text, the first of which says what the rest is. */
import { StoreUnavailableError } from '../../base/errors.ts'
import type { LockView, TicketView } from '../../store/contract.ts'

/** A ticket as one node has it. */
export interface Part {
  readonly id: string
  /** 0: only reserved. */
  readonly token: number
  readonly tokens: number
  readonly holder: string
  readonly meta: Readonly<Record<string, string>>
  readonly sinceMs: number
  readonly leftMs: number
  readonly kept: boolean
  readonly revoked: boolean
}

/**
 * others: the end of the last block that is not the ticket's own. end: of all blocks. run: the server's, where it was
 * found old enough to vote.
 */
export type Mine = {
  readonly is: 'mine'
  readonly token: number
  readonly others: number
  readonly end: number
  readonly micros: number
  readonly leftMs: number
  readonly run: string
}
export type Barred = { readonly is: 'barred'; readonly why: 'left' | 'revoked' | 'undone'; readonly message: string }
export type Reserved =
  | Mine
  | Barred
  | { readonly is: 'taken'; readonly part: Part }
  | { readonly is: 'gone' }
  | { readonly is: 'young'; readonly run: string; readonly uptimeMs: number }
export type Committed = { readonly is: 'held'; readonly leftMs: number } | Barred | { readonly is: 'gone' | 'passed' }
export type Renewed =
  | { readonly is: 'held'; readonly leftMs: number }
  | { readonly is: 'gone' }
  | { readonly is: 'revoked'; readonly message: string }
export type Left = 'held' | 'absent'

export function reserved(answer: unknown): Reserved {
  const [is, ...rest] = words(answer)
  if (is === 'mine')
    return {
      is,
      token: number(rest[0]),
      others: number(rest[1]),
      end: number(rest[2]),
      micros: number(rest[3]),
      leftMs: number(rest[4]),
      run: text(rest[5]),
    }
  if (is === 'barred') return barred(rest)
  if (is === 'taken') return { is, part: part(rest) }
  if (is === 'gone') return { is }
  if (is === 'young') return { is, run: text(rest[0]), uptimeMs: number(rest[1]) * 1_000 }
  throw unknown(answer)
}

export function committed(answer: unknown): Committed {
  const [is, ...rest] = words(answer)
  if (is === 'held') return { is, leftMs: number(rest[0]) }
  if (is === 'barred') return barred(rest)
  if (is === 'gone' || is === 'passed') return { is }
  throw unknown(answer)
}

export function renewed(answer: unknown, expected: number): readonly Renewed[] {
  if (!Array.isArray(answer) || answer.length !== expected) throw unknown(answer)
  return answer.map((each: unknown): Renewed => {
    const [is, first] = words(each)
    if (is === 'held') return { is, leftMs: number(first) }
    if (is === 'revoked') return { is, message: text(first) }
    if (is === 'gone') return { is }
    throw unknown(each)
  })
}

export function left(answer: unknown): Left {
  const [is] = words(answer)
  if (is === 'held' || is === 'absent') return is
  throw unknown(answer)
}

export function done(answer: unknown): true {
  if (words(answer)[0] === 'ok') return true
  throw unknown(answer)
}

/** null: nobody has the place. */
export function seen(answer: unknown): Part | null {
  const [is, ...rest] = words(answer)
  if (is === 'taken') return part(rest)
  if (is === 'free') return null
  throw unknown(answer)
}

/** A ticket that holds, as the nodes together have it. */
export interface Holder extends Part {
  /** When its place may be free, should the nodes where it is only reserved never hear of the grant. */
  readonly freeMs: number
}

/**
 * The ticket that holds, judged from the nodes that answered: the one with most parts, of equals the later one, if
 * those that did not answer could make it a majority, and if one part at least was committed. A node that is late may
 * still show an earlier grant, or the reservation: so its token is the greatest, and its life that of what was
 * committed.
 */
export function holderOf(
  parts: readonly Part[],
  count: { readonly unanswered: number; readonly majority: number },
): Holder | null {
  const latestFirst = parts.toSorted((a, b) => b.token - a.token)
  const [most] = [...grouped(latestFirst).values()].toSorted((a, b) => b.length - a.length)
  const [latest] = most ?? []
  if (
    most === undefined ||
    latest === undefined ||
    latest.token === 0 ||
    most.length + count.unanswered < count.majority
  )
    return null
  const committed = most.filter(({ token }) => token > 0)
  return {
    ...latest,
    leftMs: lifeOf(committed, count.majority),
    freeMs: lifeOf(most, count.majority),
    kept: most.some(({ kept }) => kept),
    revoked: most.some(({ revoked }) => revoked),
  }
}

/** Until fewer than a majority of them live. */
function lifeOf(parts: readonly Part[], majority: number): number {
  const lives = parts.map(({ leftMs }) => leftMs).toSorted((a, b) => b - a)
  return lives[Math.min(majority, lives.length) - 1] ?? 0
}

export function viewOf(key: string, holder: Part): LockView {
  return { key, token: holder.token, holders: [ticketOf(holder)], waiters: [] }
}

export function ticketOf({ holder, token, tokens, meta, sinceMs, leftMs, kept, revoked }: Part): TicketView {
  return {
    holder,
    token,
    tokens,
    mode: 'exclusive',
    limit: null,
    sinceMs: Math.max(0, sinceMs),
    leftMs,
    meta,
    ...(revoked && { revoked }),
    ...(kept && { kept }),
  }
}

function grouped(parts: readonly Part[]): Map<string, Part[]> {
  const byId = new Map<string, Part[]>()
  for (const each of parts) byId.set(each.id, [...(byId.get(each.id) ?? []), each])
  return byId
}

function part([id, token, tokens, holder, meta, sinceMs, leftMs, marks]: readonly string[]): Part {
  return {
    id: text(id),
    token: number(token),
    tokens: number(tokens),
    holder: text(holder),
    meta: metaOf(text(meta)),
    sinceMs: number(sinceMs),
    leftMs: number(leftMs),
    kept: text(marks).includes('k'),
    revoked: text(marks).includes('r'),
  }
}

function barred([why, message]: readonly string[]): Barred {
  if (why !== 'left' && why !== 'revoked' && why !== 'undone') throw unknown(why)
  return { is: 'barred', why, message: text(message) }
}

function metaOf(json: string): Readonly<Record<string, string>> {
  const meta: unknown = JSON.parse(json)
  if (typeof meta !== 'object' || meta === null) throw unknown(json)
  return Object.fromEntries(Object.entries(meta).map(([name, value]) => [name, String(value)]))
}

export function words(answer: unknown): readonly string[] {
  if (!Array.isArray(answer)) throw unknown(answer)
  return answer.map(text)
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw unknown(value)
  return value
}

function number(value: unknown): number {
  const result = typeof value === 'string' && value !== '' ? Number(value) : Number.NaN
  if (Number.isNaN(result) || Math.abs(result) > Number.MAX_SAFE_INTEGER) throw unknown(value)
  return result
}

function unknown(answer: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `A node gave an answer that is not one of ours: ${(JSON.stringify(answer) ?? 'nothing').slice(0, 80)}`,
  )
}
