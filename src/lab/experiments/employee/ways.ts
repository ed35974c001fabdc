/**
 * Four ways to change a row that others change too. All do the same: read the employee, think, write one more than the
 * salary that was read. Right means that the version written is one above the version read: nobody was in between.
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import { integer, record, text } from '../../../base/decode.ts'
import type { Locks } from '../../../locks/types.ts'
import type { SqlTransaction } from '../../../sql/transaction.ts'
import { attemptEachTick } from '../../attempts.ts'
import { databaseOf } from '../../database.ts'
import type { Connection } from '../../database.ts'
import type { Parts, Site, Turn, Way } from '../../declaration.ts'

const TABLE = 'holdfast_lab_employee'
export const DROP = `DROP TABLE IF EXISTS ${TABLE}`
export const CREATE = [
  DROP,
  `CREATE TABLE ${TABLE} (id INTEGER PRIMARY KEY, salary INTEGER NOT NULL, version INTEGER NOT NULL)`,
  `INSERT INTO ${TABLE} VALUES (1, 0, 0)`,
]

interface Means {
  readonly locks: Locks
  readonly key: string
  readonly connection: Connection
  readonly turn: Turn<Does>
  /** Reads, thinks, writes. `checked`: only if the row is still at the version that was read. */
  work(options?: { readonly tx?: SqlTransaction; readonly checked?: true }): Promise<Done>
}
type Done = { outcome: 'written' | 'refused'; read: number; written: number | null }
type Does = (means: Means) => Promise<Done>

const unprotected: Does = ({ turn, work }) => {
  turn.act('works')
  return work()
}
const checked: Does = ({ turn, work }) => {
  turn.act('works')
  return work({ checked: true })
}
const locked: Does = ({ turn, locks, key, work }) => {
  turn.act('asks')
  return locks.run(key, { signal: turn.signal }, ({ token }) => {
    turn.act('holds', { token })
    return work()
  })
}
const rowLocked: Does = ({ turn, connection, work }) => {
  turn.act('asks')
  const inside = (tx: SqlTransaction): Promise<Done> => {
    turn.act('holds')
    return work({ tx })
  }
  return connection.transaction(inside, { signal: turn.signal })
}

type Name = 'none' | 'mutex' | 'row-lock' | 'version'
export const ways: Readonly<Record<Name, Way<Does>>> = {
  none: { is: 'nobody takes turns', does: unprotected, sabotage: rowLocked },
  mutex: { is: 'read and update under a distributed lock', does: locked, sabotage: unprotected },
  'row-lock': {
    is: 'read and update in a transaction that locks the row first',
    does: rowLocked,
    sabotage: unprotected,
  },
  version: { is: 'update only if the row is still at the version that was read', does: checked, sabotage: unprotected },
}

/** `lock` ends a SELECT in a transaction that nobody else may come between. */
export async function readRow(on: SqlTransaction, lock = ''): Promise<{ salary: number; version: number }> {
  const [row] = await on.rows(`SELECT salary, version FROM ${TABLE} WHERE id = 1${lock}`, [])
  const fields = record(row, 'The employee')
  return { salary: integer(fields, 'salary'), version: integer(fields, 'version') }
}

/** The version after the write; null: the row had moved on. */
async function write(tx: SqlTransaction, salary: number, onlyIf: string): Promise<number | null> {
  const update = `UPDATE ${TABLE} SET salary = ?, version = version + 1 WHERE id = 1${onlyIf}`
  return (await tx.execute(update, [salary])) === 0 ? null : (await readRow(tx)).version
}

export interface Settings {
  readonly intervalMs: number
  readonly durationMs: number
  readonly thinkMs: number
  readonly lateMs: number
}

/** A worker's half: an update at every tick. */
export async function worker({ settings, name, key, place, locks, use }: Site<Settings>): Promise<Parts<Does>> {
  const means = { key, locks: await locks(text(place, 'store')) }
  const database = await databaseOf(text(place, 'db'))
  const connection = use(await database.connect())
  const late = name === 'worker 1' ? 0 : settings.lateMs
  return {
    update(turn) {
      const work: Means['work'] = async ({ tx, checked: careful } = {}) => {
        const { salary, version } = await readRow(tx ?? connection, tx === undefined ? '' : database.forUpdate)
        turn.act('read', { version })
        await sleep(systemClock, settings.thinkMs)
        const onlyIf = careful === true ? ` AND version = ${version}` : ''
        const put = (where: SqlTransaction): Promise<number | null> => write(where, salary + 1, onlyIf)
        const written = await (tx === undefined ? connection.transaction(put) : put(tx))
        if (written === null) turn.act('refused', { version })
        else turn.act('wrote', { version: written, read: version, gap: written !== version + 1 })
        return { outcome: written === null ? 'refused' : 'written', read: version, written }
      }
      const schedule = { ...settings, startAt: turn.startAt + late }
      return attemptEachTick(turn, schedule, () => turn.way({ ...means, connection, turn, work }))
    },
  }
}
