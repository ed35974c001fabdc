/**
 * What is left of a lock when the server that granted it is lost?
 *
 * Two real processes add an entry each to one row, under a lock, by reading and writing back. Between the reading and
 * the writing of the first the store is hurt: it loses the newest grant that it had confirmed. Whether the second one
 * gets in, and whether an entry is lost, is the question. Servers and row are new for each round.
 */
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import type { Experiment, Given, Outcome, Stage } from '../experiment.ts'
import { openLedger } from '../failover/ledger.ts'
import { judge, lessons, showComparison, showWay } from '../failover/report.ts'
import { playRound, WAYS } from '../failover/round.ts'
import type { Round } from '../failover/round.ts'
import { failoverWorker } from '../failover/worker.ts'
import { choiceOf, wholeOf } from '../given.ts'
import { refuseWithoutRedis } from '../redis/own.ts'
import { paragraphs } from '../table.ts'

export const failover: Experiment = {
  name: 'failover',
  question: 'What is left of a lock when the server that granted it is lost?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  options: [
    { flags: '--rounds <n>', description: 'rounds for each way, 1 to 100', default: '2' },
    {
      flags: '--sabotage <way>',
      description: 'take the repair of one way out, to see that the experiment notices',
      hidden: true,
    },
  ],
  run,
  worker: failoverWorker,
}

async function run(given: Given, stage: Stage): Promise<Outcome> {
  const amount = wholeOf(given, 'rounds', { min: 1, max: 100 })
  const sabotage = choiceOf(given, 'sabotage', WAYS)
  refuseWithoutRedis()
  const file = join(stage.directory, 'ledger.db')
  const ledger = await openLedger(file)
  const rounds: Round[] = []
  try {
    const crew = await stage.workers(2, { ledger: file })
    stage.say(
      '',
      '  workers  2 processes; each locks, reads a list, and writes it back with one entry more',
      '  fault    after the first one has read: its store loses the grant',
      `  store    Redis: a primary with a replica, and five that know nothing of each other; started for each round`,
      `  list     a row in SQLite`,
    )
    for (const way of WAYS) {
      const own: Round[] = []
      while (own.length < amount && !stage.interrupted.aborted) {
        own.push(
          await playRound(way, crew, ledger, {
            key: `holdfast-lab:failover:${systemClock.id()}`,
            sabotaged: sabotage === way,
          }),
        )
      }
      rounds.push(...own)
      stage.say(...showWay(own, way))
    }
    await crew.end()
  } finally {
    ledger.close()
  }
  if (rounds.length > 0) stage.say(...showComparison(rounds, WAYS))
  const texts = stage.interrupted.aborted ? [] : lessons(rounds)
  if (texts.length > 0) stage.say(...paragraphs('What to learn', texts))
  return { findings: stage.interrupted.aborted ? [] : judge(rounds, WAYS), figures: figuresOf(amount, rounds, texts) }
}

function figuresOf(amount: number, rounds: readonly Round[], texts: readonly string[]): Outcome['figures'] {
  return {
    settings: { rounds: amount },
    rounds: rounds.map(({ way, twoHolders, confirmed, refused, lost, refusedWithoutMajority }) => ({
      way,
      twoHolders,
      confirmed,
      refused,
      lost,
      refusedWithoutMajority,
    })),
    lessons: texts,
  }
}
