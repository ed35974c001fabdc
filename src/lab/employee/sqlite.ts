/**
 * The employee in a SQLite file. SQLite has no row locks: BEGIN IMMEDIATE takes the one write lock of the whole file,
 * so here a row lock keeps all other writers out, whatever row they want.
 *
 * Whoever finds the file busy (SQLITE_BUSY) asks again after 1 to 5 ms. That is contention, not an error: nothing was
 * done.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { number, record } from '../../base/decode.ts'
import { engine, filePath } from '../../drivers/sqlite/database.ts'
import type { DatabaseLike } from '../../drivers/sqlite/database.ts'
import { isBusy } from '../../drivers/sqlite/failures.ts'
import type { EmployeeData, EmployeeDatabase } from './data.ts'

const TABLE = 'holdfast_lab_employee'
const CREATE = `CREATE TABLE ${TABLE} (email TEXT PRIMARY KEY, salary INTEGER NOT NULL, version INTEGER NOT NULL)`
const DROP = `DROP TABLE IF EXISTS ${TABLE}`
/** A file that stays busy for so long is held by something that is not ours. */
const PATIENCE_MS = 20_000

export async function sqliteEmployee(address: string): Promise<EmployeeDatabase> {
  const file = filePath(address)
  const connect = await engine()

  return {
    address: `sqlite:${file}`,
    rowLock: 'BEGIN IMMEDIATE: SQLite locks the whole file, not the row',
    async create() {
      alter('PRAGMA journal_mode = WAL', DROP, CREATE, `INSERT INTO ${TABLE} VALUES ('ada@example.com', 0, 0)`)
    },
    async drop() {
      alter(DROP)
    },
    open: async () => openEmployee(),
  }

  function alter(...statements: readonly string[]): void {
    let database: DatabaseLike | undefined
    try {
      database = connect(file)
      for (const statement of ['PRAGMA busy_timeout = 2000', ...statements]) database.exec(statement)
    } catch (cause) {
      throw new ConfigurationError(
        `--db: "${file}" cannot be used: ${cause instanceof Error ? cause.message : String(cause)}. Name a file that can be written.`,
        { cause },
      )
    } finally {
      database?.close()
    }
  }

  function openEmployee(): EmployeeData {
    const database = connect(file)
    database.exec('PRAGMA busy_timeout = 0')
    const select = database.prepare(`SELECT salary, version FROM ${TABLE} WHERE email = 'ada@example.com'`)
    const update = database.prepare(
      `UPDATE ${TABLE} SET salary = ?, version = version + 1 WHERE email = 'ada@example.com' RETURNING version`,
    )
    const updateIf = database.prepare(
      `UPDATE ${TABLE} SET salary = ?, version = version + 1 WHERE email = 'ada@example.com' AND version = ? RETURNING version`,
    )
    let retries = 0

    async function persist<Answer>(attempt: () => Answer, signal?: AbortSignal): Promise<Answer> {
      const deadline = systemClock.now() + PATIENCE_MS
      for (;;) {
        try {
          return attempt()
        } catch (error) {
          if (!isBusy(error) || systemClock.now() > deadline || signal?.aborted === true) throw error
          retries += 1
          await sleep(systemClock, 1 + 4 * systemClock.random(), { signal })
        }
      }
    }

    return {
      async read() {
        const row = record(await persist(() => select.get()), 'the employee')
        return { salary: number(row, 'salary'), version: number(row, 'version') }
      },
      async write(salary, ifVersion) {
        // `get` and not `all`: one of the engines tells only with `get` that the file was busy.
        const row = await persist(() =>
          ifVersion === undefined ? update.get(salary) : updateIf.get(salary, ifVersion),
        )
        return row === undefined || row === null ? null : number(record(row, 'the row written'), 'version')
      },
      async locked(task, signal) {
        await persist(() => database.exec('BEGIN IMMEDIATE'), signal)
        try {
          await task()
          await persist(() => database.exec('COMMIT'))
        } catch (error) {
          database.exec('ROLLBACK')
          throw error
        }
      },
      retries: () => retries,
      close: async () => {
        database.close()
      },
    }
  }
}
