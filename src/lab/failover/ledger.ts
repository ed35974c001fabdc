/**
 * What the lock protects: one row that holds a list. To add to it one reads the list, thinks, and writes it back with
 * one entry more, each in a transaction of its own; whoever writes back an old list removes what was added since.
 */
import { record, text } from '../../base/decode.ts'
import { engine } from '../../drivers/sqlite/database.ts'
import { fence, schema } from '../../sql/index.ts'
import type { Fencing, SqlTransaction } from '../../sql/index.ts'

export interface Ledger {
  /** Both fence with `lease` before anything else, unless it is null. @throws StaleTokenError */
  read(lease: Fencing | null): Promise<readonly string[]>
  write(entries: readonly string[], lease: Fencing | null): Promise<void>
  close(): void
}

const TABLE = 'ledger'

export async function openLedger(file: string): Promise<Ledger> {
  const database = (await engine())(file)
  // The workers write one after the other; this only bridges a commit that is under way.
  database.exec('PRAGMA busy_timeout = 5000')
  database.exec(schema('sqlite'))
  database.exec(`CREATE TABLE IF NOT EXISTS ${TABLE} (id INTEGER PRIMARY KEY, entries TEXT NOT NULL)`)
  database.exec(`INSERT OR IGNORE INTO ${TABLE} VALUES (1, '')`)
  const select = database.prepare(`SELECT entries FROM ${TABLE}`)
  const update = database.prepare(`UPDATE ${TABLE} SET entries = ?`)
  const tx: SqlTransaction = {
    dialect: 'sqlite',
    rows: async (statement, values) =>
      database
        .prepare(statement)
        .all(...values.map(valueOf))
        .map(row => record(row, 'A row')),
    execute: async (statement, values) =>
      Number(record(database.prepare(statement).run(...values.map(valueOf)), 'The answer')['changes']),
  }

  async function transaction<Answer>(lease: Fencing | null, work: () => Answer): Promise<Answer> {
    database.exec('BEGIN IMMEDIATE')
    try {
      if (lease !== null) await fence(tx, lease)
      const answer = work()
      database.exec('COMMIT')
      return answer
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  }

  return {
    read: lease =>
      transaction(lease, () => text(record(select.get(), 'The ledger'), 'entries').split(',').filter(Boolean)),
    write: (entries, lease) => transaction(lease, () => void update.run(entries.join(','))),
    close: () => void database.close(),
  }
}

function valueOf(value: unknown): string | number {
  if (typeof value === 'string' || typeof value === 'number') return value
  throw new TypeError(`A fence has no value of type ${typeof value}.`)
}
