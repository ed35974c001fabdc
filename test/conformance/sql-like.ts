/**
 * A store over rows that are locked, read and written one after the other, as by a SQL driver, with one mistake of
 * choice: the three that such drivers make.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { bySwap, decodeQueue, encodeQueue, recordStore } from '../../src/store/index.ts'
import type { Now, Records } from '../../src/store/index.ts'

export type Mistake = 'no row lock' | 'clock before the lock' | 'no compare in the swap'

/** So long a statement is under way. */
const STATEMENT_MS = 1

export interface SqlLike {
  make(storage: string): Promise<Store>
  hold(storage: string, key: string, ms: number): Promise<void>
}

export function sqlLike(mistake: Mistake | null): SqlLike {
  const rows = new Map<string, string>()
  const locks = new Map<string, Promise<void>>()
  const { traits } = memoryStore()
  const clock = (): Now => ({ ms: performance.now(), micros: Math.floor(Date.now() * 1_000) })
  const nameOf = (storage: string, key: string): string => `${storage.length}:${storage}${key}`

  /** Does the work while nobody else has the row, in the order of asking. */
  async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (locks.get(name) ?? Promise.resolve()).then(work)
    locks.set(
      name,
      turn.then(
        () => {},
        () => {},
      ),
    )
    return turn
  }

  const queueOf = (name: string) => {
    const text = rows.get(name)
    return text === undefined ? null : decodeQueue(text)
  }

  function recordsOf(storage: string): Records {
    const looks: Omit<Records, 'atomic'> = {
      async read(key) {
        const queue = queueOf(nameOf(storage, key))
        return queue === null ? null : { queue, now: clock() }
      },
      async *list(prefix) {
        const start = nameOf(storage, prefix)
        for (const name of rows.keys()) {
          const queue = name.startsWith(start) ? queueOf(name) : null
          if (queue !== null) yield { key: name.slice(nameOf(storage, '').length), queue, now: clock() }
        }
      },
      async close() {},
    }
    if (mistake === 'no compare in the swap')
      return bySwap<string>('sql-like', {
        ...looks,
        async read(key) {
          const text = rows.get(nameOf(storage, key))
          await delay(STATEMENT_MS)
          return { record: text === undefined ? null : { queue: decodeQueue(text), version: text }, now: clock() }
        },
        async swap(key, { queue }) {
          if (queue === null) rows.delete(nameOf(storage, key))
          else rows.set(nameOf(storage, key), encodeQueue(queue))
          return true
        },
      })
    return {
      ...looks,
      async atomic(key, change) {
        const name = nameOf(storage, key)
        const early = clock()
        const work = async () => {
          const before = queueOf(name)
          await delay(STATEMENT_MS)
          const now = mistake === 'clock before the lock' ? early : clock()
          const { queue, changed, answer } = change(before, now)
          if (queue === null) rows.delete(name)
          else if (changed) rows.set(name, encodeQueue(queue))
          return answer
        }
        return mistake === 'no row lock' ? work() : locked(name, work)
      },
    }
  }

  return {
    make: async storage => recordStore(traits, recordsOf(storage)),
    hold: (storage, key, ms) => locked(nameOf(storage, key), () => delay(ms)),
  }
}
