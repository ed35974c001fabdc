/**
 * The clock of the server is set forward while somebody holds: whose is the lock?
 *
 * Two processes add an entry each to a list in one row (ledger.ts). When the first has read, the wall clock of the
 * store is set forward by an hour, far beyond the end of the lease. The server is asked for its time before and after:
 * a step that the server has not seen shows nothing.
 */
import { humanMs } from '../../../base/duration.ts'
import type { Claim, Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count } from '../../figures.ts'
import {
  addBoth,
  addingTo,
  columns,
  danger,
  doubled,
  found,
  inTurn,
  keepsAll,
  losesOne,
  losing,
  refusesTheFirst,
  startLedger,
  telling,
  TOLD,
} from '../../ledger.ts'
import type { Added, Fenced } from '../../ledger.ts'
import { lessonsOf } from '../../lessons.ts'
import { NEEDS_CLOCKS, startClocked } from './servers.ts'

const STEP_MS = 3_600_000
/** A machine that is busy takes time between two questions. */
const BUSY_MS = 600_000

interface Does extends Fenced {
  readonly store: 'redis' | 'postgres'
  readonly stepMs: number
}
type Outcome = Added & {
  /** By the server's own clock, and beyond what has passed. */
  readonly steppedMs: number
}

const on = (store: Does['store'], fenced: boolean, stepMs = STEP_MS): Does => ({ store, fenced, stepMs })
const ways: Readonly<Record<'redis' | 'redis-fenced' | 'postgres' | 'postgres-fenced' | 'unstepped', Way<Does>>> = {
  redis: { is: 'a lock in Redis', does: on('redis', false), sabotage: on('redis', false, 0) },
  'redis-fenced': {
    is: 'the same, and each transaction begins with fence()',
    does: on('redis', true),
    sabotage: on('redis', false),
  },
  postgres: { is: 'a lock in PostgreSQL', does: on('postgres', false), sabotage: on('postgres', false, 0) },
  'postgres-fenced': {
    is: 'the same, and each transaction begins with fence()',
    does: on('postgres', true),
    sabotage: on('postgres', false),
  },
  unstepped: {
    is: 'a lock in Redis, whose clock nobody sets',
    does: on('redis', false, 0),
    sabotage: on('redis', false),
  },
}

const isStepped = ({ steppedMs }: Outcome): boolean => Math.abs(steppedMs - STEP_MS) < BUSY_MS
const told = (rounds: readonly Outcome[]): string => {
  const seen = rounds.filter(isStepped).length
  return `${seen === rounds.length ? '' : 'not shown: '}an hour forward in ${seen} of ${count(rounds.length, 'round')}`
}
const stepped: Claim<Outcome> = holds("the server's own time tells of the step", isStepped, told)
const gone = shows<Outcome>('the lock is given away too early, and an entry is lost', losesOne, found)

export const clockJump = experiment({
  name: 'clock-jump',
  question: 'The clock of the server is set forward while somebody holds: whose is the lock?',
  source: '"Lock It or Lose It: Avoiding Race Conditions in Distributed Systems"',
  says: 'It continues from where it left off, thinking it still owns the lock, and overwrites the changes made by Node B.',
  needs: NEEDS_CLOCKS,
  takesS: 8,
  options: {},
  rounds: 2,
  ways,

  async setup(stage) {
    const clocked = await startClocked(stage)
    const ledger = await startLedger(stage)
    stage.conditions({
      ...TOLD,
      fault: `after the first one has read: the server's wall clock is set forward by ${humanMs(STEP_MS)}`,
      store: 'Redis and PostgreSQL, started for this run; each reads the clock through a library that adds the step',
    })
    return { clocked, ledger }
  },

  async round({ does: { store, stepMs } }, { clocked, ledger }, stage): Promise<Outcome> {
    const server = clocked[store]
    let steppedMs = 0
    try {
      const added = await addBoth(ledger, {
        stage,
        store: {
          before: server.address,
          after: server.address,
          fault: stepMs === 0 ? 'its clock goes on as ever' : `its clock is set forward by ${humanMs(stepMs)}`,
          async strike() {
            const before = await server.now()
            server.step(stepMs)
            steppedMs = (await server.now()) - before
          },
        },
      })
      return { ...added, steppedMs }
    } finally {
      server.step(0)
    }
  },

  danger,
  telling,
  columns,
  claims: {
    redis: [gone, stepped],
    'redis-fenced': [keepsAll, refusesTheFirst, stepped],
    postgres: [gone, stepped],
    'postgres-fenced': [keepsAll, refusesTheFirst, stepped],
    unstepped: [keepsAll, inTurn],
  },
  lessons: of =>
    lessonsOf(of, {
      redis: () =>
        `Redis reads its wall clock to see whether a lease is over. Set forward, it gave the lock away while the first one was sure of it, and nobody was told of an error: ${found(of('redis'))}. No client can see that coming: it counts its own time, on a clock that nobody can set, and by that its lease lasts.`,
      'redis-fenced': () =>
        `What can be promised all the same is the order: the successor has the greater token, so fence() refuses the one that was too sure. Two holders in ${doubled(of('redis-fenced'))}, entries lost in ${losing(of('redis-fenced'))} of ${count(of('redis-fenced').length, 'round')}.`,
      postgres: () => `A database is no better a clock: ${found(of('postgres'))}, on PostgreSQL.`,
      'postgres-fenced': () => `There, too, the resource refuses the late write: ${found(of('postgres-fenced'))}.`,
      unstepped: () =>
        `On a clock that goes as time does the second waits for its turn: ${found(of('unstepped'))}. So let the clocks of servers be slewed, not stepped; small steps are allowed for by clockErrorMs of the store, which every lease is shortened by.`,
    }),

  worker: site => addingTo<Does>(site),
})
