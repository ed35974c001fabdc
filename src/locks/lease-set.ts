/** Several leases as one: all or none. */
import { humanMs, milliseconds } from '../base/duration.ts'
import type { Duration } from '../base/duration.ts'
import { LeaseLostError, StoreUnavailableError } from '../base/errors.ts'
import type { ReleaseResult } from '../core/lease.ts'
import type { Lease, LeaseSet } from './types.ts'

/** `leases` in canonical order. It is held while all of them are. */
export function createLeaseSet(leases: readonly Lease[], mode: LeaseSet['mode']): LeaseSet {
  let signal: AbortSignal | undefined
  let releasing: Promise<ReleaseResult> | undefined

  async function releaseAll(): Promise<ReleaseResult> {
    const results = await Promise.all(leases.map(lease => lease.release()))
    return results.find(result => result === 'lost') ?? results.find(result => result === 'unconfirmed') ?? 'released'
  }

  const remaining = (): number => Math.min(...leases.map(lease => lease.remaining()))
  const release = (): Promise<ReleaseResult> => (releasing ??= releaseAll())

  return {
    mode,
    tokens: new Map(leases.map(lease => [lease.key, lease.token])),
    get signal() {
      return (signal ??= AbortSignal.any(leases.map(lease => lease.signal)))
    },
    get state() {
      const states = leases.map(lease => lease.state)
      return (
        states.find(state => state === 'lost') ??
        states.find(state => state === 'released') ??
        states.find(state => state === 'suspect') ??
        'held'
      )
    },
    remaining,
    assertHeld() {
      for (const lease of leases) lease.assertHeld()
    },
    async renew(ttl?: Duration) {
      await Promise.all(leases.map(lease => (ttl === undefined ? lease.renew() : lease.renew(ttl))))
    },
    async ensure(min) {
      const minMs = milliseconds(min, 'min')
      // While the last one was waited for, the first ones' windows ran on.
      for (let tries = 0; tries < 2; tries += 1) {
        await Promise.all(leases.map(lease => lease.ensure(minMs)))
        if (remaining() >= minMs) return
      }
      throw new StoreUnavailableError(
        `The store takes so long to answer that not all of ${leases.length} leases are certain for ${humanMs(minMs)}.`,
        { ambiguous: false },
      )
    },
    release,
    async [Symbol.asyncDispose]() {
      await release()
    },
  }
}

/** The loss, if there was one. */
export function lossOf(lease: { assertHeld(): void }): LeaseLostError | null {
  try {
    lease.assertHeld()
    return null
  } catch (error) {
    if (error instanceof LeaseLostError) return error
    throw error
  }
}
