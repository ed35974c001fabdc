/** Ways to wait for a lock: what each of a crowd asks the store until it is its turn. */
import { sleep, systemClock } from '../../../base/clock.ts'
import type { Lease, Locks } from '../../../locks/types.ts'
import type { Way } from '../../declaration.ts'

export interface Means {
  readonly locks: Locks
  readonly key: string
  readonly signal: AbortSignal
  /** Resolves when somebody of the crowd has released. */
  released(): Promise<void>
}
/** Waits for its turn. */
export type Does = (means: Means) => Promise<Lease>

const POLL_MS = 20

/** Tries, and again when `next` resolves. */
const trying =
  (next: (means: Means) => Promise<void>): Does =>
  async means => {
    for (;;) {
      // What is told while one asks must not be missed.
      const again = next(means)
      const lease = await means.locks.tryAcquire(means.key, { signal: means.signal })
      if (lease !== null) return lease
      await again
      means.signal.throwIfAborted()
    }
  }
const polled = trying(({ signal }) => sleep(systemClock, POLL_MS, { signal }))
const toldToAll = trying(({ released }) => released())
const named: Does = ({ locks, key, signal }) => locks.acquire(key, { wait: '1h', signal })

export const ways: Readonly<Record<'poll' | 'told-to-all' | 'named', Way<Does>>> = {
  poll: { is: `each tries every ${POLL_MS} ms`, does: polled, sabotage: named },
  'told-to-all': { is: 'each tries when it is told that the lock is free', does: toldToAll, sabotage: named },
  named: {
    is: 'a queue in the store, and the one whose turn it is is told by its token',
    does: named,
    sabotage: toldToAll,
  },
}
