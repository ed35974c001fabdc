/**
 * What a failure of a MySQL server or of its client means for the caller: may the statement have run, and can trying
 * again help?
 */
import { ConfigurationError, HoldfastError, StoreUnavailableError } from '../../base/errors.ts'

/** Numbers of the server's errors: the same in MySQL and MariaDB. */
const CODE = {
  deadlock: 1213,
  lockWaitTimeout: 1205,
  /** MariaDB: changed since the snapshot. */
  checkRead: 1020,
  duplicate: 1062,
  noTable: 1146,
  syntax: 1064,
} as const

/** Others were quicker, and nothing was done. */
const OVERTAKEN: readonly number[] = [CODE.deadlock, CODE.lockWaitTimeout, CODE.checkRead]
/** Another server is in charge now: read_only, super_read_only, a read-only engine. */
const READ_ONLY = [1290, 1836, 1874, 1792]
/**
 * The statement was not carried out: too many connections (1040, 1203), full disks and tables (1021, 1114), no memory
 * (1037, 1041), a node that is not ready (1047), a server that shuts down before it began (1053).
 */
const NOT_EXECUTED = [...OVERTAKEN, ...READ_ONLY, 1040, 1203, 1021, 1114, 1037, 1041, 1047]
/** What helps against an answer that stays the same however often one asks. */
const REFUSED: readonly (readonly [codes: readonly number[], advice: string])[] = [
  [
    [1045, 1698],
    'Put user and password into the address (mysql://user:password@host/database), or let ' +
      'HOLDFAST_STORE_PASSWORD_FILE name a file with the password.',
  ],
  [[1049], 'Create the database, or correct its name in the address.'],
  [[CODE.noTable], 'Run `holdfast migrate URL` with its address.'],
  [[1046], 'Give the pool a default database: the one with the tables of holdfast.'],
  [
    [1044, 1142, 1143, 1227, 1370, 1410],
    'The privileges that running and migrating need are listed in docs/drivers/mysql.md.',
  ],
  [
    [1054, 1136, 1264, 1364, 1366, 1406],
    'A table of holdfast is not as `holdfast migrate` makes it: see docs/drivers/mysql.md.',
  ],
  [[1665], 'Set binlog_format to ROW or MIXED: at STATEMENT the server takes no writes at READ COMMITTED.'],
  [[1251, 2059], 'The client package does not know how this user logs in. Update mysql2.'],
]
/** What helps against a state of the server. */
const REMEDIES: readonly (readonly [codes: readonly number[], remedy: string])[] = [
  [[1021, 1114], ' Its disk, or its tablespace, is full: make room.'],
  [[1040, 1203], ' Raise max_connections, or start fewer processes.'],
  [READ_ONLY, ' Name the primary.'],
]
/** Of the client, before a statement was sent. */
const NOT_SENT = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENOENT|closed state|Pool is closed|lent no connection/

function codeOf(cause: unknown): number | null {
  if (!(cause instanceof Error) || !('errno' in cause)) return null
  return typeof cause.errno === 'number' && cause.errno > 0 ? cause.errno : null
}

export const isMissingTable = (cause: unknown): boolean => codeOf(cause) === CODE.noTable

/** The server does not know what we say. */
export const isTooOld = (cause: unknown): boolean => codeOf(cause) === CODE.syntax

/** The record is not as it was read: another was quicker, or the engine took another's side. */
export function isOvertaken(cause: unknown): boolean {
  const code = codeOf(cause instanceof HoldfastError ? cause.cause : cause)
  return code !== null && (code === CODE.duplicate || OVERTAKEN.includes(code))
}

export function isMoved(cause: unknown): boolean {
  const code = codeOf(cause)
  return code !== null && READ_ONLY.includes(code)
}

/** The failure as one of ours. `sent`: the statement may have reached the server. */
export function failure(cause: unknown, where: string, { sent }: { readonly sent: boolean }): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  // mysql2 puts the whole statement into its error, and with it the id, which nobody else may know.
  if (cause instanceof Error && 'sql' in cause) Reflect.deleteProperty(cause, 'sql')
  const code = codeOf(cause)
  const text = `${textOf(cause)}${code === null ? '' : ` (${code})`}`
  const advice = helpFor(code, REFUSED)
  if (advice !== undefined) return new ConfigurationError(`${where} refuses: ${text}. ${advice}`, { cause })
  const executed = !(code !== null && NOT_EXECUTED.includes(code)) && !NOT_SENT.test(text)
  return new StoreUnavailableError(`${where} cannot be used: ${text}.${helpFor(code, REMEDIES) ?? ''}`, {
    cause,
    ambiguous: sent && executed,
  })
}

function helpFor(
  code: number | null,
  table: readonly (readonly [codes: readonly number[], help: string])[],
): string | undefined {
  return table.find(([codes]) => code !== null && codes.includes(code))?.[1]
}

function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(textOf).join('; ')
  return cause.message === '' && 'code' in cause ? String(cause.code) : cause.message
}
