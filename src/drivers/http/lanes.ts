/**
 * So many requests at once, and the others in the order in which they came, urgent ones in front.
 *
 * `fetch` makes a connection for each request that finds none free, which costs many times what the request does: a
 * thousand tasks that come at once would keep the process from renewing what it holds. But a request that takes long
 * must not be in the way of others, which may be about other locks: after a moment it stands in no lane any more.
 */
import { systemClock } from '../../base/clock.ts'

export interface Lanes {
  /** Runs `work` when a lane is free; one whose signal has aborted by then is passed over, and never settles. */
  use<T>(work: () => Promise<T>, how: { readonly signal: AbortSignal; readonly urgent: boolean }): Promise<T>
}

const MOST_AT_ONCE = 16
const MOMENT_MS = 50

export function createLanes(): Lanes {
  const waiting: (() => boolean)[] = []
  let used = 0

  function leave(): void {
    used -= 1
    // The first that still wants it.
    while (used < MOST_AT_ONCE && waiting.length > 0) if (waiting.shift()?.() === true) return
  }

  function run<T>(work: () => Promise<T>): Promise<T> {
    used += 1
    const moment = systemClock.after(MOMENT_MS, leaveOnce, { idle: true })
    let left = false
    function leaveOnce(): void {
      if (left) return
      left = true
      moment.cancel()
      leave()
    }
    return work().finally(leaveOnce)
  }

  return {
    use(work, { signal, urgent }) {
      if (used < MOST_AT_ONCE) return run(work)
      return new Promise((resolve, reject) => {
        const start = (): boolean => {
          if (signal.aborted) return false
          run(work).then(resolve, reject)
          return true
        }
        if (urgent) waiting.unshift(start)
        else waiting.push(start)
      })
    },
  }
}
