/** Tables of an experiment: `holdfast_lab_NAME`, made new at the beginning and dropped at the end of the run. */
import { integer, record } from '../base/decode.ts'
import { schema } from '../sql/index.ts'
import type { SqlTransaction } from '../sql/transaction.ts'
import type { Connection } from './database.ts'
import type { Stage } from './declaration.ts'

/** `columns`: as CREATE TABLE takes them. Its name. */
export async function createTable(
  stage: Pick<Stage<unknown>, 'use'>,
  on: Connection,
  { name, columns }: { readonly name: string; readonly columns: string },
): Promise<string> {
  const table = tableNamed(name)
  const drop = `DROP TABLE IF EXISTS ${table}`
  await on.execute(drop, [])
  await on.execute(`CREATE TABLE ${table} (${columns})`, [])
  stage.use({ close: async () => void (await on.execute(drop, [])) })
  return table
}

export function tableNamed(name: string): string {
  return `holdfast_lab_${name}`
}

/** The one number that a statement answers. */
export async function numberOf(on: SqlTransaction, select: string, values: readonly unknown[] = []): Promise<number> {
  const [row] = await on.rows(select, values)
  const [name = ''] = Object.keys(row ?? {})
  return integer(record(row, `The answer to ${select}`), name)
}

/** A whole row, unless one with its unique value is there. true: it was inserted. */
export async function insertNew(
  tx: SqlTransaction,
  { table, row }: { readonly table: string; readonly row: readonly unknown[] },
): Promise<boolean> {
  const values = `INTO ${table} VALUES (${row.map(() => '?').join(', ')})`
  const insert = tx.dialect === 'mysql' ? `INSERT IGNORE ${values}` : `INSERT ${values} ON CONFLICT DO NOTHING`
  return (await tx.execute(insert, row)) > 0
}

/** Databases limit the values of one statement. */
const MOST_VALUES = 500

/** Rows of one column each. */
export async function insertAll(tx: SqlTransaction, into: string, values: readonly string[]): Promise<void> {
  for (let from = 0; from < values.length; from += MOST_VALUES) {
    const some = values.slice(from, from + MOST_VALUES)
    await tx.execute(`INSERT INTO ${into} VALUES ${some.map(() => '(?)').join(', ')}`, some)
  }
}

/** Where `fence` and `idempotent` keep theirs in an experiment: `{ table }` is their option. */
export const FENCES = tableNamed('fences')
export const IDEMPOTENCY = tableNamed('idempotency')

/** The tables of holdfast/sql under names of the laboratory, so that those of the user are not touched. */
export async function createSchema(stage: Pick<Stage<unknown>, 'use'>, on: Connection): Promise<void> {
  const statements = schema(on.dialect).replaceAll('EXISTS holdfast_', `EXISTS ${tableNamed('')}`)
  const drop = async (): Promise<void> => {
    for (const table of [FENCES, IDEMPOTENCY]) await on.execute(`DROP TABLE IF EXISTS ${table}`, [])
  }
  await drop()
  for (const statement of statements.split(';\n').filter(part => part.trim() !== '')) await on.execute(statement, [])
  stage.use({ close: drop })
}
