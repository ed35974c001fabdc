/**
 * Tells when holds come close to the ttl: the next slow one may outlive its lease.
 *
 * What counts is how long a hold has gone without a new answer from the store: all of it where nobody renews, the
 * longest pause between renewals where somebody does. A long task under a lease that is renewed in time is no risk; one
 * whose lease was lost is one.
 */
import type { Events } from './events.ts'

export interface Risk {
  /** A hold has ended. */
  held(hold: Hold, ttlMs: number): void
}

export interface Hold {
  readonly key: string
  /** The longest time that it went without a new answer. */
  unprovenMs(): number
}

const HOLDS = 100
const TOO_CLOSE = 0.8
const MOST_KEYS = 1_000

interface History {
  readonly holds: number[]
  next: number
  told: boolean
}

export function createRisk(events: Events): Risk {
  const histories = new Map<string, History>()
  return {
    held(hold, ttlMs) {
      if (!events.wants('ttl-at-risk')) return
      const { key } = hold
      const unprovenMs = hold.unprovenMs()
      const history = histories.get(key) ?? { holds: [], next: 0, told: false }
      if (!histories.has(key) && histories.size < MOST_KEYS) histories.set(key, history)
      history.holds[history.next] = unprovenMs
      history.next = (history.next + 1) % HOLDS
      if (!history.told && unprovenMs <= ttlMs * TOO_CLOSE) return
      const p99HeldMs = percentile(history.holds, 0.99)
      const close = p99HeldMs > ttlMs * TOO_CLOSE
      if (close && !history.told) events.emit({ type: 'ttl-at-risk', key, p99HeldMs, ttlMs })
      history.told = close
    },
  }
}

/** The value that the given part of the values does not exceed (nearest rank). */
function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * part) - 1] ?? 0
}
