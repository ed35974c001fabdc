/**
 * Errors over HTTP: a status that proxies understand, and a body that says which error it was, so that a client throws
 * the same one. Only StoreUnavailableError leaves open whether the request was carried out.
 *
 *     400  what was asked is no request, or the store cannot do it
 *     401  the secret is missing or wrong
 *     404  there is no such path
 *     413  the body is too large
 *     500  the store behind the server is not set up rightly
 *     503  the store did not do it; `ambiguous`: or perhaps it did
 */
import { record, text } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { ConfigurationError, InvalidKeyError, StoreUnavailableError, UnsupportedError } from '../base/errors.ts'
import type { HoldfastError } from '../base/errors.ts'

/** A request that was refused before the store was asked. */
export class RefusedRequest extends Error {
  readonly status: 400 | 401 | 403 | 404 | 413

  constructor(status: RefusedRequest['status'], message: string) {
    super(message)
    this.status = status
  }
}

export interface ErrorAnswer {
  readonly status: number
  readonly body: { readonly error: { readonly code: string; readonly message: string; readonly ambiguous: boolean } }
}

/** Of whatever a store, or reading a request, has thrown. `name`: the store's. */
export function encodeError(error: unknown, name: string): ErrorAnswer {
  if (error instanceof RefusedRequest) return answer(error.status, 'REFUSED_REQUEST', error.message)
  if (error instanceof UnsupportedError || error instanceof InvalidKeyError)
    return answer(400, error.code, error.message)
  if (error instanceof ConfigurationError) return answer(500, error.code, error.message)
  if (error instanceof StoreUnavailableError) return answer(503, error.code, error.message, error.ambiguous)
  const why = error instanceof Error ? error.message : String(error)
  return answer(503, 'HOLDFAST_STORE_UNAVAILABLE', `${name} failed: ${why}`, true)
}

function answer(status: number, code: string, message: string, ambiguous = false): ErrorAnswer {
  return { status, body: { error: { code, message, ambiguous } } }
}

/** The error that the server's store threw; null: this is no answer of a holdfast server. `where`: for people. */
export function decodeError(body: Fields, where: string): HoldfastError | null {
  const error = errorIn(body)
  if (error === null) return null
  const message = `${where}: ${error.message}`
  switch (error.code) {
    case 'HOLDFAST_UNSUPPORTED':
      return new UnsupportedError(message)
    case 'HOLDFAST_INVALID_KEY':
      return new InvalidKeyError(message)
    case 'HOLDFAST_STORE_UNAVAILABLE':
      return new StoreUnavailableError(message, { ambiguous: error.ambiguous })
    default:
      return new ConfigurationError(message)
  }
}

function errorIn(
  body: Fields,
): { readonly code: string; readonly message: string; readonly ambiguous: boolean } | null {
  try {
    const error = record(body['error'], 'error')
    // What does not say that it was not carried out may have been.
    return { code: text(error, 'code'), message: text(error, 'message'), ambiguous: error['ambiguous'] !== false }
  } catch {
    return null
  }
}
