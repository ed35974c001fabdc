/**
 * What the engines' errors mean: somebody else is at it; nobody should wait for this to change; the store is in
 * trouble.
 */
import { realpathSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'

/** SQLite's primary result codes, by the name that better-sqlite3 gives. */
const CODES = {
  SQLITE_PERM: 3,
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 6,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_PROTOCOL: 15,
  SQLITE_NOTADB: 26,
} as const
const OTHER = 1

/** The primary result code of an engine's error; null: it is none. */
export function resultCode(error: unknown): number | null {
  if (!(error instanceof Error)) return null
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode & 0xff
  if (!('code' in error) || typeof error.code !== 'string' || !error.code.startsWith('SQLITE_')) return null
  const name = error.code
  return Object.entries(CODES).find(([prefix]) => name.startsWith(prefix))?.[1] ?? OTHER
}

/** Somebody else is at it (PROTOCOL: is just opening it), and a moment later they are not. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code === CODES.SQLITE_BUSY || code === CODES.SQLITE_LOCKED || code === CODES.SQLITE_PROTOCOL
}

/** On opening, what will not change by itself is an error of configuration: nobody should wait for it. */
export function refusal(error: unknown, file: string): unknown {
  if (isSystemError(error))
    return new ConfigurationError(
      `"${file}" cannot be opened (${error.message}). Name a file in a directory that this user may enter and write to.`,
      {
        cause: error,
      },
    )
  const code = resultCode(error)
  if (code === null || isBusy(error)) return error
  const permanent: Readonly<Record<number, string>> = {
    [CODES.SQLITE_PERM]: 'cannot be opened: this user may not.',
    [CODES.SQLITE_READONLY]:
      'is read-only for this user. Make the file and its directory writable, or name another file.',
    [CODES.SQLITE_CANTOPEN]:
      'cannot be opened: this user may not read and write it and create files beside it. Change that, or name another file.',
    [CODES.SQLITE_NOTADB]: 'is not a SQLite database. Name another file.',
    [CODES.SQLITE_CORRUPT]:
      'is damaged. Stop all who use it, move it away with its -wal and -shm files, and start again with an empty one.',
  }
  const message = permanent[code]
  return message === undefined || isFull(file)
    ? unavailable(error, file, false)
    : new ConfigurationError(`"${file}" ${message}`, { cause: error })
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

/**
 * What an error of the engine means to the caller of a store. `ambiguous`: the transaction may have been carried out.
 */
export function unavailable(error: unknown, file: string, ambiguous: boolean): StoreUnavailableError {
  const reason = error instanceof Error ? error.message : String(error)
  const advice =
    isFull(file) || resultCode(error) === CODES.SQLITE_FULL
      ? 'Its disk is full: make room.'
      : resultCode(error) === CODES.SQLITE_CORRUPT
        ? 'It is damaged: stop all who use it, move it away with its -wal and -shm files, and start again with an empty one.'
        : reason.includes('within a transaction')
          ? 'Give holdfast a connection of its own, which nobody else begins transactions on.'
          : 'Check the file, its disk and its permissions.'
  return new StoreUnavailableError(`"${file}" did not do what was asked (${reason}). ${advice}`, {
    cause: error,
    ambiguous,
  })
}

function isFull(file: string): boolean {
  try {
    return statfsSync(realpathSync(dirname(file))).bavail === 0
  } catch {
    return false
  }
}
