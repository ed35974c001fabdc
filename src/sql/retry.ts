/**
 * A transaction that the database, or a version, has refused is run again from its beginning: nothing of it was done.
 *
 * The wait is random and its bound doubles ("full jitter", Brooker, "Exponential Backoff And Jitter", 2015), so that
 * those who met do not meet again.
 */
import { sleep, systemClock } from '../base/clock.ts'
import { ConfigurationError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { isConflict } from './failures.ts'

export interface RetryOptions {
  /** How often in all. Default 10. */
  readonly attempts?: number
  /** Ends the waits and begins no further attempt. It does not reach into one: hand it to the task for that. */
  readonly signal?: AbortSignal
}

const ATTEMPTS = 10
const FIRST_WAIT_MS = 10
const LONGEST_WAIT_MS = 1_000

/**
 * Runs `task`, a whole transaction of its own from BEGIN to COMMIT, and again after a random wait when it met a
 * deadlock, a serialization failure, a busy SQLite file, MySQL's limit for row locks or a VersionConflictError. Never
 * after a StaleTokenError or a LeaseLostError, which no repetition mends, nor after a WaitTimeoutError, whose limit
 * somebody has chosen. The last error is thrown as it is. `attempt` counts from 1.
 * @throws signal.reason  aborted between two attempts
 * @throws ConfigurationError  attempts is no whole number from 1
 */
export async function retryTransaction<T>(
  task: (attempt: number) => PromiseLike<T>,
  options: RetryOptions = {},
): Promise<T> {
  refuseUnknown(options, { attempts: true, signal: true }, 'retryTransaction')
  const { attempts = ATTEMPTS, signal } = options
  if (!Number.isSafeInteger(attempts) || attempts < 1)
    throw new ConfigurationError(`attempts must be a whole number from 1, not ${String(attempts)}.`)
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    try {
      return await task(attempt)
    } catch (error) {
      if (attempt >= attempts || !isConflict(error)) throw error
      const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1))
      await sleep(systemClock, most * systemClock.random(), { signal })
    }
  }
}
