/** What a failure of etcd means for the caller: may the request have been carried out, and can asking again help? */
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import { jsonOf } from '../shared/http.ts'
import type { HttpAnswer } from '../shared/http.ts'

/** Said before anything is done. */
const NOT_EXECUTED =
  /requested lease not found|too many requests|no leader|invalid auth token|revision of auth store is old|space exceeded|not capable|request is too large|corrupt/
/** The same however often one asks. */
const REFUSED =
  /permission denied|user name is empty|authentication failed|user name not found|role not granted|request is too large|unmarshal|invalid value|unknown field|too many operations/
/** Another member may know better. */
const ASK_ANOTHER = /no leader|leader changed|request timed out|stopped|corrupt|server is unhealthy|not capable/

export function messageOf(answer: HttpAnswer): string {
  const value = jsonOf(answer)
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {}
  const message = fields['message'] ?? fields['error']
  return typeof message === 'string' ? message : answer.text.slice(0, 200)
}

export function wantsLogin(message: string): boolean {
  return /invalid auth token|revision of auth store is old/.test(message)
}

export function asksForAnother(message: string): boolean {
  return ASK_ANOTHER.test(message)
}

/** An answer that is not 200, as one of ours. */
export function failureOf(answer: HttpAnswer): StoreUnavailableError | ConfigurationError {
  const { where, status, text } = answer
  if (status === 404 && !text.startsWith('{'))
    return new ConfigurationError(
      `${where} has no JSON gateway at /v3: is it etcd 3.4 or newer, and its --enable-grpc-gateway not off?`,
    )
  if (/HTTP request to an HTTPS server/.test(text))
    return new ConfigurationError(`${where} wants TLS: begin the address with etcds://.`)
  const message = messageOf(answer)
  if (REFUSED.test(message)) return new ConfigurationError(`${where} refuses: ${message}${adviceFor(message)}`)
  const ambiguous = !NOT_EXECUTED.test(message)
  return new StoreUnavailableError(`${where} cannot be used: ${message}${adviceFor(message)}`, { ambiguous })
}

/** The server answered what the protocol does not have. */
export function oddAnswer({ where }: HttpAnswer, cause: unknown): StoreUnavailableError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new StoreUnavailableError(`${where} answered what etcd does not: ${why}. Is it the right host and port?`, {
    cause,
  })
}

function adviceFor(message: string): string {
  if (message.includes('permission denied'))
    return '. The role needs to read and write under the prefix "holdfast/" (docs/drivers/etcd.md).'
  if (message.includes('user name is empty'))
    return '. It wants a login: put user and password into the address (etcd://user:password@host), or let HOLDFAST_STORE_PASSWORD_FILE name a file with the password.'
  if (/authentication failed|user name not found/.test(message))
    return '. Look at user and password in the address (%-escaped), or in the file of HOLDFAST_STORE_PASSWORD_FILE.'
  if (message.includes('space exceeded')) return '. Compact and defragment it, and disarm the alarm (etcdctl alarm).'
  return ''
}
