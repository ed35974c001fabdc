/**
 * What a database's error means, whoever passed it on: the codes of PostgreSQL (SQLSTATE), MySQL and MariaDB (numbers)
 * and SQLite, looked for in the error and in what it wraps, since each ORM puts the client's error elsewhere.
 *
 * After: PostgreSQL, appendix A; MySQL, "Server Error Message Reference"; SQLite, "Result and Error Codes".
 */
import { ConfigurationError, HoldfastError, WaitTimeoutError } from '../base/errors.ts'

/** Nothing was done, and the same transaction may well succeed from its beginning. */
const CONFLICTS = new Set<unknown>([
  '40001', // serialization failure
  '40P01', // deadlock
  1213, // deadlock, or another member of a Galera cluster was first
  1205, // waited for a row for too long
  1020, // MariaDB: the row has changed since the snapshot
  3101, // MySQL: another member of a replication group was first
  'P2034', // Prisma's own word for all of these
])
const BUSY = 5
const BUSY_SNAPSHOT = 517

/** A row stayed locked for as long as one waits here. 3572: NOWAIT. */
const WAIT_LIMITS = new Set<unknown>(['55P03', 1205, 3572])

/** No such table or column, or one of a type, of characters or without the key that is needed. */
const NOT_OURS = new Set<unknown>([
  ...['42P01', '42703', '42P10', '42804', '42883', '22003', '22P02', '22001', '22007'],
  ...[1146, 1054, 1264, 1366, 1406, 1265, 1292, 1267, 3988],
])
const NOT_OURS_IN_SQLITE =
  /no such table|no such column|has no column|does not match any PRIMARY KEY|cannot store|datatype mismatch/i

/** Where clients and ORMs say what kind of error it is. */
const CODES = ['code', 'errno', 'errcode', 'sqlState', 'originalCode', 'extendedCode'] as const
/** Where they keep what they were told. */
const INNER = ['cause', 'driverError', 'originalError', 'previous', 'meta', 'driverAdapterError'] as const
const DEEPEST = 8

/** May another attempt succeed? A limit that somebody set for a wait is not passed over, nor any refusal of ours. */
export function isConflict(error: unknown): boolean {
  const layers = layersOf(error)
  const ours = layers.find(layer => layer instanceof HoldfastError)
  if (ours instanceof HoldfastError) return ours.code === 'HOLDFAST_VERSION_CONFLICT'
  return layers.some(layer => codesOf(layer).some(code => CONFLICTS.has(code) || isBusy(code)))
}

export function isWaitLimit(error: unknown): boolean {
  const codes = layersOf(error).flatMap(codesOf)
  if (codes.some(code => code === BUSY_SNAPSHOT || code === 'SQLITE_BUSY_SNAPSHOT')) return false
  return codes.some(code => WAIT_LIMITS.has(code) || isBusy(code))
}

function isBusy(code: unknown): boolean {
  return (typeof code === 'number' && code > 0 && (code & 0xff) === BUSY && code < 1_000) || isBusyName(code)
}

function isBusyName(code: unknown): boolean {
  return typeof code === 'string' && code.startsWith('SQLITE_BUSY')
}

/**
 * Does `work`, and says in the types of this library what the database said in its own.
 * @throws WaitTimeoutError  somebody's row lock outlived the database's limit
 * @throws ConfigurationError  `table` is missing or made otherwise; `advice` says what to do
 */
export async function explained<T>(
  { table, advice }: { readonly table: string; readonly advice: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    const said = firstLine(cause)
    if (isWaitLimit(cause))
      throw new WaitTimeoutError(
        `A row of "${table}" stayed locked by another transaction (${said}). Roll back, and try again later.`,
        { cause },
      )
    if (isNotOurs(cause))
      throw new ConfigurationError(`The table "${table}" is not as it must be (${said}). ${advice}`, { cause })
    throw cause
  }
}

function isNotOurs(error: unknown): boolean {
  return layersOf(error).some(
    layer =>
      codesOf(layer).some(code => NOT_OURS.has(code)) ||
      (layer instanceof Error && NOT_OURS_IN_SQLITE.test(layer.message)),
  )
}

/** The error and what it wraps, from the outside in. */
function layersOf(error: unknown): readonly object[] {
  const layers: object[] = []
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || layers.includes(value) || layers.length > DEEPEST) return
    layers.push(value)
    for (const name of INNER) look(Reflect.get(value, name))
  }
  look(error)
  return layers
}

function codesOf(layer: object): readonly unknown[] {
  return CODES.map(name => {
    const code: unknown = Reflect.get(layer, name)
    return typeof code === 'string' && /^\d{4}$/.test(code) ? Number(code) : code
  })
}

/** Of the innermost error: what the database itself said. */
function firstLine(error: unknown): string {
  const said = layersOf(error).findLast(layer => layer instanceof Error)
  return said instanceof Error ? (said.message.split('\n')[0] ?? '') : String(error)
}
