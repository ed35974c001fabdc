/** Several leases as one: all or none. */
import type { Duration } from '../base/duration.ts'
import { LeaseLostError } from '../base/errors.ts'
import type { ReleaseResult } from '../core/lease.ts'
import type { Lease, LeaseSet } from './types.ts'

/** `leases` in canonical order. It is held while all of them are. */
export function createLeaseSet(leases: readonly Lease[], mode: LeaseSet['mode']): LeaseSet {
  let releasing: Promise<ReleaseResult> | undefined

  async function releaseAll(): Promise<ReleaseResult> {
    const results = await Promise.all(leases.map(lease => lease.release()))
    return results.find(result => result === 'lost') ?? results.find(result => result === 'unconfirmed') ?? 'released'
  }

  const release = (): Promise<ReleaseResult> => (releasing ??= releaseAll())

  return {
    mode,
    tokens: new Map(leases.map(lease => [lease.key, lease.token])),
    get signal() {
      return AbortSignal.any(leases.map(lease => lease.signal))
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
    remaining: () => Math.min(...leases.map(lease => lease.remaining())),
    assertHeld() {
      for (const lease of leases) lease.assertHeld()
    },
    async renew(ttl?: Duration) {
      await Promise.all(leases.map(lease => (ttl === undefined ? lease.renew() : lease.renew(ttl))))
    },
    async ensure(min) {
      await Promise.all(leases.map(lease => lease.ensure(min)))
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
