/**
 * Memory of this process: the reference that every other driver is held to.
 *
 * The rule and its transitions as they stand, over a map. Two stores of one `storage` name see the same locks, as two
 * processes on one server would.
 *
 * Guarantee: process. It excludes tasks of this process from each other and nobody else; it is gone when the process
 * is.
 */
import { randomUUID } from 'node:crypto'
import { systemClock } from '../base/clock.ts'
import type { Clock } from '../base/clock.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Store, StoreListener, StoreTraits } from '../store/contract.ts'
import { forgettable } from '../store/queue.ts'
import type { Now, Queue } from '../store/queue.ts'
import { recordStore } from '../store/record-store.ts'
import type { Change, LockRecord } from '../store/record-store.ts'
import { namespaceOf } from './shared/options.ts'

export interface MemoryStoreOptions {
  /** Stores of one name share their locks. Default: a storage of its own. */
  readonly storage?: string
  /** Put before every key, so that two applications in one storage do not meet. */
  readonly namespace?: string
  /** The clock that decides expiry; for tests. */
  readonly clock?: Clock
}

const OPTIONS: Known<MemoryStoreOptions> = { storage: true, namespace: true, clock: true }

const traits: StoreTraits = {
  name: 'memory',
  guarantee: 'process',
  reach: 'process',
  fencing: true,
  queue: true,
  shared: true,
  limit: true,
  keep: true,
  clock: 'host',
  clockErrorMs: 0,
  minTtlMs: 1,
  maxTokens: 1_000_000,
}

interface Storage {
  readonly queues: Map<string, Queue>
  /** Where the sweep is on its way round all records. */
  swept: Iterator<[string, Queue]>
  readonly listeners: Set<StoreListener>
}

const storages = new Map<string, Storage>()

/**
 * Locks within this process, or within all stores of one `storage` name.
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { memoryStore } from 'holdfast/memory'
 *
 * const locks = createLocks(memoryStore({ storage: 'shared' }))
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'memoryStore')
  const { storage: name = randomUUID(), clock = systemClock } = options
  const namespace = namespaceOf(options)
  const storage = storages.get(name) ?? emptyStorage()
  if (options.storage !== undefined) storages.set(name, storage)
  const own = new Set<StoreListener>()
  // The length in front keeps namespace "a" with key "bc" from meeting namespace "ab" with key "c".
  const prefix = `${namespace.length}:${namespace}`
  const read = (): Now => ({ ms: clock.now(), micros: Math.floor(clock.wall() * 1_000) })

  function apply<Answer>(key: string, change: Change<Answer>): Answer {
    const name = prefix + key
    const now = read()
    const { queue, changed, answer, news } = change(storage.queues.get(name) ?? null, now)
    if (queue === null) storage.queues.delete(name)
    else if (changed) storage.queues.set(name, queue)
    sweep(storage, now)
    for (const listener of storage.listeners) {
      if (news.holds.length > 0) listener.holds(name, news.holds)
      for (const { token, reason } of news.revoked) listener.revoked(name, token, reason)
    }
    return answer
  }

  return recordStore(traits, {
    atomic: async (key, change) => apply(key, change),
    async read(key) {
      const queue = storage.queues.get(prefix + key)
      return queue === undefined ? null : { queue, now: read() }
    },
    async *list(start): AsyncIterable<LockRecord> {
      for (const name of [...storage.queues.keys()].toSorted()) {
        const queue = name.startsWith(prefix + start) ? storage.queues.get(name) : undefined
        if (queue !== undefined) yield { key: name.slice(prefix.length), queue, now: read() }
      }
    },
    async listen(listener: StoreListener): Promise<AsyncDisposable> {
      const local = ofNamespace(prefix, listener)
      storage.listeners.add(local)
      own.add(local)
      return {
        [Symbol.asyncDispose]: async () => {
          storage.listeners.delete(local)
          own.delete(local)
        },
      }
    },
    async close(): Promise<void> {
      for (const listener of own) storage.listeners.delete(listener)
      own.clear()
    },
  })
}

function emptyStorage(): Storage {
  const queues = new Map<string, Queue>()
  return { queues, swept: queues.entries(), listeners: new Set() }
}

/** Every operation makes at most one record and looks at two, so there are never many more than the keys of a day. */
function sweep(storage: Storage, now: Now): void {
  for (let looks = 0; looks < 2; looks += 1) {
    const next = storage.swept.next()
    if (next.done === true) storage.swept = storage.queues.entries()
    else if (forgettable(next.value[1], now)) storage.queues.delete(next.value[0])
  }
}

/** News of other namespaces are not ours, and ours lose the namespace. */
function ofNamespace(prefix: string, listener: StoreListener): StoreListener {
  return {
    holds: (name, tokens) => name.startsWith(prefix) && listener.holds(name.slice(prefix.length), tokens),
    revoked: (name, token, reason) =>
      name.startsWith(prefix) && listener.revoked(name.slice(prefix.length), token, reason),
    gap: () => listener.gap(),
  }
}
