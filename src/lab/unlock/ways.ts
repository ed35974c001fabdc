/**
 * Four ways to give a lock back on Redis. The first three are written by hand, as they are found in many programs, and
 * lock alike: SET key value NX PX ttl, with a value of one's own. Only the release differs.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Lease, Locks } from '../../locks/types.ts'
import { recordOf } from '../redis/raw.ts'
import type { Raw } from '../redis/raw.ts'

export const WAYS = ['del', 'get-del', 'script', 'holdfast'] as const
export type Way = (typeof WAYS)[number]

export const REPAIRED: readonly Way[] = ['script', 'holdfast']

export const DESCRIPTIONS: Readonly<Record<Way, string>> = {
  del: 'DEL, whoever the lock belongs to by now',
  'get-del': 'GET, and DEL if the value is still the own one',
  script: 'a script that compares and deletes in one step',
  holdfast: 'lease.release() of this library',
}

/** Where a late process is stopped: the latest moment before the release takes effect. */
export const PAUSED: Readonly<Record<Way, string>> = {
  del: 'before its DEL',
  'get-del': 'between its GET and its DEL',
  script: 'before its script',
  holdfast: 'before its release',
}

/** What the release did: ended this process's own lock, nothing, or somebody else's lock as well. */
export interface Mutex {
  /** Waits for the lock. `waiting` is called once if it is taken. */
  lock(ttlMs: number, waiting: () => void): Promise<void>
  /** `pause` is called at the latest moment. true: something was removed. */
  unlock(pause: () => void): Promise<boolean>
}

export interface Means {
  readonly raw: Raw
  readonly locks: Locks
  readonly key: string
  /** Take the protection away under the same name, or put one in, to prove that the experiment notices. */
  readonly sabotaged: boolean
}

const POLL_MS = 10
/** Longer than any round: who waits must come to hold, or the experiment is at fault. */
const WAIT = '30s'

const COMPARE_AND_DELETE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return tostring(redis.call('DEL', KEYS[1])) end
return '0'
`

export function mutexOf(way: Way, means: Means): Mutex {
  return way === 'holdfast' ? leased(means) : byHand(way, means)
}

function byHand(way: Exclude<Way, 'holdfast'>, { raw, key, sabotaged }: Means): Mutex {
  const value = systemClock.id()
  const unlocks: Readonly<Record<typeof way, Mutex['unlock']>> = {
    async del(pause) {
      pause()
      return (await raw.ask('DEL', key)) === 1
    },
    async 'get-del'(pause) {
      if ((await raw.ask('GET', key)) !== value) return false
      pause()
      return (await raw.ask('DEL', key)) === 1
    },
    async script(pause) {
      pause()
      return (await raw.eval(COMPARE_AND_DELETE, key, value)) === '1'
    },
  }
  const instead = way === 'script' ? 'del' : 'script'
  return {
    async lock(ttlMs, waiting) {
      for (let tries = 0; (await raw.ask('SET', key, value, 'NX', 'PX', String(ttlMs))) !== 'OK'; tries += 1) {
        if (tries === 0) waiting()
        await sleep(systemClock, POLL_MS)
      }
    },
    unlock: unlocks[sabotaged ? instead : way],
  }
}

function leased({ raw, locks, key, sabotaged }: Means): Mutex {
  let lease: Lease | null = null
  return {
    async lock(ttlMs, waiting) {
      const off = locks.on('waiting', event => event.key === key && waiting())
      lease = await locks.acquire(key, { ttl: ttlMs, wait: WAIT })
      off()
    },
    async unlock(pause) {
      pause()
      if (sabotaged) return (await raw.ask('DEL', recordOf(key))) === 1
      return (await lease?.release()) === 'released'
    },
  }
}
