/**
 * What the answers of the nodes amount to. Each decision is made as soon as no answer still to come could change it.
 */
import type { Entry, TicketRequest } from '../../store/contract.ts'
import { holderOf, ticketOf } from './answers.ts'
import type { Committed, Part, Reserved } from './answers.ts'
import { votes } from './ballot.ts'
import type { Count } from './ballot.ts'
import { unreachable } from './failures.ts'

type Refused = Extract<Entry, { readonly status: 'refused' }>
type Forbidden = Extract<Entry, { readonly status: 'forbidden' }>

/** Where contenders took the nodes from each other and nobody holds, it is soon over. */
export const SPLIT_RETRY_MS = 20

/**
 * The first round. A majority of places wins. Who cannot win any more although a majority could vote is refused by a
 * holder, or has split the places with others: of an even number each of two may have half.
 * @throws StoreUnavailableError  too few nodes can vote
 */
export function reservationOf(
  key: string,
  count: Count<Reserved>,
  maxTtlMs: number,
): 'won' | 'split' | Refused | Forbidden | undefined {
  const barred = forbiddenOf(count)
  if (barred !== null) return barred
  const mine = votes(count, answer => answer.is === 'mine')
  if (mine >= count.majority) return 'won'
  const voters = mine + votes(count, answer => answer.is === 'taken')
  const pending = count.open + count.silent
  const lost = mine + pending < count.majority
  if (voters >= count.majority && (lost || count.open === 0)) return refusal(count)
  if (pending > 0) return undefined
  throw unreachable(`"${key}" cannot be acquired`, key, count, { ambiguous: true, voteless: voteless(count, maxTtlMs) })
}

/**
 * The second round: what is left of the ttl on the node of the majority that has least; 'displaced' by another
 * contender between the rounds.
 */
export function commitmentOf({ key, ttlMs }: TicketRequest, count: Count<Committed>): number | 'displaced' | undefined {
  const lefts = [...count.answers.values()].flatMap(answer => (answer.is === 'held' ? answer.leftMs : []))
  if (lefts.length >= count.majority) return Math.min(ttlMs, ...lefts)
  const pending = count.open + count.silent
  if (count.answers.size >= count.majority && (lefts.length + pending < count.majority || pending === 0))
    return 'displaced'
  if (pending > 0) return undefined
  throw unreachable(`"${key}" was not confirmed by a majority`, key, count, { ambiguous: true })
}

/** The refresh of a ticket whose token is known: a majority has it, or a majority can no longer have it. */
export function refreshmentOf({ key, ttlMs, token = 0 }: TicketRequest, count: Count<Reserved>): Entry | undefined {
  const barred = forbiddenOf(count)
  if (barred !== null) return barred
  const lefts = [...count.answers.values()].flatMap(answer => (answer.is === 'mine' ? answer.leftMs : []))
  if (lefts.length >= count.majority) return { status: 'holds', token, leftMs: Math.min(ttlMs, ...lefts), waiters: 0 }
  if (count.answers.size - lefts.length > count.nodes - count.majority) return { status: 'gone' }
  if (count.open + count.silent > 0) return undefined
  throw unreachable(`Whether "${key}" is still held is not known`, key, count, { ambiguous: true })
}

/** One node is enough to know that the id was left or revoked: it never comes back. */
function forbiddenOf(count: Count<Reserved>): Forbidden | null {
  for (const answer of count.answers.values()) {
    if (answer.is === 'barred' && answer.why !== 'undone')
      return { status: 'forbidden', reason: answer.why, message: answer.message }
  }
  return null
}

function refusal(count: Count<Reserved>): Refused | 'split' {
  const parts: Part[] = []
  for (const answer of count.answers.values()) if (answer.is === 'taken') parts.push(answer.part)
  const holder = holderOf(parts, { unanswered: count.nodes - count.answers.size, majority: count.majority })
  return holder === null
    ? 'split'
    : { status: 'refused', retryMs: Math.max(1, holder.freeMs), holders: [ticketOf(holder)] }
}

/** Nodes that are up but have no vote yet. */
function voteless(count: Count<Reserved>, maxTtlMs: number): readonly string[] {
  const reasons: string[] = []
  for (const [node, answer] of count.answers) {
    if (answer.is !== 'young') continue
    const waitMs = maxTtlMs + 1_000 - answer.uptimeMs
    reasons.push(
      `${node.name} started ${answer.uptimeMs / 1_000} s ago and may have forgotten who holds: it votes ${Math.ceil(waitMs / 1_000) + 1} s from now, when maxTtl has passed, or at once with appendonly yes and appendfsync always`,
    )
  }
  return reasons
}
