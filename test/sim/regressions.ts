/**
 * Seeds that find a bug which the simulation once found in the library, should it come back: each with the mutant that puts
 * it back in. A seed stands for its world only as long as the simulation is as it was; a mutant must be found anew each time.
 */
export interface Regression {
  readonly seed: number
  readonly bug: string
  /** In mutants.ts. */
  readonly mutant: string
}

export const REGRESSIONS: readonly Regression[] = [
  {
    seed: 25,
    bug: 'a lease whose first enter had not been answered was released without forbidding its id, so that enter, carried out late, took the lock for nobody',
    mutant: 'a release forbids nothing to a request under way',
  },
  { seed: 17, bug: 'a lease lost at its maxHold was left at once, although its minHold was not over', mutant: 'a loss forgets minHold' },
  {
    seed: 5,
    bug: 'a waiter that learnt from an answer that it was revoked did not leave; if its ticket held by then, it stood there until it ran out',
    mutant: 'who is revoked does not leave',
  },
  {
    seed: 72,
    bug: 'a ticket that was lost between two tasks, while the store was asked who waits, was never left',
    mutant: 'a ticket lost between two tasks is not left',
  },
  {
    seed: 350,
    bug: 'a task whose wait was over took a cohort of the same name out of the list with its own; who waited there was overtaken, and waited for ever at close()',
    mutant: 'a cohort is forgotten by its name alone',
  },
]
