/**
 * Records of a store that can only read, and write what is still as it was read: compare and swap by version. Whoever
 * was overtaken reads again.
 */
import type { Io } from './contract.ts'
import { untilNotOvertaken } from './overtaken.ts'
import type { Now, Queue } from './queue.ts'
import type { News, Records } from './record-store.ts'

export interface Found<Version> {
  /** null: there is no record. */
  readonly record: { readonly queue: Queue; readonly version: Version } | null
  /** The store's clock, read no earlier than the record. */
  readonly now: Now
}

export interface Swap<Version> {
  /** The one that was read; null: there must be no record. */
  readonly version: Version | null
  /** null: the record goes. */
  readonly queue: Queue | null
  /** To be told with the write, and only if it succeeds. */
  readonly news: News
}

export interface Swappable<Version> extends Omit<Records, 'atomic' | 'read'> {
  read(key: string, io: Io): Promise<Found<Version>>
  /** False: the record is no longer as it was read, and nothing has been written. */
  swap(key: string, change: Swap<Version>, io: Io): Promise<boolean>
}

/** For `recordStore`. `name`: the store's, for errors. */
export function bySwap<Version>(name: string, source: Swappable<Version>): Records {
  return {
    ...source,
    atomic: (key, change, io) =>
      untilNotOvertaken(
        async left => {
          const { record, now } = await source.read(key, left())
          const { changed, queue, answer, news } = change(record?.queue ?? null, now)
          const version = record?.version ?? null
          return !changed || (await source.swap(key, { version, queue, news }, left())) ? { answer } : null
        },
        { name, key, io },
      ),
    async read(key, io) {
      const { record, now } = await source.read(key, io)
      return record === null ? null : { queue: record.queue, now }
    },
  }
}
