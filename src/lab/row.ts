/**
 * A row with a number and a version, which goes up by one with every write. A version that is not one above the version
 * that was read tells that somebody else wrote in between.
 */
import { integer, number, record } from '../base/decode.ts'
import type { SqlTransaction } from '../sql/transaction.ts'
import type { Act, Telling } from './acts.ts'
import type { Connection } from './database.ts'
import type { Stage } from './declaration.ts'
import { createTable, tableNamed } from './tables.ts'

export interface Versioned {
  readonly value: number
  readonly version: number
}

export interface Row {
  /** Makes it new, and has it dropped at the end of the run. */
  create(stage: Stage<unknown>, on: Connection): Promise<void>
  /** `lock` ends a SELECT in a transaction that nobody else may come between. */
  read(on: SqlTransaction, lock?: string): Promise<Versioned>
  /** The version after the write. `onlyAt`: null if the row is no longer at that version; nothing is written then. */
  write(tx: SqlTransaction, value: number, options?: { readonly onlyAt?: number }): Promise<number | null>
}

/** The row of the table `holdfast_lab_NAME`; its value is 0 at first. */
export function rowOf(name: string): Row {
  const table = tableNamed(name)
  async function read(on: SqlTransaction, lock = ''): Promise<Versioned> {
    const [row] = await on.rows(`SELECT value, version FROM ${table} WHERE id = 1${lock}`, [])
    const fields = record(row, 'The row')
    return { value: integer(fields, 'value'), version: integer(fields, 'version') }
  }
  return {
    read,
    async create(stage, on) {
      const columns = 'id INTEGER PRIMARY KEY, value INTEGER NOT NULL, version INTEGER NOT NULL'
      await createTable(stage, on, { name, columns })
      await on.execute(`INSERT INTO ${table} VALUES (1, 0, 0)`, [])
    },
    async write(tx, value, { onlyAt } = {}) {
      const only = onlyAt === undefined ? '' : ` AND version = ${onlyAt}`
      const update = `UPDATE ${table} SET value = ?, version = version + 1 WHERE id = 1${only}`
      return (await tx.execute(update, [value])) === 0 ? null : (await read(tx)).version
    },
  }
}

/** What came of reading and writing it, for the act that ends an attempt. */
export type Change = {
  readonly outcome: 'written' | 'refused'
  readonly read: number
  readonly written: number | null
}

/** Was something written over that had not been read? */
export function isInconsistent({ fields }: Act): boolean {
  return fields['outcome'] === 'written' && number(fields, 'written') !== number(fields, 'read') + 1
}

/** Of the acts read { version }, wrote { version, read } and refused { version }. */
export const tellingRow: Telling = {
  read: ({ fields }) => `read version ${number(fields, 'version')}`,
  wrote({ fields }) {
    const [read, version] = [number(fields, 'read'), number(fields, 'version')]
    if (version === read + 1) return `wrote version ${version}`
    const text = `wrote version ${version}, but had read ${read}: what was written in between is lost`
    return { text, kind: 'lost' }
  },
  refused: ({ fields }) => `refused: the row is no longer at version ${number(fields, 'version')}`,
}
