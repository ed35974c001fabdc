/** Options, checked at the boundary: what is wrong is refused here with a message that says what to write instead. */
import { hostname } from 'node:os'
import type { RevokeRequest, StoreTraits } from '../store/contract.ts'
import type { Wanted } from '../core/attempt.ts'
import { milliseconds } from '../base/duration.ts'
import { ConfigurationError, UnsupportedError } from '../base/errors.ts'
import { normalKey } from '../base/key.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { AcquireOptions, Locks, LocksOptions } from './types.ts'

export interface Settings {
  readonly holder: string
  readonly ttlMs: number
  readonly waitMs: number
  readonly autoRenew: boolean
  readonly maxHoldMs: number
  readonly storeTimeoutMs: number
  readonly strict: boolean
  readonly block: number
  readonly contendedPasses: number
  readonly contendedForMs: number
}

export const DEFAULT_TTL_MS = 15_000
/**
 * Longer leases are no leases: who dies with one blocks everybody for a month. (memcached also takes more for a date.)
 */
export const MAX_TTL_MS = 30 * 86_400_000
const MAX_META_BYTES = 512
const MAX_HOLDER_LENGTH = 256
const DEFAULT_PASSES = 31

const LOCKS_OPTIONS: Known<LocksOptions> = {
  ...{ holder: true, ttl: true, wait: true, renew: true, maxHold: true, storeTimeout: true, fair: true },
  ...{ cohort: true, journal: true },
}
const COHORT_OPTIONS: Known<NonNullable<LocksOptions['cohort']>> = {
  ...{ passes: true, contendedPasses: true, contendedFor: true },
}
const LOCK_OPTIONS: Known<AcquireOptions> = {
  ...{ ttl: true, wait: true, signal: true, renew: true, maxHold: true, minHold: true, meta: true },
  ...{ mode: true, limit: true },
}
type RevokeOptions = Parameters<Locks['revoke']>[1]
const REVOKE_OPTIONS: Known<RevokeOptions> = { reason: true, tickets: true, now: true }

export function settingsOf(options: LocksOptions, traits: StoreTraits): Settings {
  refuseUnknown(options, LOCKS_OPTIONS, 'createLocks')
  refuseUnknown(options.cohort ?? {}, COHORT_OPTIONS, 'cohort')
  const { passes = DEFAULT_PASSES, contendedPasses = 8, contendedFor = 100 } = options.cohort ?? {}
  if (options.fair !== undefined && options.fair !== 'cohort' && options.fair !== 'strict')
    throw new ConfigurationError(`fair must be 'cohort' or 'strict', not ${JSON.stringify(options.fair)}.`)
  const holder = options.holder ?? `${hostname()}:${process.pid}`
  if (typeof holder !== 'string' || holder.length === 0 || holder.length > MAX_HOLDER_LENGTH)
    throw new ConfigurationError(`holder must be text of 1 to ${MAX_HOLDER_LENGTH} characters.`)
  return {
    holder,
    ttlMs: ttl(options.ttl ?? Math.max(DEFAULT_TTL_MS, traits.minTtlMs), traits),
    waitMs: milliseconds(options.wait ?? 30_000, 'wait', { infinite: true }),
    autoRenew: renewal(options.renew ?? 'auto'),
    maxHoldMs: milliseconds(options.maxHold ?? Infinity, 'maxHold', { min: 1, infinite: true }),
    storeTimeoutMs: milliseconds(options.storeTimeout ?? 5_000, 'storeTimeout', { min: 1, max: 2 ** 31 - 1 }),
    strict: options.fair === 'strict',
    block: Math.min(traits.maxTokens, 1 + count(passes, 'cohort.passes', 0)),
    contendedPasses: count(contendedPasses, 'cohort.contendedPasses', 0),
    contendedForMs: milliseconds(contendedFor, 'cohort.contendedFor'),
  }
}

export interface Request {
  readonly wanted: Wanted
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
  /** Whether tasks of equal wishes may share one ticket. */
  readonly share: boolean
}

/** @throws InvalidKeyError | ConfigurationError | UnsupportedError */
export function requestOf(
  key: string,
  options: AcquireOptions,
  { settings, traits }: { readonly settings: Settings; readonly traits: StoreTraits },
): Request {
  const normal = normalKey(key)
  refuseUnknown(options, LOCK_OPTIONS, 'a lock')
  const limit = options.limit ?? null
  const mode = options.mode ?? (limit === null ? 'exclusive' : 'shared')
  if (mode !== 'exclusive' && mode !== 'shared')
    throw new ConfigurationError(`mode must be 'exclusive' or 'shared', not ${JSON.stringify(mode)}.`)
  if (limit !== null && mode === 'exclusive')
    throw new ConfigurationError('An exclusive lock has no limit: leave out mode, or the limit.')
  if (limit !== null) count(limit, 'limit', 1)
  if (mode === 'shared' && !traits.shared)
    throw new UnsupportedError(
      `${traits.name} has no shared locks, so "${normal}" cannot be held by several. Use an exclusive lock, or another store.`,
      {
        key: normal,
      },
    )
  if (limit !== null && !traits.limit)
    throw new UnsupportedError(
      `${traits.name} has no limits, so "${normal}" cannot be a semaphore. Use another store.`,
      { key: normal },
    )
  const minHoldMs = milliseconds(options.minHold ?? 0, 'minHold', { max: MAX_TTL_MS })
  if (minHoldMs > 0 && !traits.keep)
    throw new UnsupportedError(
      `${traits.name} cannot keep a ticket after its owner has left, so minHold of "${normal}" cannot be promised. Use another store.`,
      { key: normal },
    )
  const maxHoldMs =
    options.maxHold === undefined
      ? settings.maxHoldMs
      : milliseconds(options.maxHold, 'maxHold', { min: 1, infinite: true })
  const autoRenew = options.renew === undefined ? settings.autoRenew : renewal(options.renew)
  const share =
    !settings.strict &&
    limit === null &&
    minHoldMs === 0 &&
    maxHoldMs === Infinity &&
    autoRenew &&
    options.meta === undefined
  const ttlMs = options.ttl === undefined ? settings.ttlMs : ttl(options.ttl, traits)
  return {
    wanted: {
      key: normal,
      mode,
      limit,
      ttlMs,
      autoRenew,
      maxHoldMs,
      minHoldMs,
      tokens: share ? settings.block : 1,
      meta: metaOf(options.meta),
    },
    waitMs: options.wait === undefined ? settings.waitMs : milliseconds(options.wait, 'wait', { infinite: true }),
    signal: signalOf(options.signal),
    share,
  }
}

/** Without a reason nobody knows why his task was stopped. @throws ConfigurationError */
export function revocationOf(options: RevokeOptions): RevokeRequest {
  refuseUnknown(options, REVOKE_OPTIONS, 'revoke')
  const { reason, tickets, now = false } = options
  if (typeof reason !== 'string' || reason === '')
    throw new ConfigurationError('revoke needs a reason: text that tells the owners why they have to stop.')
  if (tickets !== 'holders' && tickets !== 'all' && !Number.isSafeInteger(tickets))
    throw new ConfigurationError(`tickets must be 'holders', 'all' or a token, not ${String(tickets)}.`)
  if (typeof now !== 'boolean') throw new ConfigurationError(`now must be true or false, not ${String(now)}.`)
  return { reason, tickets, now }
}

/** By its shape: it may come from another realm. */
export function signalOf(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined) return undefined
  if (typeof signal === 'object' && signal !== null && typeof signal.aborted === 'boolean') return signal
  throw new ConfigurationError(`signal must be an AbortSignal, not ${JSON.stringify(signal)}.`)
}

function ttl(value: NonNullable<LocksOptions['ttl']>, traits: StoreTraits): number {
  const ms = milliseconds(value, 'ttl', { max: MAX_TTL_MS })
  if (ms <= 0) throw new ConfigurationError(`ttl must be more than 0, not ${JSON.stringify(value)}.`)
  if (ms < traits.minTtlMs)
    throw new ConfigurationError(
      `ttl ${JSON.stringify(value)} is too short for ${traits.name}: it needs at least ${traits.minTtlMs} ms.`,
    )
  return ms
}

function renewal(value: 'auto' | 'manual'): boolean {
  if (value !== 'auto' && value !== 'manual')
    throw new ConfigurationError(`renew must be 'auto' or 'manual', not ${JSON.stringify(value)}.`)
  return value === 'auto'
}

function count(value: number, option: string, min: number): number {
  if (!Number.isSafeInteger(value) || value < min)
    throw new ConfigurationError(`${option} must be a whole number of at least ${min}, not ${String(value)}.`)
  return value
}

const NO_META: Readonly<Record<string, string>> = {}

function metaOf(meta: AcquireOptions['meta']): Readonly<Record<string, string>> {
  if (meta === undefined) return NO_META
  for (const [name, value] of Object.entries(meta))
    if (typeof value !== 'string') throw new ConfigurationError(`meta.${name} must be text, not ${typeof value}.`)
  const bytes = Buffer.byteLength(JSON.stringify(meta))
  if (bytes > MAX_META_BYTES)
    throw new ConfigurationError(`meta is ${bytes} bytes as JSON; at most ${MAX_META_BYTES} are allowed.`)
  return { ...meta }
}
