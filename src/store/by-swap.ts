/**
 * Records of a store that can only read, and write what is still as it was read: compare and swap by version.
 *
 * Whoever was overtaken reads again. That is no waiting for the lock: an attempt that was overtaken has done nothing,
 * and the next one follows after a few random milliseconds, until the call's time is over.
 */
import { sleep, systemClock } from '../base/clock.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import type { Io } from './contract.ts'
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

const PAUSE_MS = { first: 1, most: 20 } as const

/** For `recordStore`. `name`: the store's, for errors. */
export function bySwap<Version>(name: string, source: Swappable<Version>): Records {
  return {
    ...source,
    async atomic(key, change, io) {
      const until = systemClock.now() + io.timeoutMs
      for (let tries = 1; ; tries += 1) {
        const left = (): Io => ({ ...io, timeoutMs: Math.max(1, until - systemClock.now()) })
        const { record, now } = await source.read(key, left())
        const { changed, queue, answer, news } = change(record?.queue ?? null, now)
        const version = record?.version ?? null
        if (!changed || (await source.swap(key, { version, queue, news }, left()))) return answer
        const pauseMs = Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** tries) * systemClock.random()
        if (systemClock.now() + pauseMs >= until || io.signal?.aborted === true)
          throw new StoreUnavailableError(
            `${name} could not change "${key}" within ${io.timeoutMs} ms: others were quicker ${tries} times.`,
            { key, ambiguous: false },
          )
        await sleep(systemClock, pauseMs)
      }
    },
    async read(key, io) {
      const { record, now } = await source.read(key, io)
      return record === null ? null : { queue: record.queue, now }
    },
  }
}
