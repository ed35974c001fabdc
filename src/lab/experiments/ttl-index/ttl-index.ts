/**
 * A lock made of a unique index and a time to live, as the text has it: what does it do when something goes wrong?
 *
 * Four stories a round. The holder is killed: how long does its lock block, if a sweeper removes what is over now and
 * then? A holder is late and unlocks when its successor is inside: does a third one get in? The same, with late one and
 * successor tasks of one instance. And a client whose clock is an hour behind.
 */
import { hostClock, sleep } from '../../../base/clock.ts'
import { number, text } from '../../../base/decode.ts'
import { humanMs } from '../../../base/duration.ts'
import { ConfigurationError } from '../../../base/errors.ts'
import { actsOf } from '../../acts.ts'
import type { Played } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, mean, showMs } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { lockTable } from '../../lock-table.ts'
import { finish } from '../../meeting.ts'
import { kill, mortal } from '../../mortal.ts'
import { span } from '../../options.ts'
import { findPlaces, places, reachPlaces } from '../../places.ts'
import { tellingSections } from '../../sections.ts'
import { ways } from './ways.ts'

/** Nobody but those who are to be late should lose a lock by time. */
const LONG_MS = 600_000
const HOUR_MS = 3_600_000

type Outcome = {
  /** From the lock of the one that was killed to that of the next. */
  readonly blockedMs: number
  readonly sweepMs: number
  /** A third one got in beside the successor, after the late unlock of another instance, or of another of its tasks. */
  readonly lateOther: boolean
  readonly lateOwn: boolean
  /** Somebody got in beside the one whose clock is behind. null: no client says when its lock ends. */
  readonly behind: boolean | null
}
const other = ({ lateOther }: Outcome): boolean => lateOther
const own = ({ lateOwn }: Outcome): boolean => lateOwn
const behindOne = ({ behind }: Outcome): boolean => behind === true
const blocked = (rounds: readonly Outcome[]): string => showMs(mean(rounds.map(({ blockedMs }) => blockedMs)))
const times = (rounds: readonly Outcome[], is: (outcome: Outcome) => boolean): string =>
  `${rounds.filter(is).length} of ${count(rounds.length, 'round')}`
const foundOf = (is: (outcome: Outcome) => boolean) => (rounds: readonly Outcome[]) =>
  `two inside in ${times(rounds, is)}`
const foundBlocked = (rounds: readonly Outcome[]): string => `blocked for ${blocked(rounds)} on average`

export const ttlIndex = experiment({
  name: 'ttl-index',
  question: 'A lock made of a unique index and a time to live: what if something goes wrong?',
  source: '"Distributed Locks - Naive"',
  says: 'ttl-index on expires_at so that in the event process fails to unlock (delete the document in this case) then document will be removed after certain time',
  takesS: 14,
  options: {
    ...places,
    ttlMs: span({ default: '400ms', full: '10s', min: 100, max: 60_000, help: 'length of a lock' }),
    sweepMs: span({
      default: '2400ms',
      full: '60s',
      min: 300,
      max: 600_000,
      help: 'time between two sweeps',
    }),
  },
  rounds: 1,
  ways,

  async setup(stage) {
    const { ttlMs, sweepMs } = stage.settings
    if (sweepMs < 2 * ttlMs)
      throw new ConfigurationError('--sweep must be at least twice --ttl, or nobody sees what a sweeper costs.')
    const { connection, place, told } = await findPlaces(stage, { servers: true })
    await lockTable.create(stage, connection)
    const first = await mortal(stage, 'first', place)
    const [successor, third] = await stage.workers(['successor', 'third'], place)
    stage.conditions({
      workers: '3 processes: one that dies or is late, its successor, a third',
      lock: `for ${humanMs(ttlMs)}; a row in the database, or in ${told.lock}`,
      sweeper: `removes what is over every ${humanMs(sweepMs)}; its phase is set: it has just been there when the first dies`,
      database: told.database,
    })
    return { connection, first, successor, third }
  },

  async round({ does }, { connection, first: mortals, successor, third }, stage): Promise<Outcome> {
    const { ttlMs, sweepMs } = stage.settings
    const sweep = (): Promise<number> => lockTable.sweep(connection, hostClock.wall())
    const holding = (who: string, before: number): number =>
      actsOf(stage.acts().slice(before), 'holds', who)[0]?.at ?? Number.NaN
    /** Sweeps all the while, as if it were the sweeper's time. */
    async function inside(part: Played): Promise<void> {
      let isIn = false
      const seen = part.until('is inside').finally(() => (isIn = true))
      for (; !isIn; await Promise.race([seen, sleep(hostClock, 20)])) await sweep()
      await seen
    }

    async function dies(): Promise<number> {
      const first = await mortals.alive()
      const one = first.play('section', { ttlMs, instance: 'A', behindMs: 0 })
      await one.until('is inside')
      await kill(stage, first)
      await sweep()
      const next = sleep(hostClock, sweepMs).then(sweep)
      const two = successor.play('section', { ttlMs: LONG_MS, instance: 'B', behindMs: 0 })
      await two.until('is inside')
      await finish(two)
      await next
      return holding('successor', 0) - holding('first', 0)
    }
    async function isLate(instance: string): Promise<boolean> {
      await lockTable.clear(connection)
      const one = (await mortals.alive()).play('section', { ttlMs, instance: 'A', behindMs: 0 })
      await one.until('is inside')
      const two = successor.play('section', { ttlMs: LONG_MS, instance, behindMs: 0 })
      await inside(two)
      await finish(one)
      const three = third.play('section', { ttlMs: LONG_MS, instance: 'C', behindMs: 0 })
      const { type } = await three.until('is inside', 'waits')
      await finish(two)
      await finish(three)
      return type === 'is inside'
    }
    async function isBehind(): Promise<boolean> {
      await lockTable.clear(connection)
      const one = (await mortals.alive()).play('section', { ttlMs, instance: 'A', behindMs: HOUR_MS })
      await one.until('is inside')
      await sweep()
      const two = successor.play('section', { ttlMs: LONG_MS, instance: 'B', behindMs: 0 })
      const { type } = await two.until('is inside', 'waits')
      await finish(one)
      await finish(two)
      return type === 'is inside'
    }
    return {
      blockedMs: await dies(),
      sweepMs,
      lateOther: await isLate('B'),
      lateOwn: await isLate('A'),
      behind: does.byOwnClock ? await isBehind() : null,
    }
  },

  danger: { opens: 'is inside', closes: ['is done'], of: 'successor', rival: 'third' },
  telling: {
    ...tellingSections,
    'is inside': ({ fields }) => `is inside, as a task of instance ${text(fields, 'instance')}`,
    'has unlocked': ({ fields }) =>
      fields['removed'] === true ? 'unlocks: a lock is removed' : 'unlocks: nothing is removed',
  },
  columns: {
    rounds: rounds => rounds.length,
    'dead holder blocks': blocked,
    'late unlock: two inside': rounds => times(rounds, other),
    'of the same instance': rounds => times(rounds, own),
    'clock behind': rounds => (rounds.some(({ behind }) => behind === null) ? '-' : times(rounds, behindOne)),
  },
  claims: {
    'as-written': [
      shows(
        'a dead holder blocks until the next sweep',
        ({ blockedMs, sweepMs }) => blockedMs >= sweepMs,
        foundBlocked,
      ),
      shows('a late unlock lets a third one in', ({ lateOther }) => lateOther, foundOf(other)),
      shows('somebody gets in beside a client whose clock is behind', behindOne, foundOf(behindOne)),
    ],
    'own-only': [
      holds('a late unlock of another instance removes nothing', ({ lateOther }) => !lateOther, foundOf(other)),
      shows('two tasks of one instance unlock each other', ({ lateOwn }) => lateOwn, foundOf(own)),
    ],
    holdfast: [
      holds(
        'a dead holder blocks for its ttl, and not until a sweep',
        ({ blockedMs, sweepMs }) => blockedMs < sweepMs,
        foundBlocked,
      ),
      holds(
        "a late release removes nobody's lock, not that of its own instance either",
        ({ lateOther, lateOwn }) => !lateOther && !lateOwn,
        foundOf(({ lateOther, lateOwn }) => lateOther || lateOwn),
      ),
    ],
  },
  lessons: of =>
    lessonsOf(of, {
      'as-written': () =>
        `A time to live is no timeout: what is over stays until a sweep, here ${blocked(of('as-written'))}. And unlocking by name deletes whatever lock is there, also the successor's: ${foundOf(other)(of('as-written'))}. The lock of a client whose clock is behind is over before it begins.`,
      'own-only': () =>
        `To delete only one's own helps as long as the id is one's own: two tasks of an instance share it, ${foundOf(own)(of('own-only'))}. The id must be new for every attempt.`,
      holdfast: () =>
        `A ticket with an id of its own for every attempt, and an end that the store's clock decides when somebody asks: blocked for ${blocked(of('holdfast'))}, and no late release removed a lock.`,
    }),

  async worker(site) {
    const { locks, connection } = await reachPlaces(site)
    return {
      async section(turn) {
        const { act, gate, order } = turn
        const instance = text(order, 'instance')
        const mutex = turn.way.open({ turn, locks, connection, instance, behindMs: number(order, 'behindMs') })
        act('asks')
        await mutex.lock(number(order, 'ttlMs'))
        act('holds')
        await gate('is inside', { instance })
        act('is done')
        act('has unlocked', { removed: await mutex.unlock() })
        act('leaves')
      },
    }
  },
})
