/** Tables of an experiment: `holdfast_lab_NAME`, made new at the beginning and dropped at the end of the run. */
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

/** Databases limit the values of one statement. */
const MOST_VALUES = 500

/** Rows of one column each. */
export async function insertAll(tx: SqlTransaction, into: string, values: readonly string[]): Promise<void> {
  for (let from = 0; from < values.length; from += MOST_VALUES) {
    const some = values.slice(from, from + MOST_VALUES)
    await tx.execute(`INSERT INTO ${into} VALUES ${some.map(() => '(?)').join(', ')}`, some)
  }
}
