/**
 * What a PostgreSQL server or a client's failure means for the caller: may the statement have been carried out, and can
 * trying again help?
 *
 * A statement of ours is a transaction. One that the server answers with an error has not been carried out; but where
 * the session itself ends, the answer may have been overtaken by that, and a pooler tells of a lost session in the same
 * form (class 08).
 */
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'

/** SQLSTATE, of an error that a server sent. */
const STATE = /^[0-9A-Z]{5}$/
const SESSION_ENDED = /^(08|57P0[124])/
/**
 * Somebody keeps the row (55P03), a transaction was to be tried again (40001, 40P01), or an administrator's limit on
 * statements was met (57014): a moment later it may go.
 */
const OVERTAKEN = /^(55P03|40001|40P01|57014)$/
const READ_ONLY = '25006'
/** Answers that stay the same however often one asks. */
const ADVICE: readonly (readonly [RegExp, (schema: string) => string])[] = [
  [
    /^28/,
    () =>
      'Put user and password into the address (postgres://user:password@host/database), or let HOLDFAST_STORE_PASSWORD_FILE name a file with the password.',
  ],
  [/^3D000$/, () => 'Name a database that is there, or create it.'],
  [/^42501$/, () => 'The privileges that holdfast needs are listed in docs/drivers/postgres.md.'],
  [/^(42P01|42883|3F000)$/, migrate],
  [
    /^(42703|42804|42846|42P10|42702)$/,
    schema =>
      `What is called holdfast_... in schema ${schema} is not as holdfast makes it. Give holdfast a schema of its own, or run "holdfast migrate".`,
  ],
]

/** What to do where the tables are missing. */
export function migrate(schema: string): string {
  return (
    `Run "holdfast migrate" on this database once (with --print it shows the SQL), ` +
    `as a user who may create tables in schema ${schema}.`
  )
}

/** It has had no effect, and may have one if it is sent again. */
export function isOvertaken(cause: unknown): boolean {
  return OVERTAKEN.test(stateOf(cause) ?? '')
}

/** The server that we reached is not, or no longer, the one to ask. */
export function isMoved(cause: unknown): boolean {
  return stateOf(cause) === READ_ONLY
}

export interface Circumstances {
  /** For messages: the address without its password. */
  readonly where: string
  readonly schema: string
  /** The statement may have reached the server. */
  readonly sent: boolean
}

/** The failure as one of ours. */
export function failure(cause: unknown, of: Circumstances): StoreUnavailableError | ConfigurationError {
  if (cause instanceof StoreUnavailableError || cause instanceof ConfigurationError) return cause
  const { where, schema, sent } = of
  const text = textOf(cause)
  const state = stateOf(cause)
  const advice = state && ADVICE.find(([pattern]) => pattern.test(state))?.[1](schema)
  if (advice !== undefined) return new ConfigurationError(`${where} refuses: ${text}. ${advice}`, { cause })
  const ambiguous = sent && (state === undefined || SESSION_ENDED.test(state))
  return new StoreUnavailableError(`${where} cannot be used: ${text}${hint(state)}`, { cause, ambiguous })
}

function hint(state: string | undefined): string {
  if (state === READ_ONLY) return '. It is read-only: name the primary, or several hosts of which one is.'
  if (state === '53300') return '. Raise max_connections, or put a pooler in front.'
  if (state === '53100') return '. Make room on its disk.'
  return ''
}

/** The state that the first cause has which the server sent; undefined: none did. */
function stateOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined
  const code: unknown = Reflect.get(cause, 'code')
  if (typeof code === 'string' && STATE.test(code) && 'severity' in cause) return code
  return stateOf(cause.cause)
}

function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(textOf).join('; ')
  return cause.message
}
