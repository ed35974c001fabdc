/**
 * A worker of the failover experiment: locks and reads, writes, and leaves, each when it is told to. It holds on to its
 * lease in between.
 */
import { StaleTokenError, StoreUnavailableError } from '../../base/errors.ts'
import type { Lease, Locks } from '../../locks/types.ts'
import { flag, oneOf, text } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { open } from '../../open.ts'
import type { Performer, Turn, WorkerPart } from '../experiment.ts'
import { hostNow } from '../host-time.ts'
import type { Message } from '../wire.ts'
import { openLedger } from './ledger.ts'

/** Longer than a round: nobody loses a lease by time here. */
const TTL = '30s'

interface Held {
  readonly lease: Lease
  readonly fenced: boolean
  readonly entries: readonly string[]
}

export const failoverWorker: WorkerPart = {
  async open(config: Fields, index: number): Promise<Performer> {
    const holder = index === 0 ? 'first' : 'second'
    const ledger = await openLedger(text(config, 'ledger'))
    let locks: Locks | null = null
    let held: Held | null = null

    async function lockAndRead(order: Fields, tell: Tell): Promise<void> {
      const fenced = flag(order, 'fenced')
      try {
        locks ??= await open(text(order, 'store'), { holder })
        const lease = await locks.tryAcquire(text(order, 'key'), { ttl: TTL })
        if (lease === null) return tell('is refused')
        tell('holds', { token: lease.token })
        held = { lease, fenced, entries: await ledger.read(fenced ? lease : null) }
        tell('has read', { entries: held.entries })
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error
        tell('finds no store', { message: error.message })
      }
    }

    async function write(tell: Tell, entry: string): Promise<void> {
      if (held === null) throw new Error('Nothing was read.')
      const { lease, fenced, entries } = held
      // A careful program looks at its lease once more, and it is of no use: nobody has told it.
      tell('looks', { sure: lease.state === 'held' && lease.remaining() > 0 })
      try {
        await ledger.write([...entries, entry], fenced ? lease : null)
        tell('has written')
      } catch (error) {
        if (!(error instanceof StaleTokenError)) throw error
        tell('is stale', { newest: error.newest })
      }
    }

    async function leave(tell: Tell): Promise<void> {
      const outcome = await held?.lease.release()
      tell('has left', { released: outcome === 'released' })
      held = null
      await locks?.close({ drain: 0 })
      locks = null
    }

    return {
      async perform(order: Fields, turn: Turn): Promise<void> {
        const tell: Tell = (type, more = {}) => turn.report({ type, at: hostNow(), ...more })
        switch (oneOf(order, 'do', ['lock and read', 'write', 'leave'])) {
          case 'lock and read':
            return lockAndRead(order, tell)
          case 'write':
            return write(tell, text(order, 'entry'))
          case 'leave':
            return leave(tell)
        }
      },
      async close(): Promise<void> {
        await locks?.close({ drain: 0 })
        ledger.close()
      },
    }
  },
}

type Tell = (type: string, more?: Message) => void
