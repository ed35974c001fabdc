/** Knex: the `trx` of `knex.transaction()`. Its placeholders are `?`, whatever the database's are. */
import { ConfigurationError } from '../../base/errors.ts'
import type { Dialect, SqlTransaction } from '../transaction.ts'
import { pieces } from './placeholders.ts'
import { countIn, outside, rowsIn } from './refusals.ts'

/** The part of Knex's `Transaction` that is needed. */
export interface KnexLike {
  readonly isTransaction?: boolean
  isCompleted(): boolean
  raw(text: string, values: never): PromiseLike<unknown>
  readonly client: { readonly dialect?: string }
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  postgresql: 'postgres',
  mysql: 'mysql',
  mysql2: 'mysql',
  sqlite3: 'sqlite',
  'better-sqlite3': 'sqlite',
}
const ADVICE = 'Take the trx that knex.transaction(async trx => ...) hands out, before it has ended.'

/**
 * A transaction of Knex: the `trx` that your function gets from `knex.transaction(async trx => ...)`.
 * @throws ConfigurationError  the `knex` itself, whose every query goes through another connection; a transaction that
 * is over; a database that holdfast does not know
 */
export function fromKnex(trx: KnexLike): SqlTransaction {
  if (trx.isTransaction !== true || trx.isCompleted()) throw outside('This Knex', ADVICE)
  const dialect = DIALECTS[trx.client.dialect ?? '']
  if (dialect === undefined)
    throw new ConfigurationError(`Knex speaks ${trx.client.dialect} here: PostgreSQL, MySQL and SQLite are supported.`)
  const run = async (text: string, given: readonly unknown[]): Promise<unknown> => {
    if (trx.isCompleted()) throw outside('This Knex', ADVICE)
    const { texts, values } = pieces(dialect, text, given)
    const raw: unknown = trx.raw
    if (typeof raw !== 'function') throw outside('This object', ADVICE)
    const query: unknown = Reflect.apply(raw, trx, [texts.map(escaped).join('?'), [...values]])
    return query
  }
  return {
    dialect,
    rows: async (text, values) => rowsOf(await run(text, values)),
    async execute(text, values) {
      const answer = await run(text, values)
      const [first]: readonly unknown[] = Array.isArray(answer) ? answer : [answer]
      return countIn(first, 'rowCount', 'affectedRows', 'changes')
    },
  }
}

/** A question mark that is no placeholder: an operator of PostgreSQL, or in a text. */
function escaped(text: string): string {
  return text.replaceAll('?', String.raw`\?`)
}

/** As the client under Knex gives them: { rows }, the rows themselves, or mysql2's [rows, fields]. */
function rowsOf(answer: unknown): readonly Record<string, unknown>[] {
  if (typeof answer === 'object' && answer !== null && 'rows' in answer) return rowsIn(answer.rows)
  const [first]: readonly unknown[] = Array.isArray(answer) ? answer : []
  return rowsIn(Array.isArray(first) ? first : answer)
}
