/**
 * What a Redis server or a client's failure means for the caller: may the command have run, and can trying again help?
 */
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'

/** Replies to a command that was not executed: the server is not in a state to. */
const NOT_EXECUTED =
  /\b(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|MISCONF|NOREPLICAS|OOM|NOSCRIPT) /
/** Replies that stay the same however often one asks. */
const REFUSED =
  /\b(NOAUTH|WRONGPASS|NOPERM|WRONGTYPE|HOLDFAST) |\bERR (?:AUTH|invalid password|unknown command|DB index is out of range)/
/** Failures of a client that never sent the command. */
const NOT_SENT =
  /enableOfflineQueue options is false|client is offline|client is closed|startup nodes is available|refresh slots cache|No master of the cluster/i

export function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(textOf).join('; ')
  return cause.message
}

export function isMissingScript(cause: unknown): boolean {
  return /^NOSCRIPT\b/.test(textOf(cause))
}

/** The server that we reached may no longer be the one to ask. */
export function isMoved(cause: unknown): boolean {
  return /\b(READONLY|MASTERDOWN) /.test(textOf(cause))
}

/** The failure as one of ours. `sent`: the command may have reached the server. */
export function failure(
  cause: unknown,
  where: string,
  options: { readonly key?: string | undefined; readonly sent: boolean },
): StoreUnavailableError | ConfigurationError {
  if (cause instanceof StoreUnavailableError || cause instanceof ConfigurationError) return cause
  const text = textOf(cause)
  // ioredis puts the whole command into its error, and with it the id, which nobody else may know.
  if (cause instanceof Error && 'command' in cause) Reflect.deleteProperty(cause, 'command')
  const key = options.key === undefined ? {} : { key: options.key }
  if (REFUSED.test(text)) return new ConfigurationError(`${where} refuses: ${text}${advice(text)}`, { ...key, cause })
  const ambiguous = options.sent && !NOT_EXECUTED.test(text) && !NOT_SENT.test(text)
  return new StoreUnavailableError(`${where} cannot be used: ${text}`, { ...key, cause, ambiguous })
}

function advice(text: string): string {
  if (text.includes('WRONGTYPE'))
    return '. Another program keeps something else under the name of this lock; give holdfast a namespace of its own.'
  if (text.includes('NOPERM'))
    return '. The commands, keys and channels that holdfast needs are listed in docs/drivers/redis.md.'
  if (/NOAUTH|WRONGPASS|AUTH|password/.test(text))
    return (
      '. Put user and password into the address (redis://user:password@host), or let HOLDFAST_STORE_PASSWORD_FILE ' +
      'name a file with the password.'
    )
  return ''
}
