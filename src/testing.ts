/**
 * `holdfast/testing`: locks for the tests of one's own code, on a clock that one moves and a store that one can break.
 *
 * They are the real locks over the memory store, so what a test meets here is what production does.
 */
import { EVENT_TYPES } from './core/events.ts'
import { OpenLease } from './core/lease.ts'
import { createManualClock } from './base/manual-clock.ts'
import type { Duration } from './base/duration.ts'
import { StoreUnavailableError } from './base/errors.ts'
import type { Lease, LockEvent, Locks, LocksOptions } from './locks/types.ts'
import { memoryStore } from './drivers/memory.ts'
import { createLocksOn } from './locks/locks.ts'
import type { LeaseLostReason, Store } from './store/contract.ts'

export interface TestLocks {
  readonly locks: Locks
  readonly clock: {
    now(): number
    /** Lets time pass; all that it sets off has happened when this resolves. */
    advance(by: Duration): Promise<void>
  }
  /** Loses a lease at once, as if the store had. Default reason: 'gone'. */
  lose(lease: Lease, reason?: LeaseLostReason): void
  /** Every call to the store fails from now on. Default: StoreUnavailableError. */
  failStore(error?: Error): void
  restoreStore(): void
  /** What has happened, oldest first. */
  readonly events: LockEvent[]
}

export function createTestLocks(options: LocksOptions = {}): TestLocks {
  const clock = createManualClock()
  let failure: Error | null = null
  const locks = createLocksOn(
    clock,
    failing(memoryStore({ clock }), () => failure),
    options,
  )
  const events: LockEvent[] = []
  for (const type of EVENT_TYPES) locks.on(type, event => events.push(event))
  return {
    locks,
    clock: { now: clock.now, advance: clock.advance },
    lose(lease, reason = 'gone') {
      if (lease instanceof OpenLease) lease.loseTicket(reason)
    },
    failStore(error = new StoreUnavailableError('the test has taken the store away', { ambiguous: false })) {
      failure = error
    },
    restoreStore() {
      failure = null
    },
    events,
  }
}

function failing(store: Store, failure: () => Error | null): Store {
  const check = (): void => {
    const error = failure()
    if (error !== null) throw error
  }
  return {
    ...store,
    async enter(request, io) {
      check()
      return store.enter(request, io)
    },
    async renew(renewals, io) {
      check()
      return store.renew(renewals, io)
    },
    async leave(request, io) {
      check()
      return store.leave(request, io)
    },
    async inspect(key, io) {
      check()
      return store.inspect(key, io)
    },
    async *list(prefix, io) {
      check()
      yield* store.list(prefix, io)
    },
    async revoke(key, request, io) {
      check()
      return store.revoke(key, request, io)
    },
  }
}
