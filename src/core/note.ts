/** News of writes that `holdfast/sql` knows nothing of: to an object store, a queue, a device, another language. */
import { ConfigurationError } from '../base/errors.ts'
import { publish } from './events.ts'

/** What a resource that compares tokens knows when it is written. */
export interface Write {
  readonly resource: string
  /** Of the writer. */
  readonly token: number
  /** The greatest that the resource has seen, this one included. Default: the writer's own. */
  readonly newest?: number
}

/**
 * Tells that a resource of your own let a write pass ('fenced') or refused it as late ('stale'): to `locks.on`, to
 * journals, and to the diagnostics channels, as `fence()` does for its own.
 * @throws ConfigurationError  another kind, or a write that is none
 * @example
 * ```ts
 * import { note } from 'holdfast'
 *
 * const refused = false // what the resource said
 * note(refused ? 'stale' : 'fenced', { resource: 'reports/7.pdf', token: lease.token })
 * ```
 */
export function note(kind: 'fenced' | 'stale', { resource, token, newest = token }: Write): void {
  if (kind !== 'fenced' && kind !== 'stale')
    throw new ConfigurationError(`note knows 'fenced' and 'stale', not ${JSON.stringify(kind)}.`)
  if (typeof resource !== 'string' || !Number.isSafeInteger(token) || !Number.isSafeInteger(newest))
    throw new ConfigurationError('note needs the name of a resource, and tokens that are safe integers.')
  publish({ type: kind, resource, token, newest })
}
