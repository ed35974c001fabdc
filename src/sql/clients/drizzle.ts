/** Drizzle: the `tx` of `db.transaction()`, with the `sql` of the package. */
import type { Dialect, SqlTransaction } from '../transaction.ts'
import { pieces } from './placeholders.ts'
import { countIn, outside, rowsIn } from './refusals.ts'

/** The part of a Drizzle transaction that is needed: PostgreSQL and MySQL have `execute`, SQLite `all` and `run`. */
export interface DrizzleLike {
  rollback(): never
  execute?(query: never): unknown
  all?(query: never): unknown
  run?(query: never): unknown
}

/** The part of the package's `sql` that is needed. */
export interface DrizzleSql {
  raw(text: string): unknown
  param(value: unknown): unknown
  join(chunks: unknown[]): unknown
}

/** How Drizzle itself tells its classes apart. */
const KIND = Symbol.for('drizzle:entityKind')
const DIALECTS: Readonly<Record<string, Dialect>> = {
  PgTransaction: 'postgres',
  MySqlTransaction: 'mysql',
  SQLiteTransaction: 'sqlite',
}

/**
 * A transaction of Drizzle: the `tx` that your function gets from `db.transaction(async tx => ...)`, and the `sql` of
 * `drizzle-orm`.
 * @throws ConfigurationError  the `db` itself, whose every query goes through another connection
 */
export function fromDrizzle(tx: DrizzleLike, sql: DrizzleSql): SqlTransaction {
  const dialect = kindsOf(tx).flatMap(kind => DIALECTS[kind] ?? [])[0]
  if (dialect === undefined)
    throw outside('This Drizzle database', 'Take the tx that db.transaction(async tx => ...) hands out.')
  const run = (verb: 'execute' | 'all' | 'run', text: string, given: readonly unknown[]): unknown => {
    const { texts, values } = pieces(dialect, text, given)
    const chunks = texts.flatMap((piece, index) => [
      sql.raw(piece),
      ...(index < values.length ? [sql.param(values[index])] : []),
    ])
    const method: unknown = Reflect.get(tx, verb)
    if (typeof method !== 'function') throw outside('This object', 'Take the tx of Drizzle.')
    return Reflect.apply(method, tx, [sql.join(chunks)])
  }
  return {
    dialect,
    rows: async (text, values) => rowsOf(await run(dialect === 'sqlite' ? 'all' : 'execute', text, values)),
    async execute(text, values) {
      const answer = await run(dialect === 'sqlite' ? 'run' : 'execute', text, values)
      const [first]: readonly unknown[] = Array.isArray(answer) && dialect === 'mysql' ? answer : [answer]
      return countIn(first, 'rowCount', 'count', 'affectedRows', 'rowsAffected', 'changes')
    },
  }
}

/** As the client under Drizzle gives them: { rows }, the rows themselves, or mysql2's [rows, fields]. */
function rowsOf(answer: unknown): readonly Record<string, unknown>[] {
  if (typeof answer === 'object' && answer !== null && 'rows' in answer) return rowsIn(answer.rows)
  const [first]: readonly unknown[] = Array.isArray(answer) ? answer : []
  return rowsIn(Array.isArray(first) ? first : answer)
}

/** Of its class and those that it extends. */
function kindsOf(tx: object): readonly string[] {
  const kinds: string[] = []
  for (let at: unknown = tx.constructor; typeof at === 'function'; at = Object.getPrototypeOf(at)) {
    const kind: unknown = Reflect.get(at, KIND)
    if (typeof kind === 'string') kinds.push(kind)
  }
  return kinds
}
