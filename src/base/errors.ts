/**
 * What can go wrong, as types to catch. Inside holdfast contention is a value; only failure is thrown.
 *
 * This file imports nothing but types, so that every layer, drivers included, may throw from it.
 */
import type { LeaseLostReason, TicketView } from './view.ts'

interface Details {
  readonly key?: string | undefined
  readonly cause?: unknown
}

/** Every `code` there is: comparing with another does not compile. */
export type ErrorCode = `HOLDFAST_${
  | 'ERROR'
  | 'WAIT_TIMEOUT'
  | 'LEASE_LOST'
  | 'STALE_TOKEN'
  | 'VERSION_CONFLICT'
  | 'STORE_UNAVAILABLE'
  | 'UNSUPPORTED'
  | 'INVALID_KEY'
  | 'CONFIGURATION'
  | 'CLOSED'}`

/** The root of all errors of this library: one `instanceof` tells ours from yours. */
export class HoldfastError extends Error {
  override readonly name: string = 'HoldfastError'
  readonly code: ErrorCode = 'HOLDFAST_ERROR'
  readonly key?: string

  constructor(message: string, options: Details = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    if (options.key !== undefined) this.key = options.key
  }
}

/** The lock stayed held for the whole wait. Expected under load: catch it. */
export class WaitTimeoutError extends HoldfastError {
  override readonly name = 'WaitTimeoutError'
  override readonly code = 'HOLDFAST_WAIT_TIMEOUT'
  readonly waitedMs: number
  /** Who held it at the end, as far as the store told. */
  readonly holders: readonly TicketView[]
  /** True if the holder is the very call chain that waited: it waited for itself. */
  readonly own: boolean

  constructor(
    message: string,
    options: Details & { waitedMs?: number; holders?: readonly TicketView[]; own?: boolean } = {},
  ) {
    super(message, options)
    this.waitedMs = options.waitedMs ?? 0
    this.holders = options.holders ?? []
    this.own = options.own ?? false
  }
}

/** The lease can no longer be proved, so what ran under it may have overlapped with somebody else's work. */
export class LeaseLostError extends HoldfastError {
  override readonly name = 'LeaseLostError'
  override readonly code = 'HOLDFAST_LEASE_LOST'
  readonly token: number
  readonly reason: LeaseLostReason
  /** What the task came to, where a task ran to its end under the lost lease. */
  readonly outcome?: PromiseSettledResult<unknown>

  constructor(
    message: string,
    options: Details & { token?: number; reason?: LeaseLostReason; outcome?: PromiseSettledResult<unknown> } = {},
  ) {
    super(message, options)
    this.token = options.token ?? 0
    this.reason = options.reason ?? 'gone'
    if (options.outcome !== undefined) this.outcome = options.outcome
  }
}

/** The resource has already seen a newer token: this writer is too late and must roll back. */
export class StaleTokenError extends HoldfastError {
  override readonly name = 'StaleTokenError'
  override readonly code = 'HOLDFAST_STALE_TOKEN'
  readonly resource: string
  readonly token: number
  readonly newest: number

  constructor(message: string, options: Details & { resource?: string; token?: number; newest?: number } = {}) {
    super(message, options)
    this.resource = options.resource ?? ''
    this.token = options.token ?? 0
    this.newest = options.newest ?? 0
  }
}

/** The row is no longer at the version that was read, or is not there. */
export class VersionConflictError extends HoldfastError {
  override readonly name = 'VersionConflictError'
  override readonly code = 'HOLDFAST_VERSION_CONFLICT'
  /** The version that the row has now; null: no such row. */
  readonly current: number | null

  constructor(message: string, options: Details & { current?: number | null } = {}) {
    super(message, options)
    this.current = options.current ?? null
  }
}

/**
 * The store did not do what was asked: not reached, not answering, or answering with an error. Nothing is known to be
 * held.
 */
export class StoreUnavailableError extends HoldfastError {
  override readonly name = 'StoreUnavailableError'
  override readonly code = 'HOLDFAST_STORE_UNAVAILABLE'
  /** True if the request may have been, or may yet be, carried out. */
  readonly ambiguous: boolean

  constructor(message: string, options: Details & { ambiguous?: boolean } = {}) {
    super(message, options)
    this.ambiguous = options.ambiguous ?? true
  }
}

/** This store cannot give what was asked. It is never faked. */
export class UnsupportedError extends HoldfastError {
  override readonly name = 'UnsupportedError'
  override readonly code = 'HOLDFAST_UNSUPPORTED'
}

/** The key is not one: empty, too long, or not text that has a UTF-8 form. */
export class InvalidKeyError extends HoldfastError {
  override readonly name = 'InvalidKeyError'
  override readonly code = 'HOLDFAST_INVALID_KEY'
}

/** An option, an address or an installation is wrong. The message says which and what to write instead. */
export class ConfigurationError extends HoldfastError {
  override readonly name = 'ConfigurationError'
  override readonly code = 'HOLDFAST_CONFIGURATION'
}

/** `close()` was called: no new work is taken, and who waited no longer waits. */
export class ClosedError extends HoldfastError {
  override readonly name = 'ClosedError'
  override readonly code = 'HOLDFAST_CLOSED'
}
