/** Gets the lock for `holdfast run`, and says whom it waits for. */
import { humanMs, milliseconds } from '../../base/duration.ts'
import { LeaseLostError, WaitTimeoutError } from '../../base/errors.ts'
import type { Lease, Locks } from '../../locks/types.ts'
import { brief } from '../exit.ts'
import type { Reporter } from './report.ts'
import { wantedOf } from './run-options.ts'
import type { RunOptions } from './run-options.ts'
import { heldBy } from '../../base/text.ts'

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
  const holders = view?.holders ?? []
  if (options.nonblock === true || (options.wait !== undefined && milliseconds(options.wait, '--wait') === 0)) {
    reporter.say('refused', `"${key}" is ${heldBy(holders)}`, { key, holders })
    return null
  }
  reporter.say('waiting', `waiting for "${key}", ${heldBy(holders)}${queueOf(view?.waiters.length ?? 0)}`, {
    key,
    holders,
    ahead: view?.waiters.length ?? 0,
  })
  let told = false
  const unsubscribe = locks.on('store-error', ({ cause }) => {
    if (!told) reporter.say('store-error', `the store fails (${brief(cause)}); still waiting for "${key}"`, { key })
    told = true
  })
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
    unsubscribe()
  }
}

function queueOf(waiters: number): string {
  return waiters === 0 ? '' : `, ${waiters} in front`
}
