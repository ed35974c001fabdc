/** Leases of etcd: one for each ticket, out of a pool (see shared/queue-keys/lives.ts). */
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { createLives, isWorn } from '../shared/queue-keys/lives.ts'
import type { Life } from '../shared/queue-keys/lives.ts'
import { keptAliveOf, leaseOf, timeToLiveOf } from './answers.ts'
import type { EtcdClient } from './client.ts'

export interface Leases {
  /** A new one, which is nobody's afterwards. */
  grant(ms: number, io: Io): Promise<string>
  /** Begins anew. False: it is gone. */
  keepAlive(lease: string, io: Io): Promise<boolean>
  /** Until when the ticket that has just been put on it lives at least. */
  endOf(life: Life, io: Io): Promise<number>
  /** What it has left at most. */
  leftOf(lease: string, io: Io): Promise<number>
  /**
   * Takes leases of these lengths for `work`, and gives those back on which it has put no ticket. null: etcd has one of
   * them no more, and nothing has been done.
   */
  withLeases<T>(
    lengths: readonly number[],
    work: (taken: readonly Life[]) => Promise<Used<T>>,
    io: Io,
  ): Promise<Used<T> | null>
  /** Its ticket is gone. */
  giveBack(lease: string): void
}

export interface Used<T> {
  readonly life: Life | null
  readonly result: T
}

/** etcd takes no shorter lease. */
export const LEAST_MS = 2_000
const GONE = /requested lease not found/

export function createLeases(client: EtcdClient): Leases {
  const clock = systemClock

  /** At least so long, in whole seconds. */
  const whole = (ms: number): number => Math.max(LEAST_MS, Math.ceil(ms / 1_000) * 1_000)
  const grant = (ms: number, io: Io): Promise<string> =>
    client.call('lease/grant', { TTL: String(whole(ms) / 1_000) }, leaseOf, io)
  const lives = createLives(grant)

  async function keepAlive(lease: string, io: Io): Promise<boolean> {
    const life = lives.taken(lease)
    const sentAt = clock.now()
    const ask = (): Promise<number> => client.call('lease/keepalive', { ID: lease }, keptAliveOf, io)
    const seconds = await lives.risking(life === undefined ? [] : [life], ask)
    if (life !== undefined && seconds > 0) life.until = sentAt + life.ms
    return seconds > 0
  }

  return {
    grant,
    keepAlive,
    // Kept alive after the ticket is there: the leader has written that, and a later one begins the lease anew.
    endOf: async (life, io) => (isWorn(life, clock.now()) && !(await keepAlive(life.id, io)) ? -Infinity : life.until),
    async leftOf(lease, io) {
      const seconds = await client.call('lease/timetolive', { ID: lease }, timeToLiveOf, io)
      // Rounded down. One that is over stands there until etcd's next look.
      return Math.max(0, seconds + 1) * 1_000
    },
    async withLeases(lengths, work, io) {
      const taken = await Promise.all(lengths.map(ms => lives.take(whole(ms), io)))
      try {
        const used = await lives.risking(taken, () => work(taken))
        for (const life of taken) if (life !== used.life) lives.giveBack(life)
        return used
      } catch (cause) {
        for (const life of taken) lives.drop(life)
        if (cause instanceof StoreUnavailableError && GONE.test(cause.message)) return null
        throw cause
      }
    },
    giveBack(lease) {
      const life = lives.taken(lease)
      if (life !== undefined) lives.giveBack(life)
    },
  }
}
