/**
 * Seeds that once found a bug in the library, in the order in which they did. They are played first, whatever else is.
 *
 * A seed stands for its world only as long as the simulation itself is as it was; what keeps each bug from coming back all
 * the same is its mutant, named here, which must be found anew.
 */
export interface Regression {
  readonly seed: number
  readonly bug: string
  /** In mutants.ts. */
  readonly mutant: string
}

export const REGRESSIONS: readonly Regression[] = [
  {
    seed: 54,
    bug: 'A lease whose first enter had not been answered was released without forbidding its id, so that enter, carried out late, took the lock for nobody.',
    mutant: 'a release forbids nothing to a request under way',
  },
  { seed: 51, bug: 'A lease lost at its maxHold was left at once, although its minHold was not over.', mutant: 'a loss forgets minHold' },
  {
    seed: 272,
    bug: 'A waiter that learnt by an answer that it was revoked did not leave; its ticket, which held by then, stood there until it ran out.',
    mutant: 'who is revoked does not leave',
  },
]
