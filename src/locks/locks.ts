/** The locks of one store: gives the core the public shape. */
import { fromCaller } from '../core/caller.ts'
import { holdingKeys } from '../core/chain.ts'
import { systemClock } from '../base/clock.ts'
import type { Clock } from '../base/clock.ts'
import { milliseconds } from '../base/duration.ts'
import { createEngine } from '../core/engine.ts'
import { ConfigurationError, LeaseLostError } from '../base/errors.ts'
import { createEvents } from '../core/events.ts'
import type { LockEvent } from '../core/types.ts'
import { openJournal } from '../journal/write.ts'
import type { Journal } from '../journal/write.ts'
import { normalKey } from '../base/key.ts'
import { refuseUnknown } from '../base/options.ts'
import { requestOf, revocationOf, settingsOf } from './settings.ts'
import type {
  AcquireOptions,
  Lease,
  LeaseSet,
  Lock,
  LockOptions,
  Locks,
  LocksOptions,
  Ran,
  Task,
  TryOptions,
} from './types.ts'
import { createElection } from './election.ts'
import { createLeaseSet, lossOf } from './lease-set.ts'
import { checkStore } from './traits.ts'
import type { Store } from '../store/contract.ts'

const DRAIN_MS = 10_000

/**
 * Locks over a store of one's own choice. Connects at the first use.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { memoryStore } from 'holdfast/memory'
 *
 * const locks = createLocks(memoryStore(), { ttl: '5s' })
 * ```
 */
export function createLocks(store: Store, options: LocksOptions = {}): Locks {
  return createLocksOn(systemClock, store, options)
}

/** The same on another clock: for tests and the simulation. */
export function createLocksOn(clock: Clock, store: Store, options: LocksOptions = {}): Locks {
  checkStore(store)
  const { traits } = store
  const settings = settingsOf(options, traits)
  const usual = { settings, traits }
  const events = createEvents()
  const journal = options.journal === undefined ? undefined : openJournal(options.journal, settings.holder)
  if (journal !== undefined) events.all(event => journalize(journal, event, settings.holder))
  const engine = createEngine(store, { clock, settings, events })

  // ---------------------------------------------------------------- one key

  async function acquire(key: string, options: AcquireOptions = {}): Promise<Lease> {
    const request = requestOf(key, options, usual)
    try {
      return await engine.acquire(request)
    } catch (error) {
      throw fromCaller(error, acquire)
    }
  }

  async function attempt(key: string, options: TryOptions): Promise<Lease | Extract<Ran<never>, { ran: false }>> {
    const { wanted, signal } = requestOf(key, options, usual)
    try {
      const result = await engine.tryAcquire(wanted, signal)
      return 'ticket' in result ? { ran: false, holders: result.holders, retryMs: result.retryMs } : result
    } catch (error) {
      throw fromCaller(error, attempt)
    }
  }

  async function tryAcquire(key: string, options: TryOptions = {}): Promise<Lease | null> {
    const result = await attempt(key, options)
    return 'ran' in result ? null : result
  }

  async function run<T>(key: string, ...rest: [Task<Lease, T>] | [AcquireOptions, Task<Lease, T>]): Promise<T> {
    const [options, task] = optionsAndTask(rest)
    const lease = await acquire(key, options)
    return perform([lease.key], lease, task)
  }

  async function tryRun<T>(key: string, ...rest: [Task<Lease, T>] | [TryOptions, Task<Lease, T>]): Promise<Ran<T>> {
    const [options, task] = optionsAndTask<TryOptions, Lease, T>(rest)
    const result = await attempt(key, options)
    return 'ran' in result ? result : { ran: true, value: await perform([result.key], result, task) }
  }

  // ---------------------------------------------------------------- several keys

  async function acquireAll(keys: readonly string[], options: AcquireOptions = {}): Promise<LeaseSet> {
    if (!Array.isArray(keys) || keys.length === 0) throw new ConfigurationError('acquireAll needs at least one key.')
    const requests = [...new Set(keys.map(key => normalKey(key)))].map(key => requestOf(key, options, usual))
    // One order for all who want several keys, by bytes and not by locale: nobody can wait in a circle.
    requests.sort((a, b) => Buffer.compare(Buffer.from(a.wanted.key), Buffer.from(b.wanted.key)))
    const leases: Lease[] = []
    const mode = requests[0]?.wanted.mode ?? 'exclusive'
    const start = clock.now()
    try {
      for (const { wanted, waitMs, signal, share } of requests) {
        const leftMs = waitMs === 0 ? 0 : Math.max(1, waitMs - (clock.now() - start))
        leases.push(await engine.acquire({ wanted, waitMs: leftMs, signal, share }))
      }
      const set = createLeaseSet(leases, mode)
      // While the last key was waited for, the first ones' windows ran on.
      set.assertHeld()
      if (requests[0]?.wanted.autoRenew === true)
        await Promise.all(leases.map((lease, index) => lease.ensure((requests[index]?.wanted.ttlMs ?? 0) / 3)))
      set.assertHeld()
      return set
    } catch (error) {
      const shown = fromCaller(error, acquireAll)
      await Promise.all(leases.map(lease => lease.release()))
      throw shown
    }
  }

  async function runAll<T>(
    keys: readonly string[],
    ...rest: [Task<LeaseSet, T>] | [AcquireOptions, Task<LeaseSet, T>]
  ): Promise<T> {
    const [options, task] = optionsAndTask(rest)
    const set = await acquireAll(keys, options)
    return perform([...set.tokens.keys()], set, task)
  }

  // ---------------------------------------------------------------- for operators

  async function inspect(key: string): ReturnType<Locks['inspect']> {
    const name = normalKey(key)
    return engine.ask({ verb: 'inspect', key: name }, io => store.inspect(name, io))
  }

  async function close(drainMs: number): Promise<void> {
    await engine.close(drainMs)
    events.close()
    journal?.close()
  }

  function lock(key: string, base: AcquireOptions = {}): Lock {
    const name = requestOf(key, base, usual).wanted.key
    return {
      key: name,
      acquire: options => acquire(name, { ...base, ...options }),
      tryAcquire: options => tryAcquire(name, { ...base, ...options }),
      run<T>(...rest: [Task<Lease, T>] | [LockOptions, Task<Lease, T>]) {
        const [options, task] = optionsAndTask<LockOptions, Lease, T>(rest)
        return run(name, { ...base, ...options }, task)
      },
      tryRun<T>(...rest: [Task<Lease, T>] | [Omit<LockOptions, 'wait'>, Task<Lease, T>]) {
        const [options, task] = optionsAndTask<Omit<LockOptions, 'wait'>, Lease, T>(rest)
        return tryRun(name, { ...base, ...options }, task)
      },
    }
  }

  return {
    traits,
    lock,
    semaphore: (key, limit, options = {}) => lock(key, { ...options, mode: 'shared', limit }),
    readWrite: (key, options = {}) => ({
      read: lock(key, { ...options, mode: 'shared' }),
      write: lock(key, { ...options, mode: 'exclusive' }),
    }),
    acquire,
    tryAcquire,
    run,
    tryRun,
    acquireAll,
    runAll,
    async once(key, options, task) {
      if (options?.minHold === undefined)
        throw new ConfigurationError(`once("${key}") needs minHold: how long nobody else may run it.`)
      return tryRun(key, options, task)
    },
    election: (key, options = {}) => createElection({ acquire, inspect }, { clock, key: normalKey(key) }, options),
    inspect,
    async *list(prefix = '') {
      engine.refuseWhenClosed('list')
      yield* store.list(prefix.normalize('NFC'), { timeoutMs: settings.storeTimeoutMs })
    },
    async revoke(key, options) {
      const name = normalKey(key)
      const request = revocationOf(options)
      return engine.ask({ verb: 'revoke', key: name }, io => store.revoke(name, request, io))
    },
    on: (type, listener) => events.on(type, listener),
    async close(options = {}) {
      refuseUnknown(options, { drain: true }, 'close')
      const drainMs = milliseconds(options.drain ?? DRAIN_MS, 'drain', { infinite: true })
      await close(drainMs)
    },
    async [Symbol.asyncDispose]() {
      await close(DRAIN_MS)
    },
  }
}

function optionsAndTask<O extends object, L, T>(
  rest: [Task<L, T>] | [O, Task<L, T>],
): [O | Record<string, never>, Task<L, T>] {
  const [options, task] = rest.length === 1 ? [{}, rest[0]] : rest
  if (typeof task !== 'function')
    throw new ConfigurationError('run needs a task: a function that is called while the lock is held.')
  return [options ?? {}, task]
}

/** Runs the task and releases, whatever comes of it; tells if the lease was lost by then. */
async function perform<L extends Pick<Lease, 'release' | 'assertHeld'>, T>(
  keys: readonly string[],
  lease: L,
  task: Task<L, T>,
): Promise<T> {
  const outcome = await holdingKeys(keys, () => settled(lease, task))
  const lost = lossOf(lease)
  const result = await lease.release()
  if (lost !== null || result === 'lost') {
    const { token = 0, reason = 'gone' } = lost ?? {}
    const key = keys.join('", "')
    throw new LeaseLostError(
      lost?.message ??
        `The lease of "${key}" was gone from the store when its task ended: somebody else may have held it meanwhile.`,
      {
        ...{ key, token, reason, outcome },
        cause: outcome.status === 'rejected' ? outcome.reason : undefined,
      },
    )
  }
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}

/** A `waiting` event names who holds; in a journal `holder` is who wrote the line. An end is written where it was. */
function journalize(journal: Journal, event: LockEvent, holder: string): void {
  if (event.type === 'waiting') return journal.write({ ...event, holder, heldBy: event.holder })
  if (event.type !== 'released' && event.type !== 'lost') return journal.write({ ...event })
  const { agoMs, ...entry } = event
  journal.write(entry, agoMs)
}

async function settled<L, T>(lease: L, task: Task<L, T>): Promise<PromiseSettledResult<T>> {
  try {
    return { status: 'fulfilled', value: await task(lease) }
  } catch (reason) {
    return { status: 'rejected', reason }
  }
}
