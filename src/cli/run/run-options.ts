/** The options of `holdfast run`, as far as they depend on each other. */
import { humanMs, milliseconds } from '../../base/duration.ts'
import type { Duration } from '../../base/duration.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { DEFAULT_TTL_MS } from '../../locks/settings.ts'
import type { AcquireOptions } from '../../locks/types.ts'
import { defaultGraceMs } from './stopping.ts'
import type { StoreOptions } from '../store.ts'

export interface RunOptions extends StoreOptions {
  /** One attempt. */
  readonly nonblock?: boolean
  readonly wait?: Duration
  readonly conflictExitCode?: number
  readonly ttl?: Duration
  readonly minHold?: Duration
  readonly maxHold?: Duration
  readonly grace?: Duration
  readonly shared?: boolean
  readonly limit?: number
  readonly holder?: string
  readonly meta?: Readonly<Record<string, string>>
  readonly json?: boolean
  /** Nothing on stderr for what the exit code says. */
  readonly quiet?: boolean
}

/** A grant that takes longer to arrive is rare, and then only a message blames the wrong one. */
const LONGEST_REPLY_MS = 100
/** A grace as long as the time from one renewal to the next would end the command in quiet times. */
export const LONGEST_GRACE = 2 / 3
/** What is asked of the store, the wait apart. */
export function wantedOf(
  options: RunOptions,
): Omit<AcquireOptions, 'wait' | 'mode' | 'limit'> & ({ mode: 'exclusive' | 'shared' } | { limit: number }) {
  const { ttl, minHold, maxHold, meta, limit } = options
  return {
    ...(ttl !== undefined && { ttl }),
    ...(minHold !== undefined && { minHold }),
    ...(maxHold !== undefined && { maxHold }),
    ...(meta !== undefined && { meta }),
    ...(limit === undefined ? { mode: options.shared === true ? 'shared' : 'exclusive' } : { limit }),
  }
}

/** Not so who makes one attempt only. */
export function mayWait({ nonblock, wait }: RunOptions): boolean {
  return nonblock !== true && (wait === undefined || milliseconds(wait, '--wait') > 0)
}

/** Infinity: none. */
function maxHoldOf({ maxHold }: RunOptions): number {
  return maxHold === undefined ? Infinity : milliseconds(maxHold, '--max-hold')
}

/**
 * How wide a window must be, counted from when the lease is known, to have been cut off by --max-hold. A lease asked
 * for no longer than that is certain for a little less (a hundredth, the store's clock error, the time of the reply).
 */
export function shortestMaxHoldOf(options: RunOptions, { clockErrorMs }: { readonly clockErrorMs: number }): number {
  return maxHoldOf(options) * 0.99 - clockErrorMs - LONGEST_REPLY_MS
}

/** For how long a lease can be certain at most. */
export function spanOf(options: RunOptions): number {
  const ttlMs = options.ttl === undefined ? DEFAULT_TTL_MS : milliseconds(options.ttl, '--ttl')
  return Math.min(ttlMs, maxHoldOf(options))
}

/** @throws ConfigurationError */
export function graceOf(options: RunOptions): number {
  const spanMs = spanOf(options)
  if (options.grace === undefined) return defaultGraceMs(spanMs)
  const graceMs = milliseconds(options.grace, '--grace', { min: 1 })
  if (graceMs < spanMs * LONGEST_GRACE) return graceMs
  const most = humanMs(spanMs * LONGEST_GRACE)
  throw new ConfigurationError(
    `--grace must be less than two thirds of --ttl and of --max-hold (${most}), not ${humanMs(graceMs)}: ` +
      'renewal begins when so much is left.',
  )
}
