/** The core of one store: makes its parts, joins them, and ends them in order. */
import { createBackground } from './background.ts'
import { call } from './call.ts'
import type { Clock } from '../base/clock.ts'
import { createCohorts } from './cohort.ts'
import type { Cohorts } from './cohort.ts'
import type { CohortLimits } from './passing.ts'
import { createConnecting } from './connecting.ts'
import type { Core } from './core.ts'
import { within } from '../base/deadline.ts'
import { ClosedError } from '../base/errors.ts'
import type { Events } from './events.ts'
import { createNewest } from './newest.ts'
import { createPushes } from './pushes.ts'
import { createRenewer } from './renewal.ts'
import type { Renewer } from './renewal.ts'
import { createRisk } from './risk.ts'
import { createStallDetector } from './stall.ts'
import type { StallDetector } from './stall.ts'
import type { Io, Store } from '../store/contract.ts'

export interface EngineSettings extends CohortLimits {
  readonly holder: string
  readonly storeTimeoutMs: number
}

export interface Engine extends Pick<Cohorts, 'acquire' | 'tryAcquire'> {
  /** One call of an operator's, with the core's deadline. @throws ClosedError | StoreUnavailableError */
  ask<T>(call: { readonly verb: string; readonly key: string }, request: (io: Io) => Promise<T>): Promise<T>
  /** @throws ClosedError */
  refuseWhenClosed(verb: string): void
  /** Once: who closes again waits for the first. */
  close(drainMs: number): Promise<void>
}

/**
 * A waiter's ticket lives so long without a heartbeat. So a dead waiter costs those behind it at most 5 s, the wake-up
 * included.
 */
const WAITER_TTL_MS = 4_800

export function createEngine(
  store: Store,
  parts: { readonly clock: Clock; readonly settings: EngineSettings; readonly events: Events },
): Engine {
  const { clock, settings, events } = parts
  const { storeTimeoutMs } = settings
  const background = createBackground()
  const storeError = (verb: string, cause: unknown): void => events.emit({ type: 'store-error', verb, cause })

  const renewer = createRenewer(store, clock, {
    storeTimeoutMs,
    storeError,
    watching() {
      stalls.start()
      // In the background: no grant waits for it. The owner of a lease is to hear of a revocation before it renews
      // next.
      void pushes.ready()
    },
  })
  const stalls = stallsOf(clock, renewer, events)
  const pushes = createPushes(store, clock, {
    storeTimeoutMs,
    storeError,
    wanted: () => renewer.size > 0,
    revoked(key, token, reason) {
      for (const ticket of [...renewer.tickets()]) {
        if (ticket.key === key && ticket.token === token) ticket.lose('revoked', reason)
      }
    },
  })
  const core: Core = {
    ...{ store, clock, events, renewer, pushes, background, storeTimeoutMs },
    connecting: createConnecting({ clock, store }, storeTimeoutMs),
    newest: createNewest(),
    holder: settings.holder,
    waiterTtlMs: Math.max(WAITER_TTL_MS, store.traits.minTtlMs),
  }
  const cohorts = createCohorts(core, settings, createRisk(events))
  let closing: Promise<void> | undefined

  function refuseWhenClosed(verb: string): void {
    if (closing !== undefined) throw new ClosedError(`These locks are closed, so "${verb}" is refused.`)
  }

  async function atMost(timeoutMs: number, work: Promise<void>): Promise<void> {
    await within(work, { clock, timeoutMs, late: () => undefined })
  }

  async function end(drainMs: number): Promise<void> {
    cohorts.stop()
    if (drainMs > 0) await atMost(drainMs, cohorts.idle())
    // They are not released: the tasks still run, so nobody else may have the locks before their time is over.
    for (const ticket of [...renewer.tickets()]) ticket.lose('closed', 'its locks were closed')
    stalls.stop()
    await atMost(storeTimeoutMs, background.end())
    await pushes.close()
    await store.close()
  }

  return {
    acquire: cohorts.acquire,
    tryAcquire: cohorts.tryAcquire,
    async ask({ verb, key }, request) {
      refuseWhenClosed(verb)
      const outcome = await call(core, { verb, key, timeoutMs: storeTimeoutMs }, request)
      if (outcome.ok) return outcome.value
      throw outcome.error
    },
    refuseWhenClosed,
    close: drainMs => (closing ??= end(drainMs)),
  }
}

function stallsOf(clock: Clock, renewer: Renewer, events: Events): StallDetector {
  return createStallDetector(clock, {
    busy: () => renewer.size > 0,
    stalled(stalledMs) {
      // The leases first: who listens to the event must find them as they are.
      renewer.check()
      events.emit({ type: 'stalled', stalledMs })
    },
    jumped: ms => renewer.doubt(new Error(`the wall clock was set by ${Math.round(ms)} ms`)),
  })
}
