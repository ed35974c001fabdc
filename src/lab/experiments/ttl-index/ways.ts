/** The lock of the text, as it is written and with the mistake that one sees mended; and one of holdfast. */
import { hostClock, sleep } from '../../../base/clock.ts'
import type { Lease, Locks } from '../../../locks/types.ts'
import type { Connection } from '../../database.ts'
import type { Turn, Way } from '../../declaration.ts'
import { lockTable } from '../../lock-table.ts'

export interface Means {
  readonly turn: Turn<unknown>
  readonly connection: Connection
  readonly locks: Locks
  /** The id of the instance; its tasks share it. */
  readonly instance: string
  /** By how much its clock is behind. */
  readonly behindMs: number
}

export interface Mutex {
  /** Waits. `waits` is told once if it is taken. */
  lock(ttlMs: number): Promise<void>
  /** true: a lock was removed. */
  unlock(): Promise<boolean>
}

export interface Does {
  open(means: Means): Mutex
  /** Each client says when its lock ends, by its own clock. */
  readonly byOwnClock: boolean
}

const POLL_MS = 10

const table = (compares: boolean): Does => ({
  byOwnClock: true,
  open: ({ turn, connection, instance: holder, behindMs }) => ({
    async lock(ttlMs) {
      const take = (): Promise<boolean> =>
        lockTable.lock(connection, { name: turn.key, holder, expiresAt: hostClock.wall() - behindMs + ttlMs })
      for (let tries = 0; !(await take()); tries += 1) {
        if (tries === 0) turn.act('waits')
        await sleep(hostClock, POLL_MS, { signal: turn.signal })
        turn.signal.throwIfAborted()
      }
    },
    unlock: () => lockTable.unlock(connection, { name: turn.key, ...(compares && { holder }) }),
  }),
})
const holdfast: Does = {
  byOwnClock: false,
  open({ turn, locks }) {
    let lease: Lease | null = null
    return {
      async lock(ttlMs) {
        const off = locks.on('waiting', event => event.key === turn.key && turn.act('waits'))
        const options = { ttl: ttlMs, renew: 'manual', wait: '1h', signal: turn.signal } as const
        lease = await locks.acquire(turn.key, options).finally(off)
      },
      unlock: async () => (await lease?.release()) === 'released',
    }
  },
}

export const ways: Readonly<Record<'as-written' | 'own-only' | 'holdfast', Way<Does>>> = {
  'as-written': { is: 'a unique row, swept now and then, deleted by its name', does: table(false), sabotage: holdfast },
  'own-only': { is: 'the same, and who unlocks deletes only its own', does: table(true), sabotage: holdfast },
  holdfast: { is: 'a lock of holdfast', does: holdfast, sabotage: table(false) },
}
