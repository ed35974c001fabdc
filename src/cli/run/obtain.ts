/** Gets the lock for `holdfast run`, and says whom it waits for. */
import { sleep, systemClock } from '../../base/clock.ts'
import { humanMs } from '../../base/duration.ts'
import { LeaseLostError, WaitTimeoutError } from '../../base/errors.ts'
import type { Lease, Locks } from '../../locks/types.ts'
import { brief } from '../exit.ts'
import type { Reporter } from './report.ts'
import { mayWait, wantedOf } from './run-options.ts'
import type { RunOptions } from './run-options.ts'
import { heldBy } from '../../base/text.ts'

const REMINDER_MS = 60_000

export interface Wish {
  readonly key: string
  readonly options: RunOptions
  readonly reporter: Reporter
  /** Ends the waiting. */
  readonly signal: AbortSignal
}

/**
 * One attempt first: it tells an unreachable store (which the wait would outlast) from a lock that is held, and by
 * whom. null: somebody else holds it, which has been said.
 */
export async function obtain(locks: Locks, { key, options, reporter, signal }: Wish): Promise<Lease | null> {
  const wanted = wantedOf(options)
  const lease = await locks.tryAcquire(key, wanted)
  if (lease !== null) return lease
  signal.throwIfAborted()
  const view = await locks.inspect(key)
  if (!mayWait(options)) {
    const holders = view?.holders ?? []
    reporter.say('refused', `"${key}" is ${heldBy(holders)}`, { key, holders })
    return null
  }
  const { holders = [], waiters = [] } = view ?? {}
  const queue = waiters.length === 0 ? '' : `, ${waiters.length} in front`
  reporter.say('waiting', `waiting for "${key}", ${heldBy(holders)}${queue}`, { key, holders, ahead: waiters.length })
  let told = false
  const unsubscribe = locks.on('store-error', ({ cause }) => {
    if (!told) reporter.say('store-error', `the store fails (${brief(cause)}); still waiting for "${key}"`, { key })
    told = true
  })
  const over = new AbortController()
  void remind(locks, { key, reporter, signal: over.signal })
  try {
    return await locks.acquire(key, { ...wanted, wait: options.wait ?? Infinity, signal })
  } catch (error) {
    if (error instanceof LeaseLostError) {
      reporter.say('revoked', error.message, { key })
      return null
    }
    if (!(error instanceof WaitTimeoutError)) throw error
    reporter.say('timed-out', `gave up on "${key}" after ${humanMs(error.waitedMs)}: ${heldBy(error.holders)}`, {
      key,
      waitedMs: error.waitedMs,
      holders: error.holders,
    })
    return null
  } finally {
    over.abort()
    unsubscribe()
  }
}

/** Whoever looks into a log, or at a terminal, must see that it still waits, and for whom. Never rejects. */
async function remind(locks: Locks, { key, reporter, signal }: Omit<Wish, 'options'>): Promise<void> {
  for (;;) {
    await sleep(systemClock, REMINDER_MS, { signal, idle: true })
    if (signal.aborted) return
    const view = await locks.inspect(key).catch(() => null)
    // Free, and about to be ours; or the store fails, which has been said.
    if (view === null || signal.aborted) continue
    const waiting = view.waiters.length
    const text = `still waiting for "${key}", ${heldBy(view.holders)}, ${waiting} waiting in all`
    reporter.say('still-waiting', text, { key, holders: view.holders, waiting })
  }
}
