/** What a failure of Consul means for the caller: may the request have been carried out, and can asking again help? */
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import type { HttpAnswer } from '../shared/http.ts'

/** Said before anything is done. */
const NOT_EXECUTED = /No cluster leader|No known Consul servers|rate limit|too many/i
const REFUSED = /permission denied|ACL not found|ACL disabled|token does not exist|lacks permission/i
/** Another agent may know better. */
const ASK_ANOTHER = /No cluster leader|No known Consul servers|leadership lost|not ready/i

export function asksForAnother(said: string): boolean {
  return ASK_ANOTHER.test(said)
}

export function isRefused(said: string): boolean {
  return REFUSED.test(said)
}

/** An answer that tells of a failure, as one of ours. */
export function failureOf({ where, status, text }: HttpAnswer): StoreUnavailableError | ConfigurationError {
  const said = text.trim().slice(0, 200).replaceAll(/\s+/g, ' ')
  if (status === 403 || REFUSED.test(said)) return refusal(where, said)
  if (/Invalid Session TTL/i.test(said))
    return new ConfigurationError(
      `${where} takes no session so short: ${said}. Raise the ttl, or set consulStore's minTtl to its session_ttl_min.`,
    )
  if (/HTTP request to an HTTPS server/.test(said))
    return new ConfigurationError(`${where} wants TLS: begin the address with consuls://.`)
  if (status === 404 && !/not found/i.test(said))
    return new ConfigurationError(`${where} has no such path: is it Consul? It answered "${said}".`)
  const ambiguous = !NOT_EXECUTED.test(said)
  return new StoreUnavailableError(`${where} cannot be used (HTTP ${status}): "${said}"`, { ambiguous })
}

export function refusal(where: string, said: string): ConfigurationError {
  return new ConfigurationError(
    `${where} refuses: ${said}. Its token (consul://:TOKEN@host, or the file of HOLDFAST_STORE_PASSWORD_FILE) needs ` +
      'key_prefix "holdfast/" and session_prefix "" with policy "write" (docs/drivers/consul.md).',
  )
}

/** The server answered what the protocol does not have. */
export function oddAnswer({ where }: { readonly where: string }, cause: unknown): StoreUnavailableError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new StoreUnavailableError(`${where} answered what Consul does not: ${why}. Is it the right host and port?`, {
    cause,
  })
}
