/**
 * A SQLite file. SQLite has no row locks: BEGIN IMMEDIATE takes the one write lock of the whole file, so here a row
 * lock keeps all other writers out, whatever row they want.
 *
 * Whoever finds the file busy (SQLITE_BUSY) asks again after 1 to 5 ms. That is contention, not an error: nothing was
 * done.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { record } from '../../base/decode.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { engine, filePath } from '../../drivers/sqlite/database.ts'
import type { DatabaseLike } from '../../drivers/sqlite/database.ts'
import { isBusy } from '../../drivers/sqlite/failures.ts'
import { fromNodeSqlite } from '../../sql/index.ts'
import { TransactionConflict } from '../database.ts'
import type { Connection, Database, TransactionOptions } from '../database.ts'

/** A file that stays busy for so long is held by something that is not ours. */
const PATIENCE_MS = 60_000

export async function sqliteDatabase(address: string): Promise<Database> {
  const file = filePath(address)
  const open = await engine()
  return {
    address: `sqlite:${file}`,
    dialect: 'sqlite',
    rowLock: 'BEGIN IMMEDIATE: SQLite locks the whole file, where a server would lock this row and no other',
    forUpdate: '',
    async connect() {
      let database: DatabaseLike | undefined
      try {
        database = open(file)
        for (const pragma of ['busy_timeout = 2000', 'journal_mode = WAL', 'busy_timeout = 0'])
          database.exec(`PRAGMA ${pragma}`)
        return connection(database)
      } catch (cause) {
        database?.close()
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new ConfigurationError(`--db: "${file}" cannot be used: ${why}. Name a file that can be written.`, {
          cause,
        })
      }
    },
  }
}

function connection(database: DatabaseLike): Connection {
  let inside = false
  async function transaction<Answer>(
    task: (tx: ReturnType<typeof fromNodeSqlite>) => Promise<Answer>,
    options: TransactionOptions = {},
  ): Promise<Answer> {
    await patiently(() => database.exec(options.optimistic === true ? 'BEGIN' : 'BEGIN IMMEDIATE'), options)
    inside = true
    try {
      const answer = await task(fromNodeSqlite(transacting))
      await patiently(() => database.exec('COMMIT'))
      return answer
    } catch (error) {
      database.exec('ROLLBACK')
      if (options.optimistic === true && isBusy(error))
        throw new TransactionConflict('Somebody else has written since this transaction first read.', { cause: error })
      throw error
    } finally {
      inside = false
    }
  }

  const transacting = {
    get isTransaction() {
      return inside
    },
    exec: (text: string) => database.exec(text),
    prepare(text: string) {
      const statement = database.prepare(text)
      return {
        all: (...values: readonly unknown[]) => statement.all(...values.map(valueOf)),
        run: (...values: readonly unknown[]) => ({ changes: changesOf(statement.run(...values.map(valueOf))) }),
      }
    },
  }
  return {
    dialect: 'sqlite',
    rows: (text, values) =>
      patiently(() => transacting.prepare(text).all(...values)).then(rows => rows.map(row => record(row, 'A row'))),
    execute: (text, values) => transaction(tx => tx.execute(text, values)),
    transaction,
    close: () => void database.close(),
  }
}

async function patiently<Answer>(attempt: () => Answer, options: TransactionOptions = {}): Promise<Answer> {
  const deadline = systemClock.now() + PATIENCE_MS
  for (let tries = 0; ; tries += 1) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error) || systemClock.now() > deadline || options.signal?.aborted === true) throw error
      if (tries === 0) options.waiting?.()
      await sleep(systemClock, 1 + 4 * systemClock.random(), { signal: options.signal })
    }
  }
}

function valueOf(value: unknown): string | number | null {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  throw new TypeError(`The laboratory has no value of type ${typeof value}.`)
}

function changesOf(answer: unknown): number {
  return Number(record(answer, 'The answer')['changes'])
}
