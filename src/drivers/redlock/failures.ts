/** The error of a call that no majority answered: says which node fails how, since that is what has to be mended. */
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import type { Count } from './ballot.ts'

/** `voteless`: nodes that answered but may not vote, with the reason. */
export function unreachable(
  what: string,
  key: string | undefined,
  count: Count<unknown>,
  options: { readonly ambiguous: boolean; readonly voteless?: readonly string[] },
): StoreUnavailableError | ConfigurationError {
  const { voteless = [] } = options
  const voters = count.answers.size - voteless.length
  const reasons = [
    ...voteless,
    ...[...count.failures].map(([node, cause]) =>
      cause instanceof Error ? cause.message : `${node.name}: ${String(cause)}`,
    ),
  ]
  const silent = count.open + count.silent
  if (silent > 0) reasons.push(`${silent} not answered yet`)
  const message = `${what}: ${voters} of ${count.nodes} nodes can vote, ${count.majority} are needed. ${reasons.join('; ')}`
  const details = { ...(key === undefined ? {} : { key }), cause: [...count.failures.values()][0] }
  // Asking again does not help where a majority refuses us for good: a wrong password, say.
  const refusals = [...count.failures.values()].filter(cause => cause instanceof ConfigurationError).length
  if (refusals > count.nodes - count.majority) return new ConfigurationError(message, details)
  return new StoreUnavailableError(message, { ...details, ambiguous: options.ambiguous })
}
