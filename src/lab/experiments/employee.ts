/**
 * The employee row: what happens to one row when several processes read it, think, and update it?
 *
 * Real worker processes begin at one barrier and tick together. At every tick each reads the employee, thinks, and
 * writes the salary it read plus one; the version in the row must then be exactly one above the version it read. First
 * a test round for each way, then for each way that keeps the data right a benchmark round: the same pace again, to
 * measure how long an update takes from its tick to its end.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { withoutPassword } from '../../base/address.ts'
import { systemClock } from '../../base/clock.ts'
import { humanMs } from '../../base/duration.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { open } from '../../open.ts'
import { employeeDatabase } from '../employee/data.ts'
import type { EmployeeData, EmployeeDatabase } from '../employee/data.ts'
import { judge } from '../employee/judge.ts'
import { lessons, showComparison, showLessons, showRound } from '../employee/report.ts'
import { decodeAttempt, hasShown, lostUpdates, tally, tallyOf } from '../employee/rounds.ts'
import type { Attempt, Round, RoundKind } from '../employee/rounds.ts'
import { OPTIONS, settingsOf } from '../employee/settings.ts'
import type { Settings } from '../employee/settings.ts'
import { REPAIRED } from '../employee/ways.ts'
import type { Way } from '../employee/ways.ts'
import { employeeWorker } from '../employee/worker.ts'
import type { Experiment, Given, Outcome, Stage } from '../experiment.ts'
import type { Message } from '../wire.ts'
import type { Crew } from '../workers.ts'

/** A round that has shown nothing yet is run again so many times at most. */
const EXTENSIONS = 4
/** Beyond the round itself: what one update may wait for a lock, and a machine that is busy with other things. */
const SLACK_MS = 60_000

export const employee: Experiment = {
  name: 'employee',
  question: 'What happens to one row when several processes change it at once?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  options: OPTIONS,
  run,
  worker: employeeWorker,
}

async function run(given: Given, stage: Stage): Promise<Outcome> {
  const settings = settingsOf(given)
  const store = settings.store ?? `sqlite:${join(stage.directory, 'locks.db')}`
  const database = await employeeDatabase(settings.db ?? `sqlite:${join(stage.directory, 'data.db')}`)
  const journal = settings.journal === null ? null : folderOf(settings.journal)
  const guarantee = await guaranteeOf(store)
  await database.create()
  try {
    stage.say(...showConfiguration(settings, database, `${withoutPassword(store)} (guarantee: ${guarantee})`))
    return await measure(settings, stage, database, { store, journal })
  } finally {
    await database.drop()
  }
}

async function measure(
  settings: Settings,
  stage: Stage,
  database: EmployeeDatabase,
  places: { readonly store: string; readonly journal: string | null },
): Promise<Outcome> {
  const { workers, thinkMs, intervalMs, durationMs } = settings
  const key = `holdfast-lab:employee:${systemClock.id()}`
  const crew = await stage.workers(workers, { ...places, db: database.address, key, thinkMs, intervalMs, durationMs })
  const rounds = await allRounds(settings, stage, crew, database)
  await crew.end()
  if (rounds.length > 0) stage.say(...showComparison(rounds))
  if (stage.interrupted.aborted) return { findings: [], figures: figuresOf(settings, database, rounds, []) }
  const texts = lessons(rounds, settings)
  stage.say(...showLessons(texts))
  return { findings: judge(rounds), figures: figuresOf(settings, database, rounds, texts) }
}

/** @throws ConfigurationError  it cannot be made */
function folderOf(path: string): string {
  try {
    mkdirSync(path, { recursive: true })
    return resolve(path)
  } catch (cause) {
    throw new ConfigurationError(
      `--journal: "${path}" cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

/** @throws ConfigurationError | StoreUnavailableError  before any worker is started */
async function guaranteeOf(store: string): Promise<string> {
  const locks = await open(store)
  const { reach, guarantee } = locks.traits
  await locks.close({ drain: 0 })
  if (reach === 'process') throw new ConfigurationError('--store must be one that several processes share.')
  return guarantee
}

/** Up to Ctrl-C, the round in which it came included. */
async function allRounds(
  settings: Settings,
  stage: Stage,
  crew: Crew,
  database: EmployeeDatabase,
): Promise<readonly Round[]> {
  const plan = settings.ways.flatMap(way => [
    { way, kind: 'test' as const },
    ...(REPAIRED.includes(way) ? [{ way, kind: 'benchmark' as const }] : []),
  ])
  const row = await database.open()
  const rounds: Round[] = []
  try {
    for (const { way, kind } of plan) {
      if (stage.interrupted.aborted) break
      const round = await oneRound(way, kind, settings, stage, crew, row)
      rounds.push(round)
      stage.say(...showRound(round, settings))
    }
  } finally {
    await row.close()
  }
  return rounds
}

async function oneRound(
  way: Way,
  kind: RoundKind,
  settings: Settings,
  stage: Stage,
  crew: Crew,
  row: EmployeeData,
): Promise<Round> {
  const attempts: Attempt[] = []
  const before = await row.read()
  const performance = {
    report: (body: Readonly<Record<string, unknown>>, worker: number) =>
      void attempts.push(decodeAttempt(body, worker)),
    withinMs: settings.durationMs + settings.thinkMs * settings.workers + SLACK_MS,
  }
  let extended = -1
  do {
    extended += 1
    await crew.perform({ way, sabotaged: settings.sabotage === way }, performance, stage.interrupted)
  } while (!hasShown(way, kind, attempts) && extended < EXTENSIONS && !stage.interrupted.aborted)
  const after = await row.read()
  return { way, kind, attempts, applied: after.salary - before.salary, extended }
}

function showConfiguration(settings: Settings, database: EmployeeDatabase, store: string): string[] {
  return [
    '',
    `  workers   ${settings.workers} processes, all ticking together every ${humanMs(settings.intervalMs)}, ${humanMs(settings.durationMs)} a round`,
    `  update    read the row, think for ${humanMs(settings.thinkMs)}, write the salary plus one; the version must rise by exactly one`,
    `  mutex     ${store}`,
    `  database  ${database.address}`,
    `  row lock  ${database.rowLock}`,
  ]
}

function figuresOf(
  settings: Settings,
  database: EmployeeDatabase,
  rounds: readonly Round[],
  texts: readonly string[],
): Message {
  const { workers, durationMs, intervalMs, thinkMs, ways } = settings
  return {
    settings: {
      workers,
      durationMs,
      intervalMs,
      thinkMs,
      ways,
      store: settings.store === null ? 'sqlite' : withoutPassword(settings.store),
      db: database.address,
      rowLock: database.rowLock,
    },
    rounds: rounds.map(round => ({
      way: round.way,
      kind: round.kind,
      extended: round.extended,
      lostUpdates: lostUpdates(round),
      total: { ...tally(round.attempts) },
      workers: Array.from({ length: workers }, (_, index) => ({ worker: index + 1, ...tallyOf(round, index) })),
    })),
    lessons: texts,
  }
}
