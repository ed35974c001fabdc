/**
 * A worker of the unlock experiment plays one of three parts with the same lock.
 *
 * late: locks for a short ttl, does its work, and stands still just before its release takes effect. It stops itself
 * (SIGSTOP), so that it is stopped at that line and not near it; the experiment lets it go on when its ttl is over and
 * somebody else has the lock. stays: holds the lock until it is told to leave.   next: waits for the lock, holds it for
 * a moment, leaves.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { flag, number, oneOf, text } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { open } from '../../open.ts'
import type { Performer, Turn, WorkerPart } from '../experiment.ts'
import { hostNow } from '../host-time.ts'
import { openRaw } from '../redis/raw.ts'
import { mutexOf, WAYS } from './ways.ts'

export const PARTS = ['late', 'stays', 'next'] as const

/** What the late one and the next one do while they hold. */
const WORK_MS = 40
/** Nobody but the late one should lose a lock by time. */
const LONG_TTL_MS = 20_000

export const unlockWorker: WorkerPart = {
  async open(config: Fields, index: number): Promise<Performer> {
    const store = text(config, 'store')
    const key = text(config, 'key')
    const raw = openRaw(store)
    const locks = await open(store, { holder: `worker ${index + 1}` })

    return {
      async perform(order: Fields, turn: Turn): Promise<void> {
        const part = oneOf(order, 'part', PARTS)
        const mutex = mutexOf(oneOf(order, 'way', WAYS), { raw, locks, key, sabotaged: flag(order, 'sabotaged') })
        const tell = (type: string, more: { readonly removed?: boolean } = {}): void =>
          turn.report({ type, at: hostNow(), ...more })
        tell('begins')
        await mutex.lock(part === 'late' ? number(order, 'ttlMs') : LONG_TTL_MS, () => tell('waits'))
        tell('enters')
        if (part === 'stays') await aborted(turn.signal)
        else await sleep(systemClock, WORK_MS)
        tell('is done')
        const removed = await mutex.unlock(() => {
          if (part !== 'late') return
          tell('stops')
          process.kill(process.pid, 'SIGSTOP')
          tell('goes on')
        })
        tell('has unlocked', { removed })
      },
      async close(): Promise<void> {
        await raw.close()
        await locks.close({ drain: 0 })
      },
    }
  },
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
