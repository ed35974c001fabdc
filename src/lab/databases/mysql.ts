/** A MySQL or MariaDB, by `mysql2`. */
import { withoutPassword } from '../../base/address.ts'
import { installed } from '../../drivers/shared/package.ts'
import { fromMysql2 } from '../../sql/index.ts'
import type { Database } from '../database.ts'
import { serverDatabase } from './server.ts'
import type { Client, Kind } from './server.ts'

/** Waited for too long; MariaDB says the same to NOWAIT, MySQL has a number of its own for that. */
const KEPT: readonly unknown[] = [1205, 3572]

const MYSQL: Kind = {
  dialect: 'mysql',
  rowLock: 'SELECT ... FOR UPDATE: this row and no other, where SQLite would lock its whole file',
  patience: 'SET SESSION innodb_lock_wait_timeout = 1',
  open,
}

export function mysqlDatabase(address: string): Database {
  return serverDatabase(address, MYSQL)
}

async function open(address: string): Promise<Client> {
  await installed({ names: ['mysql2'], where: withoutPassword(address) })
  const { createConnection } = await import('mysql2/promise')
  const client = await createConnection(address.replace(/^mariadb:/i, 'mysql:'))
  // The statement that meets the end of the connection tells it.
  client.on('error', () => {})
  const ask = async (text: string, values: readonly unknown[]): Promise<unknown> =>
    (await client.query(text, [...values]))[0]
  return {
    run: text => client.query(text),
    outside: {
      rows: async (text, values) => rowsOf(await ask(text, values)),
      async execute(text, values) {
        const answer = await ask(text, values)
        return typeof answer === 'object' && answer !== null && 'affectedRows' in answer
          ? Number(answer.affectedRows)
          : 0
      },
    },
    inside: () => fromMysql2(client),
    isKept: cause => cause instanceof Error && 'errno' in cause && KEPT.includes(cause.errno),
    close: () => client.end(),
  }
}

function rowsOf(answer: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(answer) ? answer : []
}
