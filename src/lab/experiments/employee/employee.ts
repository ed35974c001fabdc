/**
 * The employee's row: what happens to it when several processes read it, think, and update it?
 *
 * The workers begin at one instant and tick together. At every tick each reads the employee, thinks, and writes the
 * salary it read plus one; the version in the row must then be exactly one above the version it read. First a test
 * round for each way, then for each way that keeps the data right a benchmark round: the same pace again, to measure
 * how long an update takes from its tick to its end.
 */
import { withoutPassword } from '../../../base/address.ts'
import { humanMs } from '../../../base/duration.ts'
import { ConfigurationError } from '../../../base/errors.ts'
import { oneTick, showErrors, showTallies } from '../../attempts.ts'
import { databaseAt } from '../../database.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { exposureOf } from '../../exposure.ts'
import { count, showMs } from '../../figures.ts'
import { optional, span, storeOption, whole } from '../../options.ts'
import { storeAt } from '../../store.ts'
import { together } from '../../together.ts'
import { isInconsistent, lessons, outcomeOf, showUpdates } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { CREATE, DROP, readRow, ways, worker } from './ways.ts'

const danger = { opens: 'read', closes: ['wrote', 'refused', 'leaves'] }
const DAY_MS = 86_400_000
/** A round that has shown nothing yet is run on so many times at most. */
const EXTENSIONS = 4

const right = holds<Outcome>(
  'no data inconsistencies, no update lost',
  ({ succeeded, inconsistencies, lost }) => succeeded > 0 && inconsistencies === 0 && lost === 0,
  showUpdates,
)
const quiet = holds<Outcome>('no errors', ({ errors }) => errors === 0, showErrors)

export const employee = experiment({
  name: 'employee',
  question: 'What happens to one row when several processes change it at once?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  options: {
    workers: whole({
      default: '2',
      min: 2,
      max: 64,
      help: 'worker processes, 2 to 64',
      why: 'One worker alone has nobody to collide with.',
    }),
    durationMs: span({ default: '10s', min: 1, max: DAY_MS, help: 'length of each round' }),
    intervalMs: span({
      default: '1s',
      min: 1,
      max: DAY_MS,
      help: 'time between two ticks; at each tick every worker makes one update',
    }),
    thinkMs: span({ default: '15ms', max: 60_000, help: 'time between reading the row and updating it' }),
    lateMs: span({ default: '0s', max: 60_000, help: 'keep all but the first apart from it by so much', hidden: true }),
    store: storeOption('store of the mutex (default: a SQLite file of its own)'),
    db: optional('url', 'database of the row (default: a SQLite file of its own)'),
  },
  rounds: way => (way === 'none' ? 1 : 2),
  ways,

  async setup(stage) {
    const { workers, durationMs, intervalMs, thinkMs } = stage.settings
    if (durationMs < intervalMs)
      throw new ConfigurationError('--duration must be at least as long as --interval: a round needs a tick.')
    const store = await storeAt(stage.settings.store, stage.directory)
    const database = await databaseAt(stage.settings.db, stage.directory)
    const row = stage.use(await database.connect())
    for (const statement of CREATE) await row.execute(statement, [])
    stage.use({ close: async () => void (await row.execute(DROP, [])) })
    const names = Array.from({ length: workers }, (_, index) => `worker ${index + 1}`)
    const crew = await stage.workers(names, { store: store.address, db: database.address })
    stage.conditions({
      workers: `${workers} processes, all ticking together every ${humanMs(intervalMs)}, ${humanMs(durationMs)} a round`,
      update: `read the row, think for ${humanMs(thinkMs)}, write the salary plus one; the version must rise by exactly one`,
      mutex: store.told,
      database: withoutPassword(database.address),
      'row lock': database.rowLock,
    })
    return { crew, row }
  },

  async round(way, { crew, row }, stage) {
    const before = await readRow(row)
    for (let extended = 0; ; extended += 1) {
      await together(crew, 'update', stage.settings.durationMs)
      const after = await readRow(row)
      const kind = way.round === 0 ? 'test' : 'benchmark'
      const outcome = outcomeOf(stage.acts(), { kind, extended, applied: after.salary - before.salary })
      const met = exposureOf(stage.acts(), danger).exposed > 0
      const seen = { none: outcome.inconsistencies > 0, version: outcome.refused > 0, mutex: true, 'row-lock': true }
      const shown = met && (kind === 'benchmark' || seen[way.name])
      if (shown || extended === EXTENSIONS || stage.interrupted.aborted) return outcome
    }
  },

  danger,
  telling: {
    read: ({ fields }) => `read version ${String(fields['version'])}`,
    wrote: ({ fields }) =>
      `wrote version ${String(fields['version'])}` +
      (fields['gap'] === true ? `, but had read ${String(fields['read'])}: what was written in between is lost` : ''),
    refused: ({ fields }) => `refused: the row is no longer at version ${String(fields['version'])}`,
  },
  draw: acts => oneTick(acts, act => isInconsistent(act) || act.fields['outcome'] === 'refused'),
  show: round => [
    ...showTallies(round.kind, { all: round, workers: round.workers }, { inconsistencies: one => one.inconsistencies }),
    ...(round.lost > 0 ? [`  Updates that succeeded and are not in the row, written over: ${round.lost}.`] : []),
    ...(round.extended > 0 ? [`  Run on ${count(round.extended, 'time')}: it had shown nothing yet.`] : []),
  ],
  columns: {
    attempted: ([test]) => test?.attempted ?? 0,
    succeeded: ([test]) => test?.succeeded ?? 0,
    inconsistencies: ([test]) => test?.inconsistencies ?? 0,
    lost: ([test]) => test?.lost ?? 0,
    errors: ([test]) => test?.errors ?? 0,
    average: rounds => showMs(rounds.at(-1)?.averageMs ?? null),
    p99: rounds => showMs(rounds.at(-1)?.p99Ms ?? null),
  },
  claims: {
    none: [
      shows('data inconsistencies', ({ inconsistencies }) => inconsistencies > 0, showUpdates),
      holds('and nobody is told, no errors', ({ errors }) => errors === 0, showErrors),
    ],
    mutex: [right, quiet],
    'row-lock': [right, quiet],
    version: [
      right,
      holds<Outcome>(
        'refuses updates that came too late',
        ({ kind, refused, errors }) => errors === refused && (refused > 0 || kind === 'benchmark'),
        showErrors,
      ),
    ],
  },
  lessons,
  worker,
})
