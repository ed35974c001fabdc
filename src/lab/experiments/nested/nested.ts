/**
 * A lock around a process and row locks inside it: is one of them not enough?
 *
 * A batch raises two salaries if the budget allows it, and somebody elsewhere, who knows nothing of batches, changes
 * the grade of one of these employees. Two batches meet between looking at the total and raising; the batch and the
 * other meet between reading a row and writing it. Each lock guards an invariant of its own: the budget, and the row.
 */
import { integer, number, record } from '../../../base/decode.ts'
import type { SqlTransaction } from '../../../sql/transaction.ts'
import { actsOf } from '../../acts.ts'
import type { Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, sum } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { findPlaces, places, reachPlaces } from '../../places.ts'
import { tellingSections, underLock } from '../../sections.ts'
import { createTable, numberOf, tableNamed } from '../../tables.ts'

const EMPLOYEES = tableNamed('employees')
const IDS = [1, 2]
const SALARY = 100
const RAISE = 10
/** For one raise of all, and not for two. */
const BUDGET = IDS.length * (SALARY + RAISE)

interface Does {
  readonly process: boolean
  readonly rows: boolean
}
const both: Does = { process: true, rows: true }

const ways: Readonly<Record<'rows' | 'process' | 'both', Way<Does>>> = {
  rows: { is: 'row locks alone', does: { process: false, rows: true }, sabotage: both },
  process: { is: 'the lock around the process alone', does: { process: true, rows: false }, sabotage: both },
  both: { is: 'row locks inside the lock around the process', does: both, sabotage: { process: false, rows: false } },
}

type Outcome = {
  readonly total: number
  /** Changes of the grade that were confirmed and are not in the row. */
  readonly lost: number
}
const isWithin = ({ total }: Outcome): boolean => total <= BUDGET
const isWhole = ({ lost }: Outcome): boolean => lost === 0
const budget = (rounds: readonly Outcome[]): string => `a total of ${rounds.at(-1)?.total}, the budget is ${BUDGET}`
const row = (rounds: readonly Outcome[]): string =>
  `${count(
    sum(rounds, ({ lost }) => lost),
    'change',
  )} lost in ${count(rounds.length, 'round')}`

export const nested = experiment({
  name: 'nested',
  question: 'A lock around a process and row locks inside it: is one of them not enough?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  says: "if they're protecting different things, especially in a nested manner, then it makes total sense",
  takesS: 3,
  options: places,
  rounds: 3,
  ways,

  async setup(stage) {
    const { connection, place, told } = await findPlaces(stage)
    const columns = 'id INTEGER PRIMARY KEY, salary INTEGER NOT NULL, grade INTEGER NOT NULL'
    await createTable(stage, connection, { name: 'employees', columns })
    const crew = await stage.workers(['batch', 'other batch', 'elsewhere'], place)
    stage.conditions({
      workers: '3 processes: two batches that raise all if the budget allows it, and one that changes a grade',
      order: 'the other batch begins when the first has seen the total, the one elsewhere when it has read a row',
      ...told,
    })
    return { crew, connection }
  },

  async round({ free }, { crew: [batch, otherBatch, elsewhere], connection }, stage): Promise<Outcome> {
    await connection.transaction(async tx => {
      await tx.execute(`DELETE FROM ${EMPLOYEES}`, [])
      for (const id of IDS) await tx.execute(`INSERT INTO ${EMPLOYEES} VALUES (?, ?, 0)`, [id, SALARY])
    })
    if (free) await stage.together([batch, 'raise'], [otherBatch, 'raise'], [elsewhere, 'promote'])
    else {
      const one = batch.play('raise')
      await one.until('saw the total')
      const two = otherBatch.play('raise')
      await two.until('saw the total', 'waits')
      one.pass()
      await one.until('read a row')
      const three = elsewhere.play('promote')
      await three.until('promoted', 'waits')
      one.pass()
      await Promise.all([one.done, three.done])
      for (const _gate of ['saw the total', 'read a row']) two.pass()
      await two.done
    }
    const promoted = actsOf(stage.acts(), 'promoted').length
    return {
      total: await numberOf(connection, `SELECT SUM(salary) AS total FROM ${EMPLOYEES}`),
      lost: promoted - (await numberOf(connection, `SELECT SUM(grade) AS grades FROM ${EMPLOYEES}`)),
    }
  },

  free: { is: 'all three begin at one instant', rounds: 20 },
  danger: { opens: 'saw the total', closes: ['is done', 'declines'], of: 'batch' },
  telling: {
    ...tellingSections,
    'saw the total': ({ fields }) => `sees a total of ${number(fields, 'total')}`,
    'read a row': ({ fields }) => `reads row ${number(fields, 'id')}: grade ${number(fields, 'grade')}`,
    'is done': 'has raised all',
    declines: 'raises nobody: the budget does not allow it',
    promoted: ({ fields }) => `has written grade ${number(fields, 'grade')} to row 1`,
  },
  columns: {
    rounds: rounds => rounds.length,
    budget: () => BUDGET,
    total: rounds => rounds.at(-1)?.total ?? '-',
    'changes lost': rounds => sum(rounds, ({ lost }) => lost),
  },
  claims: {
    rows: [
      shows('two batches exceed the budget', outcome => !isWithin(outcome), budget),
      holds('no row loses a change', isWhole, row),
    ],
    process: [
      shows('a row loses a change from elsewhere', outcome => !isWhole(outcome), row),
      holds('the budget holds', isWithin, budget),
    ],
    both: [holds('the budget holds', isWithin, budget), holds('no row loses a change', isWhole, row)],
  },
  lessons: of =>
    lessonsOf(of, {
      rows: () =>
        `Row locks keep each row right, and know nothing of what the rows mean together: ${row(of('rows'))}, but ${budget(of('rows'))}.`,
      process: () =>
        `A lock around the process keeps other batches out, and nobody who does not ask for it: ${budget(of('process'))}, but ${row(of('process'))}.`,
      both: () =>
        `Together each guards what it is for: ${budget(of('both'))}, ${row(of('both'))}. Two locks for one thing would be one too many; these are for two.`,
    }),

  async worker(site) {
    const { locks, database, connection } = await reachPlaces(site)
    return {
      async raise(turn) {
        const { act, gate, way } = turn
        async function raiseOne(id: number, tx: SqlTransaction): Promise<void> {
          const lock = way.rows ? database.forUpdate : ''
          const [found] = await tx.rows(`SELECT salary, grade FROM ${EMPLOYEES} WHERE id = ?${lock}`, [id])
          const employee = record(found, 'The row')
          const grade = integer(employee, 'grade')
          if (id === 1) await gate('read a row', { id, grade })
          // The whole row, as programs write that load and save objects.
          const values = [integer(employee, 'salary') + RAISE, grade, id]
          await tx.execute(`UPDATE ${EMPLOYEES} SET salary = ?, grade = ? WHERE id = ?`, values)
        }
        async function raiseAll(): Promise<void> {
          const total = await numberOf(connection, `SELECT SUM(salary) AS total FROM ${EMPLOYEES}`)
          await gate('saw the total', { total })
          if (total + IDS.length * RAISE > BUDGET) return act('declines')
          for (const id of IDS)
            await (way.rows ? connection.transaction(tx => raiseOne(id, tx)) : raiseOne(id, connection))
          act('is done')
        }
        if (way.process) return underLock({ turn, locks }, raiseAll)
        act('works')
        await raiseAll()
        act('leaves')
      },
      async promote({ act, signal, way }) {
        act('asks')
        const promote = async (tx: SqlTransaction): Promise<number> => {
          const lock = way.rows ? database.forUpdate : ''
          const grade = 1 + (await numberOf(tx, `SELECT grade FROM ${EMPLOYEES} WHERE id = 1${lock}`))
          await tx.execute(`UPDATE ${EMPLOYEES} SET grade = ? WHERE id = 1`, [grade])
          return grade
        }
        const options = { signal, waiting: () => act('waits') }
        const grade = await (way.rows ? connection.transaction(promote, options) : promote(connection))
        act('promoted', { grade })
        act('leaves')
      },
    }
  },
})
