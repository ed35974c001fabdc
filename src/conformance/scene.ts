/**
 * What one case works with: stores over a storage of its own, visitors who enter and leave, and lengths of time that
 * fit the store. Cases share nothing, so the order in which they run does not matter.
 *
 * A store's clock cannot be moved from outside, so the cases wait in real time. They claim that something did not
 * happen too early, and look for what must come until long after it should have: a slow machine makes a case slow, not
 * red.
 */
import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { StoreUnavailableError } from '../base/errors.ts'
import { sleep, systemClock } from '../base/clock.ts'
import { createLocks } from '../locks/locks.ts'
import type { Locks, LocksOptions } from '../locks/types.ts'
import type { Entry, Io, Renewal, Store, StoreTraits, TicketRequest, Was } from '../store/contract.ts'
import { faultyStore } from './faulty.ts'
import type { Plan } from './faulty.ts'

/** Makes a store over `storage`. Two stores of one name are two processes on the same data; an unused name is empty. */
export type MakeStore = (storage: string) => Promise<Store>

export interface Hooks {
  /**
   * Stops the store's server and starts it again with the data that it keeps. The stores of the case are closed before
   * and made anew after.
   */
  restart?(): Promise<void>
  /** Destroys all that the storage holds, as a FLUSHALL or a dropped table would. */
  wipe?(storage: string): Promise<void>
  /**
   * Keeps the store's own lock of this key's record for so long (a row lock, a transaction on the file), so that calls
   * that are sent meanwhile wait for it. May resolve when it is kept, or when it is over.
   */
  hold?(storage: string, key: string, ms: number): Promise<void>
  /** How long to look for what must come, before the case fails. Default: 10 s, more with a longer least ttl. */
  readonly patienceMs?: number
  /** How long the first call of a new store may take, since it connects. Default 0. */
  readonly coldMs?: number
  /**
   * The shortest ttl that the cases try, where the way to the store is too long for what its traits allow. Default:
   * `traits.minTtlMs`.
   */
  readonly leastTtlMs?: number
  /** How many cases run at once. Default: 8, more with a longer least ttl, since they wait so much longer. */
  readonly atOnce?: number
}

/** All calls of the cases carry this deadline. */
export const IO: Io = { timeoutMs: 5_000 }

export interface Times {
  /** The shortest lease worth trying. */
  readonly tinyMs: number
  /** A life that the case lets run out. */
  readonly shortMs: number
  /** A life that runs out within the case unless it is prolonged, and long enough to do so. */
  readonly steadyMs: number
  /** A life whose renewals, or whose first one by hand, are in time though the machine stands still for a moment. */
  readonly sureMs: number
  /** A life that outlasts the case. */
  readonly longMs: number
  /** A deadline for calls that are going to meet a fault: short, but not too short for a server in good health. */
  readonly callMs: number
  /** How long to look for what must come. */
  readonly patienceMs: number
  /** The case is given up after this. */
  readonly guardMs: number
  /** How many cases run side by side. */
  readonly atOnce: number
}

export function timesFor(traits: StoreTraits, hooks: Hooks = {}): Times {
  const { coldMs = 0, leastTtlMs = 0 } = hooks
  const least = Math.max(traits.minTtlMs, leastTtlMs)
  const shortMs = Math.max(120, least)
  const steadyMs = Math.max(300, least, Math.min(3 * least, 900))
  return {
    tinyMs: Math.max(20, least),
    shortMs,
    steadyMs,
    sureMs: Math.max(4_000, 3 * steadyMs),
    longMs: Math.max(60_000, 20 * least),
    callMs: 50 + coldMs,
    patienceMs: hooks.patienceMs ?? 10_000 + 4 * shortMs + 2 * coldMs,
    guardMs: 30_000 + 20 * shortMs + 20 * coldMs,
    atOnce: shortMs > 500 ? 32 : 8,
  }
}

/** Who wants the lock: one id, and the request that it makes. */
export interface Visitor {
  readonly id: string
  readonly request: TicketRequest
  enter(change?: Partial<TicketRequest>): Promise<Entry>
  renew(ttlMs?: number): Promise<Renewal>
  leave(how?: { readonly keepMs?: number; readonly forbidMs?: number }): Promise<Was>
}

export interface Scene {
  readonly times: Times
  readonly hooks: Hooks
  readonly storage: string
  /** One more process on the case's storage, or on another one. */
  store(storage?: string): Promise<Store>
  /** The locks of one more process; `faults` lie between it and its store. */
  locks(options?: LocksOptions & { readonly faults?: Plan }): Promise<Locks>
  /** Closes the stores made so far, as a process that ends in good order. */
  closeAll(): Promise<void>
}

/** The scene of one case, and how to strike it. */
export function openScene(first: Store, storage: string, make: MakeStore, hooks: Hooks): Scene {
  const open: Store[] = [first]
  const running: Locks[] = []
  let fresh: Store | null = first
  const scene: Scene = {
    times: timesFor(first.traits, hooks),
    hooks,
    storage,
    async store(other = storage) {
      const made = other === storage && fresh !== null ? fresh : await make(other)
      if (made === fresh) fresh = null
      else open.push(made)
      // As the core does: cases that call a store themselves have windows too.
      await made.connect?.(IO)
      return made
    },
    async locks({ faults, ...options } = {}) {
      const made = await scene.store()
      const locks = createLocks(faults === undefined ? made : faultyStore(made, faults), {
        holder: `process ${running.length + 1}`,
        ttl: scene.times.longMs,
        ...options,
      })
      running.push(locks)
      return locks
    },
    async closeAll() {
      fresh = null
      await Promise.all(running.splice(0).map(locks => locks.close({ drain: 0 })))
      await Promise.all(open.splice(0).map(store => store.close()))
    },
  }
  return scene
}

/** The key of cases that need but one. */
export const KEY = 'account:7'

/** Somebody new, with a long life unless the case says otherwise. */
export function visitor(scene: Scene, store: Store, holder: string, wish: Partial<TicketRequest> = {}): Visitor {
  const { longMs } = scene.times
  const request: TicketRequest = {
    key: KEY,
    id: randomUUID(),
    holder,
    mode: 'exclusive',
    limit: null,
    ttlMs: longMs,
    waiterTtlMs: longMs,
    queue: true,
    tokens: 1,
    meta: {},
    ...wish,
  }
  const { id, key } = request
  return {
    id,
    request,
    enter: change => store.enter({ ...request, ...change }, IO),
    async renew(ttlMs = request.ttlMs) {
      const [answer, ...more] = await store.renew([{ key, id, ttlMs }], IO)
      if (answer === undefined || more.length > 0)
        throw new assert.AssertionError({ message: 'one renewal must have one answer' })
      return answer
    },
    leave: async ({ keepMs = 0, forbidMs = 0 } = {}) => (await store.leave({ key, id, keepMs, forbidMs }, IO)).was,
  }
}

/** Round and round: the item of that turn. */
export function turn<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length]
  if (item === undefined) throw new assert.AssertionError({ message: 'nobody is there to take turns' })
  return item
}

export const wait = (delayMs: number): Promise<void> => sleep(systemClock, delayMs)
export const clock = systemClock

/**
 * Asks again and again until the answer is there, and gives it. Fails with `what` when patience is at an end. A look
 * that the store did not answer in time says nothing.
 */
export async function until<T>(
  scene: Scene,
  what: string,
  probe: () => Promise<T | null | undefined | false>,
): Promise<T> {
  const start = clock.now()
  for (;;) {
    const found = await probe().catch(unanswered)
    if (found !== null && found !== undefined && found !== false) return found
    if (clock.now() - start > scene.times.patienceMs)
      throw new assert.AssertionError({ message: `waited ${Math.round(clock.now() - start)} ms in vain: ${what}` })
    await wait(Math.max(4, scene.times.shortMs / 40))
  }
}

function unanswered(error: unknown): null {
  if (error instanceof StoreUnavailableError) return null
  throw error
}

/** Waits until the store itself no longer shows this holder under the key. */
export async function gone(scene: Scene, store: Store, who: Visitor): Promise<void> {
  await until(scene, `${who.request.holder} is gone from the queue`, async () => {
    const lock = await store.inspect(who.request.key, IO)
    return lock === null || [...lock.holders, ...lock.waiters].every(ticket => ticket.holder !== who.request.holder)
  })
}

/** Makes the visitor enter again and again, as a waiter's heartbeat does, until it holds. */
export function comesToHold(scene: Scene, who: Visitor, change: Partial<TicketRequest> = {}): Promise<Holding> {
  return until(scene, `${who.request.holder} comes to hold`, async () => {
    const entry = await who.enter(change)
    return entry.status === 'holds' && entry
  })
}

/** What lasts `ms` at the store is not over before this: the window that the library itself relies on. */
export function notBefore({ traits }: Pick<Store, 'traits'>, ms: number): number {
  return ms * 0.99 - 2 - traits.clockErrorMs
}

/** Each number is greater than the one before. */
export function assertGrow(
  numbers: readonly number[],
  message = 'every token must be greater than the one before',
): void {
  const sorted = [...new Set(numbers)].toSorted((a, b) => a - b)
  assert.deepEqual(numbers, sorted, message)
}

export type Holding = Extract<Entry, { readonly status: 'holds' }>
export type Waiting = Extract<Entry, { readonly status: 'waits' }>

export function holds(entry: Entry): Holding {
  if (entry.status !== 'holds') throw unexpected(entry, 'holds')
  return entry
}

export function waits(entry: Entry): Waiting {
  if (entry.status !== 'waits') throw unexpected(entry, 'waits')
  return entry
}

export function refused(entry: Entry): Extract<Entry, { readonly status: 'refused' }> {
  if (entry.status !== 'refused') throw unexpected(entry, 'refused')
  return entry
}

export function forbidden(entry: Entry): Extract<Entry, { readonly status: 'forbidden' }> {
  if (entry.status !== 'forbidden') throw unexpected(entry, 'forbidden')
  return entry
}

/** The ticket is no longer there, and asking has not brought it back. */
export function isGone(entry: Entry): void {
  if (entry.status !== 'gone') throw unexpected(entry, 'gone')
}

export function held(renewal: Renewal): Extract<Renewal, { readonly status: 'held' }> {
  if (renewal.status !== 'held') throw unexpected(renewal, 'held')
  return renewal
}

export function lost(renewal: Renewal): Extract<Renewal, { readonly status: 'lost' }> {
  if (renewal.status !== 'lost') throw unexpected(renewal, 'lost')
  return renewal
}

function unexpected(actual: { readonly status: string }, expected: string): assert.AssertionError {
  return new assert.AssertionError({
    message: `expected "${expected}", but the store answered ${JSON.stringify(actual)}`,
    actual: actual.status,
    expected,
    operator: 'status',
  })
}
