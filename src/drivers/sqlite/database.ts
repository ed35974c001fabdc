/**
 * The file: which engine opens it, what is set on it, and the tables in it.
 *
 * WAL, because readers and the one writer do not stop each other and a process killed inside a transaction leaves
 * nothing to repair. Synchronous FULL, because a lock that was granted must still be there after a power cut. No
 * busy_timeout: it would block the event loop and let the quickest process starve the others; whoever finds the file
 * busy comes again (transactions.ts).
 */
import { accessSync, constants, linkSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { hostClock, sleep } from '../../base/clock.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { integer, record, text } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { isBusy, refusal } from './failures.ts'
import { LAYOUT } from '../../store/record.ts'

type SqlValue = string | number | Uint8Array | null

export interface StatementLike {
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
  run(...values: SqlValue[]): unknown
}

/**
 * The part of a database that this driver needs: `DatabaseSync` of node:sqlite or @photostructure/sqlite, `Database` of
 * better-sqlite3.
 */
export interface DatabaseLike {
  prepare(sql: string): StatementLike
  exec(sql: string): unknown
  close(): unknown
}

/** How long a file that is busy while it is opened is tried, and how often. */
const PATIENCE_MS = 250
const RETRY_MS = 5

export interface Connection {
  /** The path as errors should name it. */
  readonly file: string
  /** Two connections with one identity see the same locks. */
  readonly identity: string
  readonly statements: Statements
  /** Somebody has removed or replaced the file: what is written here, no new process will ever see. */
  moved(): boolean
  close(): void
}

export type Statements = ReturnType<typeof prepare>

/**
 * `$XDG_STATE_HOME/holdfast/locks.db`, where XDG_STATE_HOME is `~/.local/state` unless it is set.
 */
export function defaultFile(): string {
  return join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'holdfast', 'locks.db')
}

/**
 * The path in an address: `sqlite:relative.db`, `sqlite:/var/lib/locks.db`, `sqlite:///var/lib/locks.db`, or a bare
 * path. `sqlite:` alone is the default file.
 * @throws ConfigurationError
 */
export function filePath(address: string): string {
  const path = address.startsWith('sqlite:') ? address.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '') : address
  if (path.startsWith('//'))
    throw new ConfigurationError(
      `"${address}" names a host, but a SQLite file is local: write sqlite:///absolute/path or sqlite:relative/path.`,
    )
  if (path === '' && address !== '') return defaultFile()
  if (path === '' || path === ':memory:')
    throw new ConfigurationError(
      `"${address}" is a database of one connection, which nobody else can see: name a file, or use the memory store.`,
    )
  return resolve(path)
}

/**
 * Opens the file, or takes over an open database, and makes what is missing in it. A busy file throws the engine's
 * error (`isBusy` of failures.ts).
 * @throws ConfigurationError | StoreUnavailableError
 */
export async function connect(target: string | DatabaseLike): Promise<Connection> {
  if (typeof target !== 'string') return adopt(target)
  const open = await engine()
  let database: DatabaseLike
  try {
    if (target === defaultFile()) mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
    if (statSync(dirname(target), { throwIfNoEntry: false }) === undefined) {
      throw new ConfigurationError(`The directory of "${target}" does not exist. Create it, or name another file.`)
    }
    if (statSync(target, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw new ConfigurationError(
        `"${target}" is a directory. Name a file in it, such as "${join(target, 'locks.db')}".`,
      )
    }
    if (statSync(target, { throwIfNoEntry: false }) === undefined) make(target, open)
    database = open(target)
  } catch (error) {
    throw refusal(error, target)
  }
  return patiently(() => setUp(database, target, () => database.close())).catch((error: unknown) => {
    database.close()
    throw error
  })
}

/**
 * A new file is made beside its place and put there as a whole: of dozens who start at once none has to wait for the
 * tables, or for the switch to a write-ahead log. Where that cannot be done it is made in its place, and errors come
 * from there.
 */
function make(target: string, open: (path: string) => DatabaseLike): void {
  const draft = `${target}.${hostClock.id()}`
  try {
    const database = open(draft)
    try {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      createTables(database)
    } finally {
      database.close()
    }
    linkSync(draft, target)
  } catch {
    return
  } finally {
    for (const path of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(path, { force: true })
  }
}

/**
 * Among many who start at once the same open file is tried again: opening it anew is what costs, and makes them late.
 */
async function patiently(work: () => Connection): Promise<Connection> {
  const until = hostClock.now() + PATIENCE_MS
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || hostClock.now() >= until) throw error
      await sleep(hostClock, RETRY_MS * (1 + hostClock.random()))
    }
  }
}

function adopt(database: DatabaseLike): Connection {
  const file = database
    .prepare('PRAGMA database_list')
    .all()
    .map(row => record(row, 'row'))
    .find(row => row['name'] === 'main')?.['file']
  if (typeof file !== 'string' || file === '')
    throw new ConfigurationError(
      'The database given to sqliteStore is in memory, where no other process sees it: open a file, or use the memory store.',
    )
  return setUp(database, file, () => undefined)
}

/**
 * What may be refused goes through `exec`: in @photostructure/sqlite a prepared statement keeps the file open, whatever
 * `close` says, until the garbage collector has taken it, so none is made before the file has turned out to be good.
 */
function setUp(database: DatabaseLike, file: string, close: () => void): Connection {
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    if (!isReady(database, file)) createTables(database)
    const version = integer(one(database, 'SELECT max(version) AS version FROM holdfast_layout'), 'version')
    if (version > LAYOUT) {
      throw new ConfigurationError(
        `"${file}" was written by a newer holdfast (layout ${version}; this one knows ${LAYOUT}). Upgrade holdfast here, or name another file.`,
      )
    }
    const mode = text(one(database, 'PRAGMA journal_mode'), 'journal_mode')
    if (mode !== 'wal')
      throw new ConfigurationError(
        `"${file}" cannot use a write-ahead log (its journal mode stays "${mode}"). Put it on a local disk.`,
      )
    const identity = identify(file)
    return { file, identity, statements: prepare(database), moved: () => differs(file, identity), close }
  } catch (error) {
    throw refusal(error, file)
  }
}

function one(database: DatabaseLike, sql: string): Fields {
  return record(database.prepare(sql).get(), sql)
}

/** The tables are there and may be written: who opens then has no need of the write lock, which many may want. */
function isReady(database: DatabaseLike, file: string): boolean {
  try {
    for (const path of [file, dirname(file)]) accessSync(path, constants.W_OK)
    database.exec('SELECT version FROM holdfast_layout LIMIT 1; SELECT key FROM holdfast_locks LIMIT 1')
    return true
  } catch (error) {
    if (isBusy(error)) throw error
    return false
  }
}

/** Changes nothing in a file that has a layout, be it older or newer. */
function createTables(database: DatabaseLike): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    database.exec('CREATE TABLE IF NOT EXISTS holdfast_layout (version INTEGER NOT NULL)')
    // Keys are blobs: text would end at its first NUL, and bytes compare and sort as bytes.
    database.exec(
      'CREATE TABLE IF NOT EXISTS holdfast_locks (namespace BLOB NOT NULL, key BLOB NOT NULL, token_end INTEGER NOT NULL, queue TEXT NOT NULL, PRIMARY KEY (namespace, key)) WITHOUT ROWID',
    )
    // Even if it inserts nothing this fails on a read-only file, which gives BEGIN IMMEDIATE to anybody.
    database.exec(
      `INSERT INTO holdfast_layout (version) SELECT ${LAYOUT} WHERE NOT EXISTS (SELECT 1 FROM holdfast_layout)`,
    )
    database.exec('COMMIT')
  } catch (error) {
    rollBack(database)
    throw error
  }
}

function prepare(database: DatabaseLike) {
  const where = 'WHERE namespace = ? AND key = ?'
  const statement = {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    find: database.prepare(`SELECT queue FROM holdfast_locks ${where}`),
    add: database.prepare('INSERT INTO holdfast_locks (namespace, key, token_end, queue) VALUES (?, ?, ?, ?)'),
    change: database.prepare(`UPDATE holdfast_locks SET token_end = ?, queue = ? ${where}`),
    remove: database.prepare(`DELETE FROM holdfast_locks ${where}`),
    page: database.prepare(
      'SELECT key, queue FROM holdfast_locks WHERE namespace = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?',
    ),
    round: database.prepare(
      'SELECT namespace, key, token_end FROM holdfast_locks WHERE (namespace, key) > (?, ?) ORDER BY namespace, key LIMIT ?',
    ),
    version: database.prepare('PRAGMA data_version'),
  }
  return { ...statement, rollBack: () => rollBack(database) }
}

/** An error may have ended the transaction already; then there is nothing left to undo. */
function rollBack(database: DatabaseLike): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    return
  }
}

function identify(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false })
  return found === undefined ? 'gone' : `${found.dev}:${found.ino}`
}

/** Where one may no longer look it is still the same: what is open stays usable. */
function differs(file: string, identity: string): boolean {
  try {
    return identify(file) !== identity
  } catch {
    return false
  }
}

/** node:sqlite where this Node has it, else the same interface from a package that is only loaded here. */
export async function engine(): Promise<(path: string) => DatabaseLike> {
  const builtIn = quietly(() => process.getBuiltinModule('node:sqlite'))
  if (hasDatabase(builtIn)) return path => new builtIn.DatabaseSync(path)
  try {
    const { DatabaseSync } = await import('@photostructure/sqlite')
    return path => new DatabaseSync(path)
  } catch (cause) {
    throw new ConfigurationError(
      `No SQLite engine can be loaded: install @photostructure/sqlite again, run Node 22.13 or later, or pass a better-sqlite3 database.`,
      { cause },
    )
  }
}

function hasDatabase(module: unknown): module is { readonly DatabaseSync: new (path: string) => DatabaseLike } {
  return (
    typeof module === 'object' &&
    module !== null &&
    'DatabaseSync' in module &&
    typeof module.DatabaseSync === 'function'
  )
}

/** Loading node:sqlite prints that it is experimental; the few calls used here have not changed since it came. */
function quietly<Result>(load: () => Result): Result {
  const { emitWarning } = process
  process.emitWarning = () => undefined
  try {
    return load()
  } finally {
    process.emitWarning = emitWarning
  }
}
