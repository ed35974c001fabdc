/**
 * Five ways to give a lock back on Redis. The first four are written by hand, as they are found in many programs, and
 * lock alike: SET key value NX PX ttl, with a value of one's own. Only the release differs.
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import type { Lease, Locks } from '../../../locks/types.ts'
import type { Way } from '../../declaration.ts'
import { recordOf } from '../../redis.ts'
import type { Raw } from '../../redis.ts'

export interface Mutex {
  /** Waits for the lock. `waiting` is called once if it is taken. */
  lock(ttlMs: number, options: { readonly waiting: () => void; readonly signal: AbortSignal }): Promise<void>
  /** `pause` is called at the latest moment before it takes effect, and told where. true: something was removed. */
  unlock(pause: (where: string) => void): Promise<boolean>
}

interface Means {
  readonly raw: Raw
  readonly locks: Locks
  readonly key: string
  readonly namespace: string
}
export type Does = (means: Means) => Mutex

const POLL_MS = 10
/** Longer than any round: who waits must come to hold, or the experiment is at fault. */
const WAIT = '30s'

/** As the text has it: "a LUA script to delete if exists atomically". */
const DELETE_IF_EXISTS = "return redis.call('EXISTS', KEYS[1]) == 1 and tostring(redis.call('DEL', KEYS[1])) or '0'"
const COMPARE_AND_DELETE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '0' end
return tostring(redis.call('DEL', KEYS[1]))
`

const del: Does = byHand(async ({ raw, key }, _value, pause) => {
  pause('before its DEL')
  return (await raw.ask('DEL', key)) === 1
})
const getDel: Does = byHand(async ({ raw, key }, value, pause) => {
  if ((await raw.ask('GET', key)) !== value) return false
  pause('between its GET and its DEL')
  return (await raw.ask('DEL', key)) === 1
})
const scripted = (source: string): Does =>
  byHand(async ({ raw, key }, value, pause) => {
    pause('before its script')
    return (await raw.eval(source, key, value)) === '1'
  })
const ifExists = scripted(DELETE_IF_EXISTS)
const byScript = scripted(COMPARE_AND_DELETE)
const holdfast: Does = leased(async lease => (await lease.release()) === 'released')
const recordDeleted: Does = leased(async (_lease, means) => (await means.raw.ask('DEL', recordOf(means))) === 1)

export const ways: Readonly<Record<'del' | 'get-del' | 'if-exists' | 'script' | 'holdfast', Way<Does>>> = {
  del: { is: 'DEL, whoever the lock belongs to by now', does: del, sabotage: byScript },
  'get-del': { is: 'GET, and DEL if the value is still the own one', does: getDel, sabotage: byScript },
  'if-exists': { is: "the text's script: deletes in one step, if there is a lock", does: ifExists, sabotage: byScript },
  script: { is: 'a script that compares and deletes in one step', does: byScript, sabotage: del },
  holdfast: { is: 'lease.release() of this library', does: holdfast, sabotage: recordDeleted },
}

function byHand(unlock: (means: Means, value: string, pause: (where: string) => void) => Promise<boolean>): Does {
  return means => {
    const { raw, key } = means
    const value = systemClock.id()
    return {
      async lock(ttlMs, { waiting, signal }) {
        for (let tries = 0; (await raw.ask('SET', key, value, 'NX', 'PX', String(ttlMs))) !== 'OK'; tries += 1) {
          if (tries === 0) waiting()
          await sleep(systemClock, POLL_MS)
          signal.throwIfAborted()
        }
      },
      unlock: pause => unlock(means, value, pause),
    }
  }
}

function leased(unlock: (lease: Lease, means: Means) => Promise<boolean>): Does {
  return means => {
    const { locks, key } = means
    let lease: Lease | null = null
    return {
      async lock(ttlMs, { waiting, signal }) {
        const off = locks.on('waiting', event => event.key === key && waiting())
        lease = await locks.acquire(key, { ttl: ttlMs, wait: WAIT, signal })
        off()
      },
      async unlock(pause) {
        pause('before its release')
        return lease !== null && unlock(lease, means)
      },
    }
  }
}
