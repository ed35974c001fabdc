/**
 * Two users book one room under a lease that ends before the write does: how many bookings are there?
 *
 * The first looks whether the room is free, and its write takes so long that its lease ends and the second one has
 * looked too, or is kept from it. Then the first goes on, and after it the second. Judged by the bookings in the
 * database beside the confirmations that went out.
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import { humanMs } from '../../../base/duration.ts'
import { actsOf } from '../../acts.ts'
import { book } from '../../booking.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, sum } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { finish } from '../../meeting.ts'
import { span } from '../../options.ts'
import { findPlaces, places, reachPlaces } from '../../places.ts'
import { reconstruct, showReconstruction } from '../../reconstruction.ts'
import type { Reconstruction } from '../../reconstruction.ts'
import { bookings, createRooms, reset } from '../../rooms.ts'
import { tellingSections } from '../../sections.ts'
import { ways } from './ways.ts'

type Outcome = {
  readonly bookings: number
  readonly confirmations: number
  /** Writes that were tried and refused. */
  readonly wasted: number
  readonly race: Reconstruction
}
const all = (rounds: readonly Outcome[], of: 'bookings' | 'confirmations' | 'wasted'): number =>
  sum(rounds, outcome => outcome[of])
const found = (rounds: readonly Outcome[]): string =>
  `${count(all(rounds, 'bookings'), 'booking')} and ${count(all(rounds, 'confirmations'), 'confirmation')} in ${count(rounds.length, 'round')}`
const are = (made: number, confirmed: number) => (outcome: Outcome) =>
  outcome.bookings === made && outcome.confirmations === confirmed
const twice = shows('the room is booked twice, and both are confirmed', are(2, 2), found)
const once = holds('one booking and one confirmation', are(1, 1), found)

export const doubleBooking = experiment({
  name: 'double-booking',
  question: 'The lock ends before the write does: how many bookings has the room?',
  source: '"Distributed Lock Source of Truth Olabilir mi?"',
  says: 'Lock expires in 5 seconds. Your DB write takes 6 seconds under load. Two users got confirmed bookins for the same room.',
  takesS: 28,
  options: {
    ...places,
    leaseMs: span({ default: '600ms', full: '5s', min: 100, max: 60_000, help: 'length of the lock' }),
  },
  rounds: 2,
  ways,

  async setup(stage) {
    const { connection, place, told } = await findPlaces(stage)
    await createRooms(stage, connection)
    const crew = await stage.workers(['first', 'second'], place)
    stage.conditions({
      workers: '2 processes; each looks whether the room is free, writes its booking, and confirms it',
      order: 'the write of the first lasts until the second has looked too, or is kept from it',
      lease: `${humanMs(stage.settings.leaseMs)}, in ${told.lock}`,
      database: told.database,
    })
    return { crew, connection }
  },

  async round({ does, free }, { crew: [first, second], connection }, stage): Promise<Outcome> {
    const { leaseMs } = stage.settings
    await connection.transaction(reset)
    if (free) await stage.together([first, 'book'], [second, 'book'])
    else {
      const one = first.play('book')
      await one.until('looked')
      if (does.renewed === 'and paused') await first.child.pause()
      const two = second.play('book')
      await two.until(does.meets ?? 'looked')
      // As long as the text's write, beside its lease.
      if (does.renewed === 'while it runs') await sleep(systemClock, 1.2 * leaseMs)
      first.child.resume()
      await finish(one)
      await finish(two)
    }
    const acts = stage.acts()
    return {
      bookings: await bookings(connection),
      confirmations: actsOf(acts, 'confirmed').length,
      wasted: actsOf(acts, 'is refused').length,
      race: reconstruct(acts),
    }
  },

  free: { is: 'a write that takes any time up to one and a half leases', rounds: 6, ways: ['lease'] },
  danger: { opens: 'looked', closes: ['committed', 'is refused', 'declines'], of: 'first', rival: 'second' },
  telling: {
    ...tellingSections,
    looked: ({ fields }) => (fields['free'] === true ? 'sees that the room is free' : 'sees that the room is booked'),
    'waits for the row': 'waits for the row',
    declines: 'writes nothing: the room is taken',
    'is refused': 'wants to write, and is refused',
    committed: 'has committed its booking',
    confirmed: 'CONFIRMS the booking',
  },
  show: ({ race }) => showReconstruction(race),
  columns: {
    rounds: rounds => rounds.length,
    bookings: rounds => all(rounds, 'bookings'),
    confirmations: rounds => all(rounds, 'confirmations'),
    'wasted writes': rounds => all(rounds, 'wasted'),
  },
  claims: {
    lease: [twice],
    longer: [twice],
    'key-alone': [twice],
    'confirm-first': [shows('two are told that they have the one room', are(1, 2), found)],
    paused: [twice],
    retry: [shows('one guest has booked twice', are(2, 2), found)],
    snapshot: [once],
    'row-lock': [once],
    unique: [once],
    atomic: [once],
    fence: [once],
    renewed: [once],
    seat: [once],
    'retry-key': [holds('one booking, and both requests are told of it', are(1, 2), found)],
  },
  lessons(of) {
    const said = (way: keyof typeof ways): string => found(of(way))
    return lessonsOf(of, {
      lease: () =>
        `Step 1, the race put together again: the lease was over before the commit (above). ${said('lease')}.`,
      longer: () => `A longer timeout is no fix, since the write grows as well: ${said('longer')}.`,
      snapshot: () =>
        `Step 2, the invariant in the database. To look inside the transaction is enough on SQLite, which writes on no snapshot that is out of date: ${said('snapshot')}. PostgreSQL does so at SERIALIZABLE only.`,
      'row-lock': () => `A lock on the row makes the second wait: ${said('row-lock')}.`,
      unique: () => `A constraint holds whatever the programs do: ${said('unique')}.`,
      atomic: () => `So does one statement that reserves if available: ${said('atomic')}.`,
      fence: () => `A fencing token keeps the stale holder from writing: ${said('fence')}.`,
      renewed: () =>
        `Step 3, the lock as an optimisation. Renewed, it spares the write that would be refused: ${all(of('renewed'), 'wasted')} wasted, ${said('renewed')}.`,
      paused: () => `It holds until its holder is paused: ${said('paused')}.`,
      'confirm-first': () => `Step 4, confirm after the commit, never before: ${said('confirm-first')}.`,
      'key-alone': () => `An idempotency key knows requests, not rooms; two users have two: ${said('key-alone')}.`,
      retry: () => `Without one a retry books again: ${said('retry')}.`,
      'retry-key': () => `With one it gets the booking that is there: ${said('retry-key')}.`,
      seat: () => `A seat that the database holds while its guest pays: ${said('seat')}.`,
    })
  },

  async worker(site) {
    const reached = await reachPlaces(site)
    return {
      book: turn => book(turn, { ...reached, guest: site.name, leaseMs: site.settings.leaseMs }),
    }
  },
})
