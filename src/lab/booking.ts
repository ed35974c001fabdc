/**
 * Booking a room under a lock: look whether it is free, take long to write, confirm. What of it is done in which order,
 * and by which statement, is the way; all else is the same in every one.
 */
import { sleep, systemClock } from '../base/clock.ts'
import { StaleTokenError } from '../base/errors.ts'
import type { Lease } from '../locks/types.ts'
import type { SqlTransaction } from '../sql/transaction.ts'
import { TransactionConflict } from './database.ts'
import type { Turn } from './declaration.ts'
import type { Reached } from './places.ts'
import { bookings } from './rooms.ts'
import { underLease } from './sections.ts'

export interface Booking {
  readonly guest: string
  /** Of the request, whoever sends it. */
  readonly request: string
  readonly lease: Lease
}
/** In a transaction. false: somebody else was first. */
export type Step = (tx: SqlTransaction, booking: Booking) => Promise<boolean>

export interface Bookable {
  readonly write: Step
  /** Before it looks whether the room is free. */
  readonly before?: Step
  /** It looks inside the transaction that writes. */
  readonly inside?: 'locked' | 'snapshot'
  readonly confirms?: 'before the commit'
  /** What the second must have come to before the first goes on. */
  readonly meets?: 'waits for the row' | 'waits' | 'declines'
  /** Its lock lasts twice as long, and so does its write. */
  readonly twice?: true
  readonly renewed?: 'while it runs' | 'and paused'
  /** The second is the first one's request once more. */
  readonly retry?: true
}

export interface Booker extends Reached {
  readonly guest: string
  readonly leaseMs: number
}

/** The part of a worker. Stands at the gate "looked", which is where a slow write takes its time. */
export async function book(turn: Turn<Bookable>, { locks, connection, ...booker }: Booker): Promise<void> {
  const { way, act } = turn
  const { before, inside } = way
  const guest = way.retry === true ? 'first' : booker.guest
  const ttl = way.twice === true ? 2 * booker.leaseMs : booker.leaseMs

  async function look(on: SqlTransaction): Promise<boolean> {
    const free = (await bookings(on)) === 0
    await turn.gate('looked', { free })
    if (turn.free) await sleep(systemClock, 1.5 * booker.leaseMs * systemClock.random())
    if (!free) act('declines')
    return free
  }
  async function attempt(booking: Booking): Promise<boolean> {
    if (before !== undefined && !(await connection.transaction(tx => before(tx, booking)))) {
      act('declines')
      return false
    }
    const write = async (tx: SqlTransaction): Promise<boolean> => {
      if (await way.write(tx, booking)) return true
      act('is refused')
      return false
    }
    const whole = async (tx: SqlTransaction): Promise<boolean> => (await look(tx)) && write(tx)
    const waiting = (): void => act('waits for the row')
    if (inside === 'locked') return connection.transaction(whole, { waiting })
    if (inside === 'snapshot') return connection.transaction(whole, { optimistic: true })
    if (!(await look(connection))) return false
    if (way.confirms !== undefined) act('confirmed')
    return connection.transaction(write)
  }

  const options = { ttl, renew: way.renewed === undefined ? 'manual' : 'auto' } as const
  await underLease({ turn, locks, options }, async lease => {
    // So that the lanes show from when on it works without one.
    lease.signal.addEventListener('abort', () => lease.state === 'lost' && act('is over'))
    try {
      if (!(await attempt({ guest, lease, request: `${turn.key}:${guest}` }))) return
      act('committed')
      if (way.confirms === undefined) act('confirmed')
    } catch (error) {
      if (!(error instanceof StaleTokenError || error instanceof TransactionConflict)) throw error
      act('is refused')
    }
  })
}
