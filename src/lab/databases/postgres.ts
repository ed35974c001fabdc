/** A PostgreSQL, by `pg`. */
import { withoutPassword } from '../../base/address.ts'
import { installed } from '../../drivers/shared/package.ts'
import { fromPg } from '../../sql/index.ts'
import type { SqlTransaction } from '../../sql/transaction.ts'
import type { Database } from '../database.ts'
import { serverDatabase } from './server.ts'
import type { Client, Kind } from './server.ts'

/** lock_not_available. */
const KEPT = '55P03'

const POSTGRES: Kind = {
  dialect: 'postgres',
  rowLock: 'SELECT ... FOR UPDATE: this row and no other, where SQLite would lock its whole file',
  patience: "SET lock_timeout = '1s'",
  open,
}

export function postgresDatabase(address: string): Database {
  return serverDatabase(address, POSTGRES)
}

async function open(address: string): Promise<Client> {
  await installed({ names: ['pg'], where: withoutPassword(address) })
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: address })
  // The statement that meets the end of the connection tells it.
  client.on('error', () => {})
  await client.connect()
  const ask = (text: string, values: readonly unknown[]) =>
    client.query<Record<string, unknown>>(numbered(text), [...values])
  return {
    run: text => client.query(text),
    outside: {
      rows: async (text, values) => (await ask(text, values)).rows,
      execute: async (text, values) => (await ask(text, values)).rowCount ?? 0,
    },
    inside: () => inside(fromPg(client)),
    isKept: cause => cause instanceof Error && 'code' in cause && cause.code === KEPT,
    close: () => client.end(),
  }
}

function inside(tx: SqlTransaction): SqlTransaction {
  return {
    ...tx,
    rows: (text, values) => tx.rows(numbered(text), values),
    execute: (text, values) => tx.execute(numbered(text), values),
  }
}

/** The laboratory writes `?` for a value, and nowhere else. */
function numbered(text: string): string {
  let count = 0
  return text.replaceAll('?', () => `$${(count += 1)}`)
}
