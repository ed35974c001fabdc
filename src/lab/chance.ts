/**
 * Rounds left to chance: how often does a way that goes wrong do so by itself? An arranged order shows a race in every
 * round, and whoever reads that may think it rigged; this figure stands beside it, and is never judged.
 */
import { isBroken } from './declaration.ts'
import type { Claim, Free } from './declaration.ts'

export type Chance = {
  readonly way: string
  /** Of so many rounds. */
  readonly rounds: number
  /** Rounds in which all that the way must show was to be seen. */
  readonly shown: number
}

/** Is this way left to chance? One that holds is not: what a repair is worth no such figure tells. */
export function isFree<Name extends string>(
  way: Name,
  { free, claims }: { readonly free?: Free<Name>; readonly claims: Readonly<Record<Name, readonly Claim<never>[]>> },
): boolean {
  return free !== undefined && isBroken(claims[way]) && (free.ways ?? [way]).includes(way)
}

export function chanceOf<Outcome>(
  way: string,
  claims: readonly Claim<Outcome>[],
  outcomes: readonly Outcome[],
): Chance {
  const problems = claims.filter(({ shows }) => shows)
  const shown = outcomes.filter(outcome => problems.every(problem => problem.holds(outcome))).length
  return { way, rounds: outcomes.length, shown }
}
