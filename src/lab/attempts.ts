/**
 * Attempts: what workers do again and again, at ticks that they share, and what it comes to. An attempt ends with the
 * act "leaves", which says its outcome: written, refused (the worker was told that it came too late) or failed.
 */
import { number } from '../base/decode.ts'
import { actsOf } from './acts.ts'
import type { Act } from './acts.ts'
import type { Turn } from './declaration.ts'
import { count, mean, percentile, showMs, sum } from './figures.ts'
import { hostNow, ticks } from './host-time.ts'
import type { Schedule } from './host-time.ts'
import { table } from './table.ts'
import type { Message } from './wire.ts'

export type Tally = {
  readonly attempted: number
  readonly succeeded: number
  readonly errors: number
  /** Errors by which a worker was told that it came too late. */
  readonly refused: number
  /** Of those that succeeded, from the tick to the end, waiting included. */
  readonly averageMs: number | null
  readonly p99Ms: number | null
  /** The first error that is no refusal. */
  readonly problem: string | null
}

/** In a worker: an attempt at every tick, until the schedule is over or the turn is to end. */
export async function attemptEachTick(
  turn: Turn<unknown>,
  schedule: Schedule,
  attempt: () => Promise<{ readonly outcome: 'written' | 'refused' } & Message>,
): Promise<void> {
  for await (const tick of ticks(schedule, turn.signal)) {
    const begunAt = hostNow()
    const leave = (fields: Message): void => turn.act('leaves', { ...fields, tick, tookMs: hostNow() - begunAt })
    try {
      leave(await attempt())
    } catch (error) {
      // Given up because the round was ended: that is no attempt.
      if (turn.signal.aborted) return
      leave({ outcome: 'failed', problem: error instanceof Error ? error.message : String(error) })
    }
  }
}

/** Each attempt by its last act. */
export function attemptsIn(acts: readonly Act[]): readonly Act[] {
  return actsOf(acts, 'leaves')
}

export function tally(attempts: readonly Act[]): Tally {
  const ended = (as: string): readonly Act[] => attempts.filter(({ fields }) => fields['outcome'] === as)
  const written = ended('written')
  const took = written.map(({ fields }) => number(fields, 'tookMs'))
  const problem = ended('failed')[0]?.fields['problem']
  return {
    attempted: attempts.length,
    succeeded: written.length,
    errors: attempts.length - written.length,
    refused: ended('refused').length,
    averageMs: mean(took),
    p99Ms: percentile(took, 0.99),
    problem: typeof problem === 'string' ? problem : null,
  }
}

/** One list of attempts for each worker, in order of their names. */
export function byWorker(attempts: readonly Act[]): readonly (readonly Act[])[] {
  const names = [...new Set(attempts.map(({ who }) => who))].toSorted(byNumber)
  return names.map(name => attempts.filter(({ who }) => who === name))
}

/** For people: "2 errors in 40 attempts", with the first message, so that one which nobody expected explains itself. */
export function showErrors(tallies: readonly Tally[]): string {
  const errors = sum(tallies, one => one.errors)
  const attempts = sum(tallies, one => one.attempted)
  const problem = tallies.find(one => one.problem !== null)?.problem
  const first = problem === undefined ? '' : `, first: ${problem}`
  return `${count(errors, 'error')} in ${count(attempts, 'attempt')}${first}`
}

/** A row for each worker and one for all. `more`: further figures, between what succeeded and the errors. */
export function showTallies<One extends Tally>(
  title: string,
  { all, workers }: { readonly all: One; readonly workers: readonly One[] },
  more: Readonly<Record<string, (one: One) => number>> = {},
): readonly string[] {
  const titles = ['attempted', 'succeeded', ...Object.keys(more), 'errors', 'average', 'p99']
  const cells = (one: One): readonly string[] => [
    ...[one.attempted, one.succeeded, ...Object.values(more).map(figure => figure(one)), one.errors].map(String),
    showMs(one.averageMs),
    showMs(one.p99Ms),
  ]
  return table(
    [{ title }, ...titles.map(name => ({ title: name, figures: true }))],
    [...workers.map((one, index) => [`worker ${index + 1}`, ...cells(one)]), ['all', ...cells(all)]],
  )
}

/** More lanes than these say less, not more. */
const MOST_LANES = 8

/** The acts of one tick: the first with an attempt that `isTelling`, else the first of all. */
export function oneTick(acts: readonly Act[], isTelling: (attempt: Act) => boolean): readonly Act[] {
  const attempts = attemptsIn(acts)
  const telling = attempts.find(isTelling) ?? attempts[0]
  if (telling === undefined || byWorker(attempts).length > MOST_LANES) return []
  // A round that was run on has each tick more than once: what happened at the same time belongs together.
  return attempts
    .filter(({ fields, at }) => fields['tick'] === telling.fields['tick'] && Math.abs(at - telling.at) < 1_000)
    .toSorted((a, b) => byNumber(a.who, b.who))
    .flatMap(({ who, at, fields }) => {
      const from = at - number(fields, 'tookMs') - 1
      return acts.filter(act => act.who === who && act.at > from && act.at <= at)
    })
}

function byNumber(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}
