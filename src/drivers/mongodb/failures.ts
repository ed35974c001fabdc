/**
 * What a failure of MongoDB means for the caller: may the command have been carried out, and can trying again help?
 * Told by its code, which stays the same; its words do not. (MongoDB, "Error Codes", src/mongo/base/error_codes.yml.)
 */
import { ConfigurationError, HoldfastError, StoreUnavailableError } from '../../base/errors.ts'

const DUPLICATE = 11_000

/** The same answer however often one asks, and what to do about it. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [13, 'Give this user the role readWrite on the database of the locks.'],
  [18, 'Check user, password and authSource in the address.'],
  [8_000, 'Check user, password and authSource in the address.'],
  [59, 'MongoDB 5.0 or newer is needed.'],
  [100, 'So many members as a majority needs are not in the replica set.'],
  [148, 'Read concern "majority" is switched off there, and locks need it.'],
  // An update by a pipeline, on a document that is not ours.
  [14, 'A document that is no lock stands at its place: give holdfast a collection of its own.'],
  [17_124, 'A document that is no lock stands at its place: give holdfast a collection of its own.'],
  [28_651, 'A document that is no lock stands at its place: give holdfast a collection of its own.'],
  [40_081, 'A document that is no lock stands at its place: give holdfast a collection of its own.'],
])
/** Refused before anything was done. */
const NOT_DONE = new Set([DUPLICATE, 112, 10_107, 13_435])
/** Failures of the client that never sent the command. */
const NOT_SENT = /^Mongo(?:ServerSelection|NotConnected|TopologyClosed|PoolCleared|WaitQueueTimeout|Parse)Error$/

/** Somebody else has made the document in between. */
export function isDuplicate(cause: unknown): boolean {
  return codeOf(cause) === DUPLICATE
}

/** The failure as one of ours. `sent`: the command may have reached the server. */
export function failure(cause: unknown, where: string, { sent }: { readonly sent: boolean }): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  const code = codeOf(cause)
  const advice = code === undefined ? undefined : REFUSED.get(code)
  if (advice !== undefined) return new ConfigurationError(`${where} refuses: ${why}. ${advice}`, { cause })
  if (cause instanceof Error && cause.name === 'MongoParseError')
    return new ConfigurationError(`${where} is no address that the package mongodb takes: ${why}`, { cause })
  const isUnsent = cause instanceof Error && NOT_SENT.test(cause.name)
  const ambiguous = sent && !isUnsent && !(code !== undefined && NOT_DONE.has(code))
  return new StoreUnavailableError(`${where} cannot be used: ${why}`, { cause, ambiguous })
}

function codeOf(cause: unknown): number | undefined {
  const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined
  return typeof code === 'number' ? code : undefined
}
