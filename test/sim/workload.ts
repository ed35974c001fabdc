/**
 * What the tasks of a process do with the public interface: acquire, run, try, several keys, elections, revoke, abort,
 * close. They behave as users do: most stop when their lease is lost, some go on for a while.
 *
 * Every call has an instant by which it must have settled, counted in the time in which its process ran.
 */
import type { AcquireOptions, Lease, LeaseSet, LockOptions, Locks } from '../../src/locks/types.ts'
import type { Oracle, Terms } from './oracle.ts'
import type { Key, Plan } from './plan.ts'
import type { Process, World } from './world.ts'

export interface Member {
  readonly process: Process
  readonly locks: Locks
  readonly ttlMs: number
  /** Calls that have not settled. */
  readonly open: ReadonlySet<string>
  /** It was closed while the world was still at work: what it then held may run out by itself. */
  readonly closedEarly: boolean
  /** Its tasks start nothing new. */
  stop(): void
  close(drainMs: number): Promise<void>
}

/** A store's call may take so much longer than its deadline, by our own deadline around it. */
const OVERDUE = { part: 1.2, ms: 25 }
/** Who held it is asked for so long at most when a wait is over. */
const ASK_MS = 325
const SLACK_MS = 15
const EXPECTED = new Set(['WaitTimeoutError', 'StoreUnavailableError', 'LeaseLostError', 'ClosedError'])

/** The key of the office that is contended for. */
export const ELECTION = 'election'

interface Wish {
  readonly key: Key
  readonly terms: Terms
  readonly waitMs: number
  readonly options: AcquireOptions
}

/** A task that waits, among those of its process that wait for the same in the same way. */
interface Place {
  /** It has a lease: it must have been the first who still waits. */
  served(): void
  left(): void
}

export interface Membership {
  readonly process: Process
  readonly locks: Locks
  readonly ttlMs: number
  readonly fair: 'strict' | 'cohort'
}

export function createMember(world: World, oracle: Oracle, plan: Plan, membership: Membership): Member {
  const { process, locks, ttlMs, fair } = membership
  const { chance } = world
  const open = new Set<string>()
  const aborts = new Set<unknown>()
  const callMs = plan.storeTimeoutMs * OVERDUE.part + OVERDUE.ms + SLACK_MS
  let calls = 0
  let stopping = false
  let closed = false
  let closedEarly = false

  oracle.watch(process, locks)

  /** Watches over a call: it settles, in time, with a value or an error that is one of ours. */
  async function settles<T>(what: string, boundMs: number, call: () => Promise<T>): Promise<T | null> {
    const name = `${process.name} ${what} #${(calls += 1)}`
    const since = world.now
    const pausedMs = process.pausedMs
    open.add(name)
    try {
      return await call()
    } catch (error) {
      if (!isExpected(error))
        world.fail(`${name} rejected with ${error instanceof Error ? error.stack : String(error)}`)
      return null
    } finally {
      open.delete(name)
      const tookMs = world.now - since - (process.pausedMs - pausedMs)
      if (tookMs > boundMs * 1.01) world.fail(`${name} settled after ${tookMs} ms, and had ${boundMs}`)
    }
  }

  function isExpected(error: unknown): boolean {
    return aborts.has(error) || (error instanceof Error && EXPECTED.has(error.name))
  }

  function wishFor(key: Key): Wish {
    const shared =
      key.use === 'semaphore' || (key.use === 'readers' && chance.of(0.7)) || (key.use === 'mixed' && chance.of(0.5))
    const limit = key.use === 'semaphore' || (key.use === 'mixed' && shared && chance.of(0.5)) ? key.limit : null
    const plain = chance.of(plan.plain)
    const own = !plain && chance.of(0.4)
    const chosenTtl = own ? chance.pick(plan.ttlsMs) : ttlMs
    const maxHoldMs = !plain && chance.of(0.1) ? chance.spread(10, 2 * chosenTtl) : Infinity
    const minHoldMs = !plain && !shared && chance.of(0.08) ? chance.spread(10, 1_000) : 0
    const autoRenew = plain || !chance.of(0.2)
    const waitMs = chance.pick([Infinity, Infinity, plan.holdMs, plan.holdMs * 10, 30_000, 0])
    const options: LockOptions = {
      ...{ wait: waitMs, renew: autoRenew ? 'auto' : 'manual' },
      ...(own ? { ttl: chosenTtl } : {}),
      ...(maxHoldMs === Infinity ? {} : { maxHold: maxHoldMs }),
      ...(minHoldMs === 0 ? {} : { minHold: minHoldMs, meta: { kept: String(minHoldMs) } }),
    }
    const terms: Terms = {
      mode: shared ? 'shared' : 'exclusive',
      limit,
      ttlMs: chosenTtl,
      maxHoldMs,
      minHoldMs,
      autoRenew,
    }
    return { key, terms, waitMs, options: limit === null ? { ...options, mode: terms.mode } : { ...options, limit } }
  }

  const lines = new Map<string, Set<{ readonly untilMs: number }>>()

  function stand({ key, terms, waitMs }: Wish): Place {
    const shares =
      fair === 'cohort' &&
      terms.mode === 'exclusive' &&
      terms.autoRenew &&
      terms.maxHoldMs === Infinity &&
      terms.minHoldMs === 0 &&
      waitMs > 0
    const name = `${key.name} ${terms.ttlMs}`
    const line = lines.get(name) ?? new Set()
    lines.set(name, line)
    const own = { untilMs: world.now + waitMs - SLACK_MS }
    if (shares) line.add(own)
    return {
      served() {
        if (!line.has(own)) return
        for (const other of line) {
          if (other === own) break
          if (world.now < other.untilMs)
            world.fail(`${process.name} served a task that waits for ${key.name} before one that came earlier`)
        }
        line.delete(own)
      },
      left: () => void line.delete(own),
    }
  }

  const waitBound = ({ waitMs }: Wish): number => (waitMs === 0 ? callMs : waitMs + ASK_MS + SLACK_MS)

  /** Only who has a maxHold may be told that it ends before. */
  async function unlessMaxHold(terms: Terms, renewed: Promise<void>): Promise<void> {
    await renewed.catch((error: unknown) => {
      if (terms.maxHoldMs === Infinity || !(error instanceof Error) || error.name !== 'ConfigurationError') throw error
    })
  }

  /** Works under a lease; a lost one ends the work of most. */
  async function work(lease: Lease | LeaseSet, terms: Terms): Promise<void> {
    oracle.began(process, lease, terms)
    const heedless = chance.of(0.1)
    let leftMs = chance.of(0.1)
      ? Math.min(plan.longestHoldMs, chance.between(1, 2.5) * terms.ttlMs)
      : plan.holdMs * chance.between(0, 2)
    while (leftMs > 0 && (heedless || !lease.signal.aborted)) {
      const stepMs = Math.min(leftMs, chance.spread(1, Math.max(2, plan.holdMs)))
      leftMs -= stopping ? Infinity : stepMs
      await process.sleep(stepMs)
      if (!terms.autoRenew && chance.of(0.6))
        await settles('renew', plan.storeTimeoutMs + SLACK_MS, () => lease.renew())
      if (chance.of(0.03)) {
        const ttlMs = Math.max(1, terms.ttlMs * chance.between(0.3, 1.5))
        await settles('renew', plan.storeTimeoutMs + SLACK_MS, () => unlessMaxHold(terms, lease.renew(ttlMs)))
      }
      if (chance.of(0.03)) {
        const minMs = terms.ttlMs * chance.between(0.1, 0.9)
        await settles('ensure', 4 * plan.storeTimeoutMs + SLACK_MS, () =>
          unlessMaxHold(
            terms,
            lease.ensure(minMs).then(() => {
              if (lease.remaining() < minMs) world.fail(`${process.name} was sure of ${minMs} ms, and is not`)
            }),
          ),
        )
      }
    }
  }

  async function release(lease: Lease | LeaseSet): Promise<void> {
    await settles('release', callMs, async () => {
      const released = lease.release()
      // No longer its own from this moment on, whatever the store says.
      if (lease.remaining() > 0) world.fail(`${process.name} still believes in a lease that it releases`)
      oracle.ended(lease)
      await released
    })
  }

  async function acquire(wish: Wish): Promise<void> {
    const abortMs = chance.of(0.1) ? chance.spread(1, plan.holdMs * 4) : Infinity
    const controller = new AbortController()
    const reason = new Error('the task no longer wants it')
    const place = stand(wish)
    let aborted = Infinity
    if (abortMs !== Infinity) {
      aborts.add(reason)
      process.clock.after(abortMs, () => {
        aborted = world.now
        place.left()
        controller.abort(reason)
      })
    }
    const lease = await settles(`acquire ${wish.key.name} wait ${wish.waitMs}`, waitBound(wish), () =>
      locks.acquire(wish.key.name, { ...wish.options, signal: controller.signal }),
    )
    if (wish.waitMs > 0 && world.now > aborted + SLACK_MS && process.resumedAt < aborted)
      world.fail(`${process.name} settled ${world.now - aborted} ms after its wait was cancelled`)
    if (lease === null) return place.left()
    place.served()
    await work(lease, wish.terms)
    await release(lease)
  }

  async function run(wish: Wish): Promise<void> {
    const place = stand(wish)
    let lost = false
    const ran = await settles(`run ${wish.key.name}`, Infinity, () =>
      locks.run(wish.key.name, wish.options, async lease => {
        place.served()
        await work(lease, wish.terms)
        lost = lease.state === 'lost'
        oracle.ended(lease)
        return true
      }),
    )
    place.left()
    if (ran === true && lost)
      world.fail(`${process.name}: run of "${wish.key.name}" resolved though its lease was lost`)
  }

  async function attempt(wish: Wish): Promise<void> {
    const lease = await settles(`tryAcquire ${wish.key.name}`, callMs, () =>
      locks.tryAcquire(wish.key.name, wish.options),
    )
    if (lease === null) return
    await work(lease, wish.terms)
    await release(lease)
  }

  async function several(wish: Wish): Promise<void> {
    const keys = plan.keys.filter(key => key.use !== 'semaphore').map(key => key.name)
    if (keys.length === 0) return
    const terms: Terms = { ...wish.terms, mode: 'exclusive', limit: null, maxHoldMs: Infinity, minHoldMs: 0 }
    const options: LockOptions = { wait: wish.waitMs, renew: terms.autoRenew ? 'auto' : 'manual', ttl: terms.ttlMs }
    const bound = wish.waitMs === 0 ? keys.length * callMs : waitBound(wish)
    const set = await settles(`acquireAll ${keys.join(' ')}`, bound + plan.storeTimeoutMs + callMs, () =>
      locks.acquireAll(keys, options),
    )
    if (set === null) return
    await work(set, terms)
    await release(set)
  }

  async function lead(): Promise<void> {
    const terms: Terms = { mode: 'exclusive', limit: null, ttlMs, maxHoldMs: Infinity, minHoldMs: 0, autoRenew: true }
    const stop = new AbortController()
    process.clock.after(chance.spread(10, plan.holdMs * 10), () => stop.abort())
    await settles('lead', Infinity, () =>
      locks.election(ELECTION, { value: process.name }).lead(
        async lease => {
          await work(lease, terms)
          oracle.ended(lease)
        },
        { signal: stop.signal },
      ),
    )
  }

  async function operate(key: Key): Promise<void> {
    if (chance.of(0.5)) await settles('inspect', callMs, () => locks.inspect(key.name))
    else
      await settles('revoke', callMs, () =>
        locks.revoke(key.name, { reason: 'test', tickets: chance.pick(['holders', 'all']), now: chance.of(0.3) }),
      )
  }

  async function act(): Promise<void> {
    const key = plan.keys[chance.whole(0, plan.keys.length - 1)]
    if (key === undefined) return
    const what = chance.unit()
    if (what < 0.5) await acquire(wishFor(key))
    else if (what < 0.72) await run(wishFor(key))
    else if (what < 0.82) await attempt(wishFor(key))
    else if (what < 0.92) await several(wishFor(key))
    else if (what < 0.95) await lead()
    else await operate(key)
  }

  async function task(): Promise<void> {
    await process.sleep(chance.between(0, plan.thinkMs))
    while (!stopping && !closed) {
      await act()
      await process.sleep(chance.between(0, 2 * plan.thinkMs) + 0.01)
    }
  }

  for (let index = 0; index < plan.tasksEach; index += 1) {
    task().catch((error: unknown) =>
      world.fail(`a task failed: ${error instanceof Error ? error.stack : String(error)}`),
    )
  }

  return {
    process,
    locks,
    ttlMs,
    open,
    get closedEarly() {
      return closedEarly
    },
    stop() {
      stopping = true
    },
    async close(drainMs) {
      closed = true
      closedEarly = !stopping
      await settles('close', drainMs + plan.storeTimeoutMs + SLACK_MS, () => locks.close({ drain: drainMs }))
    },
  }
}
