/** What the workers report, and what it comes to. */
import { number, oneOf, text } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { mean, percentile } from '../figures.ts'
import type { Message } from '../wire.ts'
import type { Mutation, Way } from './ways.ts'

/**
 * One try of one worker. refused: the row had moved on, and the worker was told. failed: it was never done, for another
 * reason.
 */
export type Attempt = { readonly worker: number; readonly tick: number } & (
  | ({ readonly outcome: 'written' } & Mutation & { readonly written: number })
  | ({ readonly outcome: 'refused' } & Mutation)
  | { readonly outcome: 'failed'; readonly problem: string }
)

/** The test looks at every version; the benchmark is the same again to measure time. */
export type RoundKind = 'test' | 'benchmark'

export interface Round {
  readonly way: Way
  readonly kind: RoundKind
  readonly attempts: readonly Attempt[]
  /** By how much the salary in the row grew: each update that was written should have added one. */
  readonly applied: number
  /** How many times the round was run on, because it had not shown yet what it is there to show. */
  readonly extended: number
}

export interface Tally {
  readonly attempted: number
  readonly succeeded: number
  /** Updates whose version is not one above the version read: somebody else wrote in between. */
  readonly inconsistencies: number
  readonly errors: number
  /** Of those that succeeded, from the tick to the end, waiting included. */
  readonly averageMs: number | null
  readonly p99Ms: number | null
}

export function isInconsistent(attempt: Attempt): boolean {
  return attempt.outcome === 'written' && attempt.written !== attempt.read + 1
}

export function tally(attempts: readonly Attempt[]): Tally {
  const written = attempts.filter(attempt => attempt.outcome === 'written')
  const took = written.map(attempt => attempt.endedAt - attempt.startedAt)
  return {
    attempted: attempts.length,
    succeeded: written.length,
    inconsistencies: written.filter(isInconsistent).length,
    errors: attempts.length - written.length,
    averageMs: mean(took),
    p99Ms: percentile(took, 0.99),
  }
}

export function tallyOf(round: Round, worker: number): Tally {
  return tally(round.attempts.filter(attempt => attempt.worker === worker))
}

/** Updates that were confirmed and are not in the row. */
export function lostUpdates(round: Round): number {
  return tally(round.attempts).succeeded - round.applied
}

/** Has the round shown what its way is there to show? Chance may need a little longer. */
export function hasShown(way: Way, kind: RoundKind, attempts: readonly Attempt[]): boolean {
  if (kind === 'benchmark') return true
  if (way === 'none') return attempts.some(isInconsistent)
  return way !== 'version' || attempts.some(attempt => attempt.outcome === 'refused')
}

export function encodeMutation(tick: number, mutation: Mutation): Message {
  return { outcome: mutation.written === null ? 'refused' : 'written', tick, ...mutation }
}

export function decodeAttempt(body: Fields, worker: number): Attempt {
  const outcome = oneOf(body, 'outcome', ['written', 'refused', 'failed'])
  const place = { worker, tick: number(body, 'tick') }
  if (outcome === 'failed') return { ...place, outcome, problem: text(body, 'problem') }
  const mutation = {
    startedAt: number(body, 'startedAt'),
    admittedAt: number(body, 'admittedAt'),
    readAt: number(body, 'readAt'),
    wroteAt: number(body, 'wroteAt'),
    endedAt: number(body, 'endedAt'),
    read: number(body, 'read'),
  }
  return outcome === 'refused'
    ? { ...place, outcome, ...mutation, written: null }
    : { ...place, outcome, ...mutation, written: number(body, 'written') }
}
