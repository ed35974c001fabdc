/**
 * A row with a number that remembers the mark of whoever wrote it last: a fencing token, or an id. What it demands of
 * the mark of the next one is a check; each of them is a way to guard a resource, and not all of them do.
 */
import { systemClock } from '../base/clock.ts'
import { fence } from '../sql/index.ts'
import type { Fencing, SqlTransaction } from '../sql/transaction.ts'
import type { Connection } from './database.ts'
import type { Stage } from './declaration.ts'
import { createSchema, createTable, FENCES, numberOf, tableNamed } from './tables.ts'

const NAME = 'account'
const TABLE = tableNamed(NAME)

export const markedRow = {
  async create(stage: Pick<Stage<unknown>, 'use'>, on: Connection): Promise<void> {
    const columns = 'id INTEGER PRIMARY KEY, value INTEGER NOT NULL, mark BIGINT NOT NULL'
    await createTable(stage, on, { name: NAME, columns })
    await createSchema(stage, on)
    await on.execute(`INSERT INTO ${TABLE} VALUES (1, 0, 0)`, [])
  },
  async reset(on: SqlTransaction): Promise<void> {
    await on.execute(`UPDATE ${TABLE} SET value = 0, mark = 0`, [])
  },
  read: (on: SqlTransaction): Promise<number> => numberOf(on, `SELECT value FROM ${TABLE}`),
  /** As by an earlier write, which left the value alone. */
  async know(tx: SqlTransaction, { token }: Fencing): Promise<void> {
    await tx.execute(`UPDATE ${TABLE} SET mark = ?`, [token])
  },
}

export interface Check {
  /** In the transaction that reads. */
  begin(tx: SqlTransaction, lease: Fencing): Promise<void>
  /** false: the row refused it. @throws StaleTokenError  so did its fence */
  write(tx: SqlTransaction, lease: Fencing, value: number): Promise<boolean>
}

/** `only`: what the mark of the last write must be, compared with one's own. */
function marking(only: '' | ' AND mark = ?' | ' AND mark <= ?'): Check {
  return {
    begin: async () => {},
    async write(tx, { token }, value) {
      const values = only === '' ? [value, token] : [value, token, token]
      return (await tx.execute(`UPDATE ${TABLE} SET value = ?, mark = ? WHERE id = 1${only}`, values)) > 0
    },
  }
}

export const none: Check = marking('')
/** Marks each lease with an id of its own. Which is newer nobody can tell from it, so any other id is a new one. */
export const uniqueId: Check = {
  ...none,
  write: (tx, lease, value) => none.write(tx, { ...lease, token: Math.floor(systemClock.random() * 1e9) }, value),
}
/** Takes only the token that it knows. */
export const sameToken: Check = marking(' AND mark = ?')
/** Refuses what is older than the last write. */
export const onWrite: Check = marking(' AND mark <= ?')
/** Raised to the token before it is read. */
export const fenced: Check = {
  begin: (tx, lease) => fence(tx, lease, { table: FENCES }),
  async write(tx, lease, value) {
    await fence(tx, lease, { table: FENCES })
    return none.write(tx, lease, value)
  },
}
