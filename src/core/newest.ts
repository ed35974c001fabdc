/**
 * The greatest token seen of each key. A new ticket whose token is not above what was seen before its first enter was
 * sent means that the store has lost its mind (a restored backup, a failover to a replica with an older clock).
 */
export interface Newest {
  /** 0: none seen. */
  of(key: string): number
  saw(key: string, token: number): void
}

/** Enough for the keys in use; the oldest are forgotten first, which only makes the check blind, never wrong. */
const MOST_KEYS = 10_000

export function createNewest(): Newest {
  const seen = new Map<string, number>()
  return {
    of: key => seen.get(key) ?? 0,
    saw(key, token) {
      const before = seen.get(key)
      if (before !== undefined && before >= token) return
      seen.delete(key)
      seen.set(key, token)
      if (seen.size <= MOST_KEYS) return
      for (const oldest of seen.keys()) {
        seen.delete(oldest)
        break
      }
    },
  }
}
