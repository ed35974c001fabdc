/** Our own deadline around every call: clients hang on a server that is stopped, whatever their own settings say. */
import { systemClock } from '../../base/clock.ts'
import type { StoreUnavailableError } from '../../base/errors.ts'

export interface Deadline {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** Does not keep the process alive meanwhile. */
  readonly idle?: boolean
}

/**
 * Settles as `promise` does, or rejects with what `late` gives at the deadline or the signal. A late rejection goes
 * nowhere.
 */
export function within<T>(deadline: Deadline, promise: Promise<T>, late: () => StoreUnavailableError): Promise<T> {
  const { timeoutMs, signal, idle = false } = deadline
  return new Promise((resolve, reject) => {
    const done = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', expire)
    }
    const expire = (): void => {
      done()
      reject(late())
    }
    const timer = systemClock.after(timeoutMs, expire, { idle })
    signal?.addEventListener('abort', expire)
    promise.then(
      value => {
        done()
        resolve(value)
      },
      (cause: unknown) => {
        done()
        reject(cause)
      },
    )
    if (signal?.aborted === true) expire()
  })
}
