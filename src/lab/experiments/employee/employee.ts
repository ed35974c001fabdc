/**
 * The employee's row: what happens to it when several processes read it, think, and update it?
 *
 * The workers tick together. At every tick each reads the employee, thinks, and writes the salary it read plus one; the
 * version in the row must then be one above the one it read. First a test round for each way, then for each way that
 * keeps the data right a benchmark round at the same pace: how long does an update take, from its tick to its end?
 */
import { withoutPassword } from '../../../base/address.ts'
import { humanMs } from '../../../base/duration.ts'
import { oneTick, showErrors, showTallies } from '../../attempts.ts'
import { databaseAt } from '../../database.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { exposureOf } from '../../exposure.ts'
import { optional, span, storeOption } from '../../options.ts'
import { isInconsistent, tellingRow } from '../../row.ts'
import { storeAt } from '../../store.ts'
import { refuseWithoutTick, showExtended, showTicking, startTicking, ticking, tickUntilShown } from '../../ticking.ts'
import { columnsOfUpdates, showUpdates, updatesIn } from '../../updates.ts'
import type { Updates } from '../../updates.ts'
import { lessons } from './lessons.ts'
import { AGREED, row, ways, worker } from './ways.ts'
import type { Name } from './ways.ts'

type Outcome = Updates & {
  /** The benchmark is the test again, to measure time. */
  readonly kind: 'test' | 'benchmark'
  /** How often it was run on, having shown nothing yet. */
  readonly extended: number
}

const danger = { opens: 'read', closes: ['wrote', 'refused', 'leaves'] }

const isRight = (way: Name): boolean => way === 'mutex' || way === 'row-lock' || way === 'version'
const right = holds<Outcome>(
  'no data inconsistencies, no update lost',
  ({ succeeded, inconsistencies, lost }) => succeeded > 0 && inconsistencies === 0 && lost === 0,
  showUpdates,
)
const inconsistent = shows<Outcome>('data inconsistencies', ({ inconsistencies }) => inconsistencies > 0, showUpdates)
const quiet = holds<Outcome>('no errors', ({ errors }) => errors === 0, showErrors)

export const employee = experiment({
  name: 'employee',
  question: 'What happens to one row when several processes change it at once?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  says: 'concurrent mutation of the same row without a mutex can cause data inconsistency',
  takesS: 75,
  options: {
    ...ticking,
    thinkMs: span({ default: '15ms', max: 60_000, help: 'time between reading the row and updating it' }),
    store: storeOption('store of the mutex (default: a SQLite file of its own)'),
    db: optional('url', 'database of the row (default: a SQLite file of its own)'),
  },
  rounds: way => (isRight(way) ? 2 : 1),
  ways,

  async setup(stage) {
    refuseWithoutTick(stage.settings)
    const store = await storeAt(stage.settings.store, stage)
    const database = await databaseAt(stage.settings.db, stage.directory)
    const connection = stage.use(await database.connect())
    await row.create(stage, connection)
    const crew = await startTicking(stage, { store: store.address, db: database.address })
    stage.conditions({
      workers: showTicking(stage.settings),
      update: `read the row, think for ${humanMs(stage.settings.thinkMs)}, write the salary plus one; the version must rise by exactly one`,
      mutex: store.told,
      database: withoutPassword(database.address),
      'row lock': database.rowLock,
    })
    return { crew, connection }
  },

  async round(way, { crew, connection }, stage) {
    const before = await row.read(connection)
    const kind = way.round === 0 ? 'test' : 'benchmark'
    return tickUntilShown({ crew, part: 'update', stage }, async extended => {
      const after = await row.read(connection)
      const by = (figure: 'value' | 'version'): number => after[figure] - before[figure]
      // Of those that write the same all are in the row, or none is.
      const applied = way.name !== 'absolute' ? by('value') : after.value === AGREED ? by('version') : 0
      const outcome = { kind, extended, ...updatesIn(stage.acts(), { applied }) } as const
      const met = exposureOf(stage.acts(), danger).exposed > 0
      const { refused, inconsistencies } = outcome
      const seen = way.name === 'version' ? refused > 0 : isRight(way.name) || inconsistencies > 0
      return { outcome, shown: met && (kind === 'benchmark' || seen) }
    })
  },

  danger,
  telling: tellingRow,
  draw: acts => oneTick(acts, act => isInconsistent(act) || act.fields['outcome'] === 'refused'),
  show: round => [
    ...showTallies(round.kind, { all: round, workers: round.workers }, { inconsistencies: one => one.inconsistencies }),
    ...(round.lost > 0 ? [`  Updates that succeeded and are not in the row, written over: ${round.lost}.`] : []),
    ...showExtended(round),
  ],
  columns: columnsOfUpdates,
  claims: {
    none: [inconsistent, holds('and nobody is told, no errors', ({ errors }) => errors === 0, showErrors)],
    memory: [inconsistent, quiet],
    absolute: [
      inconsistent,
      holds<Outcome>('and the data is right, no update lost', ({ lost }) => lost === 0, showUpdates),
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
