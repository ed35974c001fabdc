/**
 * Options that several drivers have, checked where the store is made. A margin that is not a number would make every
 * window endless, and two would hold.
 */
import { milliseconds } from '../../base/duration.ts'
import { ConfigurationError } from '../../base/errors.ts'

const MAX_NAMESPACE_BYTES = 256

/** How far the store's clock may be off, in milliseconds. @throws ConfigurationError */
export function clockErrorOf(options: { readonly clockErrorMs?: number }, usualMs: number): number {
  const { clockErrorMs = usualMs } = options
  if (typeof clockErrorMs !== 'number')
    throw new ConfigurationError(`clockErrorMs must be a number of milliseconds, not ${JSON.stringify(clockErrorMs)}.`)
  return milliseconds(clockErrorMs, 'clockErrorMs')
}

/** In Unicode's normal form C, as keys are, so that two ways to write it meet. @throws ConfigurationError */
export function namespaceOf(options: { readonly namespace?: string }): string {
  const { namespace = '' } = options
  if (typeof namespace !== 'string')
    throw new ConfigurationError(`namespace must be text, not ${String(namespace)} (${typeof namespace}).`)
  const normal = namespace.normalize('NFC')
  const utf8 = new TextEncoder().encode(normal)
  if (new TextDecoder('utf-8', { ignoreBOM: true }).decode(utf8) !== normal)
    throw new ConfigurationError('namespace holds half of a surrogate pair, so it has no UTF-8 form.')
  if (utf8.length > MAX_NAMESPACE_BYTES)
    throw new ConfigurationError(`namespace is ${utf8.length} bytes long; at most ${MAX_NAMESPACE_BYTES} are allowed.`)
  return normal
}
