/**
 * Ways to change a row that others change too. All do the same: read the employee, think, write one more than the
 * salary that was read, but for one way, in which all write the same salary. Consistent means that the version written
 * is one above the version read: nobody was in between.
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import { text } from '../../../base/decode.ts'
import type { Locks } from '../../../locks/types.ts'
import type { SqlTransaction } from '../../../sql/transaction.ts'
import { databaseOf } from '../../database.ts'
import type { Connection } from '../../database.ts'
import type { Parts, Site, Turn, Way } from '../../declaration.ts'
import { rowOf } from '../../row.ts'
import type { Change } from '../../row.ts'
import { tick } from '../../ticking.ts'
import type { Ticking } from '../../ticking.ts'

/** Its value is the salary. */
export const row = rowOf('employee')
/** What all write who do not ask what was there; no round adds so much. */
export const AGREED = 1_000_000_000

interface Means {
  readonly locks: Locks
  /** A mutex in this process. */
  readonly memory: Locks
  readonly connection: Connection
  readonly turn: Turn<Does>
  work(options?: Work): Promise<Change>
}
interface Work {
  readonly tx?: SqlTransaction
  /** Writes only if the row is still at the version that was read. */
  readonly checked?: true
  /** Writes this, whatever was read. */
  readonly salary?: number
}
type Does = (means: Means) => Promise<Change>

const unprotected: Does = ({ turn, work }) => {
  turn.act('works')
  return work()
}
const absolute: Does = ({ turn, work }) => {
  turn.act('works')
  return work({ salary: AGREED })
}
const checked: Does = ({ turn, work }) => {
  turn.act('works')
  return work({ checked: true })
}
const locked: Does = ({ turn, locks, work }) => {
  turn.act('asks')
  return locks.run(turn.key, { signal: turn.signal }, ({ token }) => {
    turn.act('holds', { token })
    return work()
  })
}
const inMemory: Does = means => locked({ ...means, locks: means.memory })
const rowLocked: Does = ({ turn, connection, work }) => {
  turn.act('asks')
  const inside = (tx: SqlTransaction): Promise<Change> => {
    turn.act('holds')
    return work({ tx })
  }
  return connection.transaction(inside, { signal: turn.signal })
}

export type Name = 'none' | 'memory' | 'absolute' | 'mutex' | 'row-lock' | 'version'
export const ways: Readonly<Record<Name, Way<Does>>> = {
  none: { is: 'nobody takes turns', does: unprotected, sabotage: rowLocked },
  memory: { is: 'a mutex in the memory of each process', does: inMemory, sabotage: locked },
  absolute: { is: 'nobody takes turns, but all write the same salary', does: absolute, sabotage: unprotected },
  mutex: { is: 'read and update under a distributed lock', does: locked, sabotage: unprotected },
  'row-lock': {
    is: 'read and update in a transaction that locks the row first',
    does: rowLocked,
    sabotage: unprotected,
  },
  version: { is: 'update only if the row is still at the version that was read', does: checked, sabotage: unprotected },
}

/** A worker's half: an update at every tick. */
export async function worker(site: Site<Ticking & { readonly thinkMs: number }>): Promise<Parts<Does>> {
  const { place, use } = site
  const locks = await site.locks(text(place, 'store'))
  const memory = await site.locks('memory:')
  const database = await databaseOf(text(place, 'db'))
  const connection = use(await database.connect())
  return {
    update(turn) {
      const work: Means['work'] = async ({ tx, checked: careful, salary } = {}) => {
        const { value, version } = await row.read(tx ?? connection, tx === undefined ? '' : database.forUpdate)
        turn.act('read', { version })
        await sleep(systemClock, site.settings.thinkMs)
        const put = (on: SqlTransaction): Promise<number | null> =>
          row.write(on, salary ?? value + 1, careful === true ? { onlyAt: version } : {})
        const written = await (tx === undefined ? connection.transaction(put) : put(tx))
        if (written === null) turn.act('refused', { version })
        else turn.act('wrote', { version: written, read: version })
        return { outcome: written === null ? 'refused' : 'written', read: version, written }
      }
      return tick(site, turn, () => turn.way({ locks, memory, connection, turn, work }))
    },
  }
}
