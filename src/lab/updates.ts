/** What came of workers that update one row at ticks that they share, counted from their acts and from the row. */
import type { Act } from './acts.ts'
import { attemptsIn, byWorker, tally } from './attempts.ts'
import type { Tally } from './attempts.ts'
import { count, showMs, sum } from './figures.ts'
import { isInconsistent } from './row.ts'

/** inconsistencies: updates whose version is not one above the version read, since somebody else wrote in between. */
type Versioned = Tally & { readonly inconsistencies: number }

export type Updates = Versioned & {
  /** Updates that were confirmed and are not in the row. */
  readonly lost: number
  readonly workers: readonly Versioned[]
}

/** `applied`: how many updates are in the row. */
export function updatesIn(acts: readonly Act[], { applied }: { readonly applied: number }): Updates {
  const attempts = attemptsIn(acts)
  const all = versioned(attempts)
  return { ...all, lost: all.succeeded - applied, workers: byWorker(attempts).map(versioned) }
}

function versioned(attempts: readonly Act[]): Versioned {
  return { ...tally(attempts), inconsistencies: attempts.filter(isInconsistent).length }
}

export function showUpdates(rounds: readonly Updates[]): string {
  const inconsistent = sum(rounds, round => round.inconsistencies)
  const updates = sum(rounds, round => round.succeeded)
  const lost = sum(rounds, round => round.lost)
  return `${count(inconsistent, 'inconsistency', 'inconsistencies')} in ${count(updates, 'update')}, ${lost} lost`
}

/** Of the first round what was right, of the last one how long it took. */
export const columnsOfUpdates = {
  attempted: ([test]: readonly Updates[]) => test?.attempted ?? 0,
  succeeded: ([test]: readonly Updates[]) => test?.succeeded ?? 0,
  inconsistencies: ([test]: readonly Updates[]) => test?.inconsistencies ?? 0,
  lost: ([test]: readonly Updates[]) => test?.lost ?? 0,
  errors: ([test]: readonly Updates[]) => test?.errors ?? 0,
  average: (rounds: readonly Updates[]) => showMs(rounds.at(-1)?.averageMs ?? null),
  p99: (rounds: readonly Updates[]) => showMs(rounds.at(-1)?.p99Ms ?? null),
}
