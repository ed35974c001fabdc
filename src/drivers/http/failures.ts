/**
 * What went wrong between us and the server, or whatever answered in its place: may the request have been carried out,
 * and can trying again help?
 */
import { ConfigurationError, HoldfastError, StoreUnavailableError } from '../../base/errors.ts'

/** Codes of failures before anything was sent, as Node, Deno and Bun name them. A browser tells nothing. */
const NOT_SENT = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'],
  ...['ConnectionRefused', 'FailedToOpenSocket'],
])
/** So are those of a certificate. */
const OF_A_CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ERR_TLS_/

/** fetch itself failed, or the answer broke off. */
export function failure(cause: unknown, where: string): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const codes = codesOf(cause)
  const certificate = codes.some(code => OF_A_CERTIFICATE.test(code))
  const advice = certificate ? ' Node trusts what NODE_EXTRA_CA_CERTS names.' : ''
  const ambiguous = !certificate && !(codes.length > 0 && codes.every(code => NOT_SENT.has(code)))
  return new StoreUnavailableError(`${where} cannot be reached: ${reasonOf(cause)}.${advice}`, { cause, ambiguous })
}

/** An answer that no holdfast server gives: of a proxy before it, or of something else at this address. */
export function foreign(
  { status, headers }: { readonly status: number; readonly headers: { get(name: string): string | null } },
  where: string,
  what: string,
): HoldfastError {
  const said = `${where} answered with status ${status}`
  if (status === 401 || status === 403 || status === 407)
    return new ConfigurationError(`${said}: something before it refuses us. Ask who runs the proxy.`)
  if (status === 413)
    return new ConfigurationError(`${said}: a proxy before it refuses a request of this size. Raise its limit.`)
  // A browser hides where it would lead.
  if ((status >= 300 && status < 400) || status === 0) {
    const target = headers.get('location') ?? 'elsewhere'
    return new ConfigurationError(`${said} and leads to ${target}. Use that address: a secret follows no one.`)
  }
  return new StoreUnavailableError(
    `${said}, and not as a holdfast server does (${what}). A proxy may have answered for it, or the address is of something else.`,
  )
}

/** Of the error, of what caused it, and of each address that was tried. */
function codesOf(cause: unknown): readonly string[] {
  if (!(cause instanceof Error)) return []
  const tried: readonly unknown[] = cause instanceof AggregateError ? cause.errors : []
  if (tried.length > 0) return tried.flatMap(codesOf)
  const code: unknown = Reflect.get(cause, 'code')
  return typeof code === 'string' ? [code] : codesOf(cause.cause)
}

/** fetch says "fetch failed", and why in what lies behind. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(reasonOf).join('; ')
  return cause.cause instanceof Error ? reasonOf(cause.cause) : cause.message
}
