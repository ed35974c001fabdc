/**
 * Which locks had a line when this process came to them last: so a ticket is written with the life that it will need.
 */
export interface Crowds {
  has(key: string): boolean
  note(key: string, isCrowded: boolean): void
  /** While a ticket of ours comes to this lock. Who comes together with others of this process will find a line. */
  coming<T>(key: string, work: () => Promise<T>): Promise<T>
}

/** Locks that are remembered. */
const MOST = 4_096

export function createCrowds(): Crowds {
  const crowded = new Set<string>()
  const awaited = new Map<string, number>()

  function note(key: string, isCrowded: boolean): void {
    if (!isCrowded) return void crowded.delete(key)
    if (crowded.size >= MOST) crowded.clear()
    crowded.add(key)
  }

  return {
    has: key => crowded.has(key),
    note,
    async coming(key, work) {
      const others = awaited.get(key) ?? 0
      if (others > 0) note(key, true)
      awaited.set(key, others + 1)
      try {
        return await work()
      } finally {
        const left = (awaited.get(key) ?? 1) - 1
        if (left > 0) awaited.set(key, left)
        else awaited.delete(key)
      }
    },
  }
}
