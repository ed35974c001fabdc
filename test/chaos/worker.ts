/**
 * A process that uses locks in every way at once, over a bad network, and says what it believes.
 *
 * It tells of the end of a belief before it gives the lease back, and of a window only what it has just read, so a word
 * that is lost with a killed process makes a belief shorter, never longer.
 */
import { hostClock, sleep } from '../../src/base/clock.ts'
import { ClosedError, LeaseLostError, StoreUnavailableError, WaitTimeoutError } from '../../src/base/errors.ts'
import { faultyStore } from '../../src/conformance/faulty.ts'
import type { Fault, Plan } from '../../src/conformance/faulty.ts'
import type { Lease } from '../../src/core/types.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { AcquireOptions, Locks } from '../../src/locks/types.ts'
import type { Entry, Store, StoreTraits } from '../../src/store/contract.ts'
import { chanceOf } from '../sim/chance.ts'
import type { Chance } from '../sim/chance.ts'
import type { Word } from './ledger.ts'

export interface Work {
  readonly name: string
  readonly seed: number
  readonly make: () => Promise<Store>
  readonly tell: (word: Word) => Promise<void>
  /** The store is believed to have given so much more time than it has. Only to see that it is found. */
  readonly sabotageMs: number
  readonly stopped: AbortSignal
}

/** One key for each kind of use; `taken` is the one whose held tickets an operator takes. */
export const KEYS = ['account', 'report', 'taken', 'pool'] as const
export const TAKEN = 'taken'
export const LONGEST_TTL_MS = 2_500
const POOL = 3
const LANES = 3
const STORE_TIMEOUT_MS = 400
/** What contention, faults and operators may do to who wants a lock. Everything else is a defect. */
const EXPECTED = [WaitTimeoutError, StoreUnavailableError, LeaseLostError, ClosedError]
const GIVEN_UP = new Error('no longer wanted')

export async function work({ name, seed, make, tell, sabotageMs, stopped }: Work): Promise<void> {
  const chance = chanceOf(seed)
  let leases = 0
  let locks = await connect()

  async function connect(): Promise<Locks> {
    const store = faultyStore(await make(), weather(chance))
    return createLocks(sabotageMs > 0 ? believing(store, sabotageMs) : store, {
      holder: name,
      storeTimeout: STORE_TIMEOUT_MS,
      fair: chance.pick(['cohort', 'strict']),
    })
  }

  async function believe(lease: Lease, limit: number | null, holdMs: number): Promise<void> {
    const id = (leases += 1)
    const end = hostClock.now() + holdMs
    let told = 0
    const look = (): { atMs: number; untilMs: number } => {
      const atMs = hostClock.now()
      return { atMs, untilMs: atMs + lease.remaining() }
    }
    for (let now = look(); now.untilMs > now.atMs; now = look()) {
      const { key, token, mode } = lease
      if (told === 0) await tell({ type: 'holds', worker: name, lease: id, key, token, mode, limit, ...now })
      else if (now.untilMs > told + 1) await tell({ type: 'still', worker: name, lease: id, ...now })
      told = now.untilMs
      if (now.atMs >= end || stopped.aborted) break
      await sleep(hostClock, Math.min(5, holdMs))
    }
    await tell({ type: 'ends', worker: name, lease: id, atMs: hostClock.now() })
  }

  async function once(): Promise<void> {
    const key = chance.pick(KEYS)
    const { options, abort } = wish(chance, key, locks.traits)
    const lease = chance.of(0.2) ? await locks.tryAcquire(key, options) : await locks.acquire(key, options)
    abort.abort(GIVEN_UP)
    if (lease === null) return tell({ type: 'did', what: 'try in vain' })
    await believe(lease, options.limit ?? null, chance.spread(1, 2_000))
    if (options.renew === 'manual' && chance.of(0.2)) return tell({ type: 'did', what: 'lease left to die' })
    await tell({ type: 'did', what: `release: ${await lease.release()}` })
  }

  async function lane(): Promise<void> {
    while (!stopped.aborted) {
      try {
        if (chance.of(0.01)) await reopen()
        else if (chance.of(0.02)) await block()
        else await once()
      } catch (error) {
        const expected = error === GIVEN_UP || EXPECTED.some(kind => error instanceof kind)
        if (expected)
          await tell({ type: 'did', what: error instanceof Error && error !== GIVEN_UP ? error.name : 'abort' })
        else
          await tell({
            type: 'surprise',
            worker: name,
            error: error instanceof Error ? (error.stack ?? '') : String(error),
          })
        await sleep(hostClock, chance.between(0, 20))
      }
    }
  }

  async function reopen(): Promise<void> {
    const old = locks
    locks = await connect()
    await tell({ type: 'did', what: 'close() under way' })
    await old.close({ drain: chance.pick([0, 50, 500]) })
  }

  /** Holds up the whole process, as a long computation does. */
  async function block(): Promise<void> {
    await tell({ type: 'did', what: 'event loop held up' })
    for (const end = hostClock.now() + chance.spread(20, 1_500); hostClock.now() < end;);
  }

  await Promise.all(Array.from({ length: LANES }, lane))
  await locks.close({ drain: 0 })
}

/** How somebody wants the lock this time, and what makes it give up. */
function wish(
  chance: Chance,
  key: (typeof KEYS)[number],
  { shared, limit, minTtlMs }: StoreTraits,
): { options: AcquireOptions; abort: AbortController } {
  const abort = new AbortController()
  if (chance.of(0.15)) {
    const when = chance.spread(1, 2_000)
    void sleep(hostClock, when, { idle: true, signal: abort.signal }).then(() => abort.abort(GIVEN_UP))
  }
  const base = {
    ttl: Math.round(chance.spread(Math.max(60, minTtlMs), LONGEST_TTL_MS)),
    wait: chance.pick([0, 100, 1_000, 4_000]),
    signal: abort.signal,
    renew: chance.of(0.3) ? ('manual' as const) : ('auto' as const),
    ...(chance.of(0.1) ? { maxHold: Math.round(chance.spread(100, 2_000)) } : {}),
  }
  if (key === 'pool' && limit) return { options: { ...base, mode: 'shared', limit: POOL }, abort }
  return { options: { ...base, mode: key === 'report' && shared && chance.of(0.6) ? 'shared' : 'exclusive' }, abort }
}

/** Long spells of good weather, short ones of bad. */
function weather(chance: Chance): Plan {
  let bad = 0
  return verb => {
    if (verb === 'listen' || verb === 'inspect' || verb === 'list' || verb === 'revoke') return null
    if (bad === 0 && chance.of(0.01)) bad = chance.whole(1, 20)
    if (bad === 0) return null
    bad -= 1
    return fault(chance)
  }
}

function fault(chance: Chance): Fault | null {
  const delayMs = chance.spread(5, 2 * STORE_TIMEOUT_MS)
  return chance.pick<Fault | null>([
    null,
    { kind: 'lose-request' },
    { kind: 'lose-reply' },
    { kind: 'delay-request', delayMs },
    { kind: 'delay-reply', delayMs },
    { kind: 'repeat' },
  ])
}

/** A driver that promises more time than the store has given: what the chaos must find. */
function believing(store: Store, moreMs: number): Store {
  const more = (entry: Entry): Entry => (entry.status === 'holds' ? { ...entry, leftMs: entry.leftMs + moreMs } : entry)
  return {
    ...store,
    enter: async (request, io) => more(await store.enter(request, io)),
    renew: async (renewals, io) =>
      (await store.renew(renewals, io)).map(answer =>
        answer.status === 'held' ? { ...answer, leftMs: answer.leftMs + moreMs } : answer,
      ),
  }
}
