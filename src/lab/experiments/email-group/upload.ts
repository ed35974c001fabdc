/** Uploads and the group: what a file has, how it comes in, and what is in the group afterwards. */
import { text } from '../../../base/decode.ts'
import type { SqlTransaction } from '../../../sql/transaction.ts'
import type { Connection } from '../../database.ts'
import type { Turn } from '../../declaration.ts'
import { insertAll, tableNamed } from '../../tables.ts'

export const GROUP = tableNamed('group')
const STAGING = tableNamed('staging')
/** Users of a batch; a file has two. */
export const BATCH = 10_000
/** Users of the group before anything is uploaded. */
const BEFORE = 1_000

/** Those of two files have none in common, or a mixture could not be seen. */
function users(file: string, from: number, to: number): readonly string[] {
  return Array.from({ length: to - from }, (_, index) => `user${from + index}@${file}.example`)
}

export async function reset(tx: SqlTransaction): Promise<void> {
  await tx.execute(`DELETE FROM ${GROUP}`, [])
  await insertAll(tx, GROUP, users('before', 0, BEFORE))
}

export async function readGroup(on: SqlTransaction): Promise<{ readonly group: Group; readonly size: number }> {
  const addresses = new Set((await on.rows(`SELECT address FROM ${GROUP}`, [])).map(row => text(row, 'address')))
  const from = (file: string): number => [...addresses].filter(address => address.endsWith(`@${file}.example`)).length
  return {
    group: groupOf({ before: from('before'), first: from('first'), second: from('second') }),
    size: addresses.size,
  }
}

export type Group = ReturnType<typeof groupOf>

function groupOf({ before, first, second }: Readonly<Record<'before' | 'first' | 'second', number>>) {
  if (first > 0 && second > 0) return 'a mixture of both files'
  if (before > 0) return before === BEFORE && first + second === 0 ? 'as it was before' : 'something else'
  if (first + second === 2 * BATCH) return first > 0 ? 'the first file' : 'the second file'
  return first === BATCH ? 'half of the first file' : 'something else'
}

export interface Upload {
  /** With `tx` all inside that transaction. */
  inBatches(tx?: SqlTransaction): Promise<void>
  /** Into a table beside the group, and then all at once. */
  beside(): Promise<void>
}

export function uploadOf(turn: Turn<unknown>, connection: Connection, file: string): Upload {
  async function fill(table: string, tx?: SqlTransaction): Promise<void> {
    const within = (task: (on: SqlTransaction) => Promise<unknown>): Promise<unknown> =>
      tx === undefined ? connection.transaction(task) : task(tx)
    turn.act('begins')
    await within(on => on.execute(`DELETE FROM ${table}`, []))
    await within(on => insertAll(on, table, users(file, 0, BATCH)))
    await turn.gate('half')
    await within(on => insertAll(on, table, users(file, BATCH, 2 * BATCH)))
  }
  return {
    inBatches: tx => fill(GROUP, tx),
    async beside() {
      await fill(STAGING)
      await connection.transaction(async tx => {
        await tx.execute(`DELETE FROM ${GROUP}`, [])
        await tx.execute(`INSERT INTO ${GROUP} SELECT address FROM ${STAGING}`, [])
      })
    },
  }
}
