/**
 * A deadline of ours around work of others: several clients hang on a paused server whatever their own timeout says.
 */
import { onAbort } from './abort.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'

export interface Deadline<T> {
  readonly timeoutMs: number
  /** Gives what counts instead once the time is over or `signal` aborts, or throws. */
  readonly late: () => T
  /** Ends the wait like the time. */
  readonly signal?: AbortSignal | undefined
  /** Does not keep the process alive meanwhile. */
  readonly idle?: boolean
  readonly clock?: Clock
}

/** Settles as `promise` does, or as `late` says. What comes later, a rejection too, goes nowhere. */
export function within<T>(promise: Promise<T>, deadline: Deadline<T>): Promise<T> {
  const { timeoutMs, late, signal, idle = false, clock = systemClock } = deadline
  return new Promise<T>((resolve, reject) => {
    const done = (): void => {
      timer.cancel()
      unlisten?.()
    }
    const expire = (): void => {
      done()
      try {
        resolve(late())
      } catch (error) {
        reject(error)
      }
    }
    const timer = clock.after(timeoutMs, expire, { idle })
    const unlisten = signal && onAbort(signal, expire)
    promise.then(
      value => {
        done()
        resolve(value)
      },
      (error: unknown) => {
        done()
        reject(error)
      },
    )
    if (signal?.aborted === true) expire()
  })
}
