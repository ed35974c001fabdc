/**
 * Seeds that find a bug which the simulation once found in the library, should it come back: each with the mutant that
 * puts it back in. A seed stands for its world only as long as the simulation is as it was; a mutant must be found anew
 * each time.
 */
export interface Regression {
  readonly seed: number
  readonly bug: string
  /** In mutants.ts. */
  readonly mutant: string
}

export const REGRESSIONS: readonly Regression[] = [
  {
    seed: 2,
    bug: 'a lease whose first enter had not been answered was released without forbidding its id, so that enter, carried out late, took the lock for nobody',
    mutant: 'a release forbids nothing to a request under way',
  },
  {
    seed: 166,
    bug: 'a lease lost at its maxHold was left at once, although its minHold was not over',
    mutant: 'a loss forgets minHold',
  },
  {
    seed: 8,
    bug: 'a waiter that learnt from an answer that it was revoked did not leave; if its ticket held by then, it stood there until it ran out',
    mutant: 'who is revoked does not leave',
  },
  {
    seed: 45,
    bug: 'a ticket that was lost between two tasks, while the store was asked who waits, was never left',
    mutant: 'a ticket lost between two tasks is not left',
  },
  {
    seed: 90,
    bug: 'a task whose wait was over took a cohort of the same name out of the list with its own; who waited there was overtaken, and waited for ever at close()',
    mutant: 'the row of a key is forgotten by its key alone',
  },
  {
    seed: 540,
    bug: 'while a task whose wait was over asked who was in its way, its ticket went on waiting; close() did not see it, and left it in the queue',
    mutant: 'a task whose wait is over stands in line until it knows who was in its way',
  },
]
