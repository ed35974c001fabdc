/**
 * The statements, in the SQL that MySQL 8 and 9 and MariaDB share. Each is a transaction of its own.
 *
 * NOW is the beginning of the statement. A record says by what NOW it was written last (`changed_at`), so whoever reads
 * it can tell whether its own clock is the older one. `free_at` is the time from which on nothing in the record is
 * alive, if nobody changes it; `sole` the ticket that is there alone and may be left in one statement.
 *
 * Values stand in a statement as numbers and as bytes in hexadecimal: neither the character set of the connection nor
 * its sql_mode can read them in another way.
 */
import type { Row } from './record.ts'
import { TABLE } from './schema.ts'

/** Microseconds since 1970 in UTC, whatever the time zone of the session. */
const NOW = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`
/**
 * The statement has not waited for its row for long, else its beginning, and what was read before it, is too old to act
 * on. SYSDATE() moves within a statement, where all else stands still, so it is good for this and for nothing else. (A
 * server with --sysdate-is-now waits as long as it may.)
 */
const IS_PROMPT = `TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6)) < 100000`
const IS_FREE = `free_at <= ${NOW}`

/**
 * A new ticket, if nothing in the record is alive. The token comes back as LAST_INSERT_ID, and 0 if somebody is there.
 * `free_at` is assigned last: assignments run from left to right, and all of them look at it. The beginning of the
 * statement may lie before its wait for the row: the ticket then lives that much shorter, and so does its owner's
 * window.
 */
export const ENTER = `INSERT INTO ${TABLE} (id, namespace, name, version, changed_at, token_end, sole, queue, free_at)
VALUES (?, ?, ?, ${NOW}, ${NOW}, LAST_INSERT_ID(${NOW}) + ?, ?, ?, ${NOW} + ?)
ON DUPLICATE KEY UPDATE
  token_end = IF(${IS_FREE}, LAST_INSERT_ID(GREATEST(token_end, ${NOW})) + ?, token_end + 0 * LAST_INSERT_ID(0)),
  version = IF(${IS_FREE}, version + 1, version),
  changed_at = IF(${IS_FREE}, ${NOW}, changed_at),
  sole = IF(${IS_FREE}, ?, sole),
  queue = IF(${IS_FREE}, ?, queue),
  free_at = IF(${IS_FREE}, ${NOW} + ?, free_at)`

/** A ticket that is alone and alive goes. */
export const LEAVE = `UPDATE ${TABLE}
SET version = version + 1, changed_at = ${NOW}, sole = NULL, queue = ?, free_at = 0
WHERE id = ? AND sole = ? AND free_at > ${NOW} AND ${IS_PROMPT}`

/** One row, whether there is a record or not. */
export const READ = `SELECT version, changed_at, token_end, free_at, queue, ${NOW} AS micros
FROM (SELECT 1 AS one) AS here LEFT JOIN ${TABLE} ON id = ?`

/** A version is never used twice, also if the record goes and comes again: it begins at the time. */
export const ADD = `INSERT INTO ${TABLE} (id, namespace, name, version, changed_at, token_end, sole, queue, free_at)
VALUES (?, ?, ?, ${NOW}, ${NOW}, ?, ?, ?, ?)`

export const CHANGE = `UPDATE ${TABLE}
SET version = version + 1, changed_at = ${NOW}, token_end = ?, sole = ?, queue = ?, free_at = ?
WHERE id = ? AND version = ? AND ${IS_PROMPT}`

/** Of these ids. */
export const MANY = `SELECT id, version, changed_at, token_end, free_at, queue, ${NOW} AS micros
FROM ${TABLE} WHERE id IN (?)`

/** Each row by its own version, as `cases` gives them. */
export const CHANGE_MANY = `UPDATE ${TABLE}
SET token_end = CASE id ? END, sole = CASE id ? END, queue = CASE id ? END, free_at = CASE id ? END,
  changed_at = ${NOW}, version = version + 1
WHERE id IN (?) AND version = CASE id ? END AND ${IS_PROMPT}`

export const REMOVE = `DELETE FROM ${TABLE} WHERE id = ? AND version = ? AND ${IS_PROMPT}`

/** Of these ids. */
export const LOOK = `SELECT name, token_end, free_at, queue FROM ${TABLE} WHERE id IN (?)`

export const PAGE = `SELECT name, token_end, free_at, queue, ${NOW} AS micros
FROM ${TABLE} WHERE namespace = ? AND name >= ? AND name < ? ORDER BY name LIMIT ?`

const IS_OLD = `token_end < ${NOW} - 86400000000 AND ${IS_FREE}`
const oldOf = (side: string): string => `SELECT id
FROM (SELECT id, token_end, free_at FROM ${TABLE} WHERE id ${side} LIMIT ?) AS some WHERE ${IS_OLD}`
/** Of so many records on one side of this id, and on the other, those that a day has passed over and nobody is in. */
export const OLD = [oldOf('>= ? ORDER BY id'), oldOf('< ? ORDER BY id DESC')] as const
export const FORGET = `DELETE FROM ${TABLE} WHERE id IN (?) AND ${IS_OLD}`

type Value = number | Uint8Array | null
/** `WHEN id THEN value ...`, what a column is for each id. */
interface Cases {
  readonly when: readonly (readonly [id: Uint8Array, value: Value])[]
}
export type Values = readonly (Value | readonly Uint8Array[] | Cases)[]

type Changed = Row & { readonly id: Uint8Array; readonly version: number }

/** The values of CHANGE_MANY. */
export function cases(rows: readonly Changed[]): Values {
  const each = (of: (row: Changed) => Value): Cases => ({ when: rows.map(row => [row.id, of(row)] as const) })
  const columns = [each(row => row.tokenEnd), each(row => row.sole), each(row => row.queue), each(row => row.freeAt)]
  return [...columns, rows.map(({ id }) => id), each(row => row.version)]
}

/** The statement with its values. */
export function statement(text: string, values: Values): string {
  const parts = text.split('?')
  if (parts.length !== values.length + 1)
    throw new RangeError(`A statement with ${parts.length - 1} values was given ${values.length}.`)
  return parts.map((part, index) => (index === 0 ? part : literal(values[index - 1] ?? null) + part)).join('')
}

function literal(value: Values[number]): string {
  if (value === null) return 'NULL'
  if (typeof value === 'object' && 'when' in value)
    return value.when.map(([id, of]) => `WHEN ${literal(id)} THEN ${literal(of)}`).join(' ')
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex')}'`
  if (typeof value !== 'number') return value.map(literal).join(', ')
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer.`)
  return String(value)
}
