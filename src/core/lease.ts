/** The object a task holds: one token of a ticket, for as long as the task and the ticket last. */
import type { LeaseLostReason } from '../store/contract.ts'
import type { Core } from './core.ts'
import { milliseconds } from './duration.ts'
import { LeaseLostError } from './errors.ts'
import { isOpen } from './ticket.ts'
import type { HeldTicket } from './ticket.ts'
import type { Lease } from './types.ts'
import { ttlFor } from './window.ts'

export type ReleaseResult = 'released' | 'lost' | 'unconfirmed'

/** A lease, and the strings by which its maker moves it. */
export interface OpenLease {
  readonly lease: Lease
  readonly token: number
  readonly since: number
  lose(reason: LeaseLostReason, message: string): void
}

const losers = new WeakMap<Lease, (reason: LeaseLostReason) => void>()

/** Loses the ticket under a lease: for `holdfast/testing`. */
export function loseLease(lease: Lease, reason: LeaseLostReason = 'gone'): void {
  losers.get(lease)?.(reason)
}

/** `settled` is called once, when the holder says that it is done: it passes the ticket on or takes it out. */
export function createLease(core: Core, ticket: HeldTicket, token: number, settled: (open: OpenLease) => Promise<ReleaseResult>): OpenLease {
  const { clock, events, renewer } = core
  const { key, mode } = ticket
  const since = clock.now()
  let lost: LeaseLostError | undefined
  let releasing: Promise<ReleaseResult> | undefined
  let controller: AbortController | undefined

  function abort(error: LeaseLostError): void {
    controller?.abort(error)
  }

  function lose(reason: LeaseLostReason, message: string): void {
    if (lost !== undefined || releasing !== undefined) return
    lost = new LeaseLostError(`The lease of "${key}" (token ${token}) is lost: ${message}. Stop; what was written since may have overlapped with another holder.`, { key, token, reason })
    abort(lost)
    events.emit({ type: 'lost', key, token, heldMs: clock.now() - since, reason })
  }

  /** Reads the clock first: after a blocked event loop nobody else may have done so yet. */
  function isHeld(): boolean {
    if (releasing !== undefined || lost !== undefined) return false
    if (isOpen(ticket) && clock.now() >= ticket.validUntil) renewer.check()
    return isOpen(ticket)
  }

  function assertHeld(): void {
    if (isHeld()) return
    throw lost ?? new LeaseLostError(`The lease of "${key}" (token ${token}) was released.`, { key, token, reason: 'released' })
  }

  async function renew(ttl: Parameters<Lease['renew']>[0] = ticket.ttlMs): Promise<void> {
    const ttlMs = milliseconds(ttl, 'ttl', { min: core.store.traits.minTtlMs })
    assertHeld()
    await renewer.renew(ticket, ttlMs)
    assertHeld()
  }

  const remaining = (): number => (isHeld() ? Math.max(0, ticket.validUntil - clock.now()) : 0)

  async function release(): Promise<ReleaseResult> {
    isHeld()
    releasing ??= settled(open)
    return releasing
  }

  const lease: Lease = {
    key,
    token,
    mode,
    get signal() {
      if (controller === undefined) {
        controller = new AbortController()
        if (lost !== undefined) abort(lost)
      }
      return controller.signal
    },
    get state() {
      if (isHeld()) return ticket.state === 'suspect' ? 'suspect' : 'held'
      return lost === undefined ? 'released' : 'lost'
    },
    remaining,
    assertHeld,
    renew,
    async ensure(min) {
      const minMs = milliseconds(min, 'min')
      assertHeld()
      if (remaining() < minMs) await renew(Math.max(ticket.ttlMs, ttlFor(minMs, core.store.traits)))
    },
    release,
    async [Symbol.asyncDispose]() {
      await release()
    },
  }
  const open: OpenLease = { lease, token, since, lose }
  losers.set(lease, reason => renewer.lose(ticket, reason, 'the test has lost it'))
  return open
}
