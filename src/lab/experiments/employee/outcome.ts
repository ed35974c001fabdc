/** What came of a round, counted from its acts, and what to learn from it. Nothing is said that was not measured. */
import type { Act } from '../../acts.ts'
import { attemptsIn, byWorker, tally } from '../../attempts.ts'
import type { Tally } from '../../attempts.ts'
import { count, share, showMs, sum } from '../../figures.ts'
import { isInconsistent } from '../../row.ts'
import type { ways } from './ways.ts'

/** inconsistencies: updates whose version is not one above the version read, since somebody else wrote in between. */
type Versioned = Tally & { readonly inconsistencies: number }

export type Outcome = Versioned & {
  /** The benchmark is the test again, to measure time. */
  readonly kind: 'test' | 'benchmark'
  /** How often the round was run on, because it had not shown yet what it is there to show. */
  readonly extended: number
  /** Updates that were confirmed and are not in the row. */
  readonly lost: number
  readonly workers: readonly Versioned[]
}

export function outcomeOf(
  acts: readonly Act[],
  { applied, ...about }: Pick<Outcome, 'kind' | 'extended'> & { readonly applied: number },
): Outcome {
  const attempts = attemptsIn(acts)
  const all = versioned(attempts)
  return { ...about, ...all, lost: all.succeeded - applied, workers: byWorker(attempts).map(versioned) }
}

function versioned(attempts: readonly Act[]): Versioned {
  return { ...tally(attempts), inconsistencies: attempts.filter(isInconsistent).length }
}

export function showUpdates(rounds: readonly Outcome[]): string {
  const inconsistent = sum(rounds, round => round.inconsistencies)
  const updates = sum(rounds, round => round.succeeded)
  const lost = sum(rounds, round => round.lost)
  return `${count(inconsistent, 'inconsistency', 'inconsistencies')} in ${count(updates, 'update')}, ${lost} lost`
}

type Name = keyof typeof ways

/** A paragraph a way: of the test what was right, of the benchmark how long it took. */
export function lessons(of: (way: Name) => readonly Outcome[]): readonly string[] {
  const tell: Readonly<Record<Name, (test: Outcome, time: string) => string>> = {
    none: ({ inconsistencies, succeeded, lost, errors }) =>
      `Without protection ${inconsistencies} of ${count(succeeded, 'update')} (${share(inconsistencies, succeeded)}) met a row that somebody had changed since it was read, and ${count(lost, 'update')} that had been confirmed ${lost === 1 ? 'is' : 'are'} not in the row, with ${count(errors, 'error')}: the program that loses data this way looks healthy.`,
    mutex: (test, time) =>
      `The mutex left ${showUpdates([test])}. It makes ${test.workers.length} workers take turns, so an update took ${time} on average: while one thinks the others wait. That cost is paid only where workers meet on the same row.`,
    'row-lock': (test, time) =>
      `The row lock left ${showUpdates([test])}, at ${time} on average. If all that you change lies in one database it is enough, and there is no reason to have a mutex as well; a mutex also guards what lies in no database, or in two.`,
    version: ({ errors, attempted }, time) =>
      `The version check makes nobody wait (${time} on average) and refused ${errors} of ${count(attempted, 'attempt')} (${share(errors, attempted)}): right data, and somebody who must read again and decide again. It suits rows on which people seldom meet.`,
  }
  return (['none', 'mutex', 'row-lock', 'version'] as const).flatMap(way => {
    const [test, timed = test] = of(way)
    return test === undefined ? [] : [tell[way](test, showMs(timed?.averageMs ?? null))]
  })
}
