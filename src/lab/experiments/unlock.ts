/**
 * Why does one need a script to unlock Redis?
 *
 * Three real processes and one lock. The first is stopped just before its release, until its ttl is over and the second
 * has the lock. Then it goes on and releases. Whether a third one comes in while the second is still inside is the
 * question, and the way of releasing is the answer.
 */
import { withoutPassword } from '../../base/address.ts'
import { systemClock } from '../../base/clock.ts'
import { humanMs } from '../../base/duration.ts'
import type { Experiment, Given, Outcome, Stage } from '../experiment.ts'
import { choiceOf, durationOf, wholeOf } from '../given.ts'
import { addressOf, ownRedis, storeOf } from '../redis/own.ts'
import { openRaw, recordOf } from '../redis/raw.ts'
import { paragraphs } from '../table.ts'
import { judge, lessons, showComparison, showWay } from '../unlock/report.ts'
import { playRound } from '../unlock/round.ts'
import type { Round } from '../unlock/round.ts'
import { WAYS } from '../unlock/ways.ts'
import type { Way } from '../unlock/ways.ts'
import { unlockWorker } from '../unlock/worker.ts'

interface Settings {
  readonly rounds: number
  readonly ttlMs: number
  readonly store: string | null
  readonly sabotage: Way | null
}

export const unlock: Experiment = {
  name: 'unlock',
  question: 'Why does one need a script to unlock Redis?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  options: [
    { flags: '--rounds <n>', description: 'rounds for each way, 1 to 100', default: '3' },
    { flags: '--ttl <duration>', description: 'length of the lock whose holder is late', default: '300ms' },
    { flags: '--store <url>', description: 'a Redis or Valkey (default: one of its own, started for this run)' },
    {
      flags: '--sabotage <way>',
      description: 'give one way the release of another, to see that the experiment notices',
      hidden: true,
    },
  ],
  run,
  worker: unlockWorker,
}

async function run(given: Given, stage: Stage): Promise<Outcome> {
  const settings: Settings = {
    rounds: wholeOf(given, 'rounds', { min: 1, max: 100 }),
    ttlMs: durationOf(given, 'ttl', { min: 100, max: 10_000 }),
    store: storeOf(given),
    sabotage: choiceOf(given, 'sabotage', WAYS),
  }
  const server =
    settings.store === null
      ? await ownRedis({ otherwise: ', or name a Redis of yours with --store redis://localhost:6379' })
      : null
  try {
    return await measure(settings, stage, settings.store ?? (server === null ? '' : addressOf(server)))
  } finally {
    await server?.close()
  }
}

async function measure(settings: Settings, stage: Stage, store: string): Promise<Outcome> {
  const key = `holdfast-lab:unlock:${systemClock.id()}`
  const crew = await stage.workers(3, { store, key })
  stage.say(
    '',
    `  workers  3 processes: one that is late, its successor, a third`,
    `  lock     for ${humanMs(settings.ttlMs)}; the late one is stopped (SIGSTOP) after its work, until its successor has the lock`,
    `  store    ${withoutPassword(store)}${settings.store === null ? ', started for this run' : ''}`,
  )
  const rounds: Round[] = []
  const raw = openRaw(store)
  try {
    for (const way of WAYS) {
      const own: Round[] = []
      while (own.length < settings.rounds && !stage.interrupted.aborted) {
        await raw.ask('DEL', key)
        own.push(await playRound(way, crew, { ttlMs: settings.ttlMs, sabotaged: settings.sabotage === way }))
      }
      rounds.push(...own)
      if (own.length > 0) stage.say(...showWay(own, way, settings.ttlMs))
    }
    await crew.end()
    // A key of this run's own: nobody will ever compare a token of it.
    await raw.ask('DEL', key)
    await raw.ask('DEL', recordOf(key))
  } finally {
    await raw.close()
  }
  if (rounds.length > 0) stage.say(...showComparison(rounds, WAYS))
  const texts = stage.interrupted.aborted ? [] : lessons(rounds)
  if (texts.length > 0) stage.say(...paragraphs('What to learn', texts))
  return { findings: stage.interrupted.aborted ? [] : judge(rounds, WAYS), figures: figuresOf(settings, rounds, texts) }
}

function figuresOf(
  { rounds: amount, ttlMs, store }: Settings,
  rounds: readonly Round[],
  texts: readonly string[],
): Outcome['figures'] {
  return {
    settings: { rounds: amount, ttlMs, store: store === null ? 'redis' : withoutPassword(store) },
    rounds: rounds.map(({ way, removedOther, overlapMs }) => ({ way, removedOther, overlapMs })),
    lessons: texts,
  }
}
