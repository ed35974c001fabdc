/**
 * A holder is paused between its reading and its writing, for longer than its lease: what becomes of the data?
 *
 * Two add to one account under a lock: read, and write what was read plus their own. The first has read when it is
 * stopped (SIGSTOP), or cut off from its store. Its lease ends, the successor holds, and each round plays both orders:
 * the successor has written when the first goes on, or only read. What was confirmed and is not in the account is lost.
 */
import { number } from '../../../base/decode.ts'
import { humanMs } from '../../../base/duration.ts'
import { LeaseLostError, StaleTokenError } from '../../../base/errors.ts'
import type { Lease } from '../../../locks/types.ts'
import type { SqlTransaction } from '../../../sql/transaction.ts'
import { actsOf } from '../../acts.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { createCut } from '../../faults/cut.ts'
import { pauseSometime } from '../../faults/pausing.ts'
import { count, sum } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { markedRow } from '../../marked-row.ts'
import { finish } from '../../meeting.ts'
import { span } from '../../options.ts'
import { findPlaces, places, reachPlaces } from '../../places.ts'
import { underLease } from '../../sections.ts'
import { ways } from './ways.ts'

type Ended = {
  readonly lost: number
  readonly refused: readonly string[]
}
/** By what the successor has done when the first goes on. */
type Outcome = { readonly wrote: Ended; readonly read: Ended }

const losing = (rounds: readonly Outcome[], order: 'wrote' | 'read'): number =>
  rounds.filter(outcome => outcome[order].lost > 0).length
const found = (rounds: readonly Outcome[]): string =>
  `an update lost in ${losing(rounds, 'wrote')} of ${count(rounds.length, 'round')} after the successor's write, in ${losing(rounds, 'read')} before it`
const isRight = ({ wrote, read }: Outcome): boolean => wrote.lost + read.lost === 0
const isRefused =
  (who: string) =>
  ({ wrote, read }: Outcome): boolean =>
    wrote.refused.includes(who) && read.refused.includes(who)
const isRightByRefusal = (outcome: Outcome): boolean => isRight(outcome) && isRefused('first')(outcome)
const refusals = (rounds: readonly Outcome[]): string =>
  `refused the rightful holder in ${rounds.filter(isRefused('successor')).length} of ${count(rounds.length, 'round')}`
const loses = shows<Outcome>(
  'an update is lost in either order',
  ({ wrote, read }) => wrote.lost > 0 && read.lost > 0,
  found,
)

export const pausedWriter = experiment({
  name: 'paused-writer',
  question: 'A holder is paused for longer than its lease: what becomes of the data when it goes on?',
  source: '"Lock It or Lose It: Avoiding Race Conditions in Distributed Systems"',
  says: 'It continues from where it left off, thinking it still owns the lock, and overwrites the changes made by Node B.',
  takesS: 26,
  options: {
    ...places,
    ttlMs: span({ default: '500ms', min: 100, max: 60_000, help: 'length of the lease' }),
  },
  rounds: 2,
  ways,

  async setup(stage) {
    const { connection, place, told } = await findPlaces(stage)
    await markedRow.create(stage, connection)
    const crew = await stage.workers(['first', 'successor'], place)
    stage.conditions({
      workers: '2 processes; each reads an account and writes what it read plus its own, under a lock',
      fault: 'when the first has read it is stopped (SIGSTOP), or cut off from its store, until its successor holds',
      orders: 'the successor has written when the first goes on; then: has only read',
      lease: `for ${humanMs(stage.settings.ttlMs)}, in ${told.lock}`,
      database: told.database,
    })
    return { crew, connection }
  },

  async round({ does, free }, { crew, connection }, stage): Promise<Outcome> {
    const [first, successor] = crew
    async function play(order: 'wrote' | 'read'): Promise<Ended> {
      await markedRow.reset(connection)
      const before = stage.acts().length
      if (free) {
        const playing = stage.together([first, 'add'], [successor, 'add'])
        await pauseSometime(first.child, { withinMs: 60, forMs: 2 * stage.settings.ttlMs })
        await playing
      } else {
        const one = first.play('add')
        await one.until('read')
        stage.act('first', does.fault)
        if (does.fault === 'is paused') await first.child.pause()
        const two = successor.play('add')
        await two.until('holds')
        stage.act('first', 'is over')
        // The row itself may keep it out until the first goes on.
        const { type } = await two.until('read', 'waits for the row')
        if (order === 'wrote' && type === 'read') await finish(two)
        first.child.resume()
        await finish(one)
        await finish(two)
      }
      const acts = stage.acts().slice(before)
      const added = sum(actsOf(acts, 'wrote'), ({ fields }) => number(fields, 'adds'))
      const refusals = [...actsOf(acts, 'is refused'), ...actsOf(acts, 'gives up')]
      return { lost: added - (await markedRow.read(connection)), refused: refusals.map(({ who }) => who) }
    }
    const wrote = await play('wrote')
    return { wrote, read: free ? wrote : await play('read') }
  },

  free: { is: 'both begin at one instant, and the first is paused at a random moment', rounds: 10, ways: ['lease'] },
  danger: { opens: 'read', closes: ['wrote', 'is refused', 'gives up'], of: 'first', rival: 'successor' },
  telling: {
    read: ({ fields }) => `reads ${number(fields, 'value')}`,
    'is paused': 'is PAUSED (SIGSTOP)',
    'is cut off': 'is CUT OFF from the store',
    'is over': 'its lease is over',
    'waits for the row': 'holds the lock, and waits for the row',
    wrote: ({ fields }) => `writes ${number(fields, 'value')}`,
    'is refused': 'wants to write, and is REFUSED',
    'gives up': 'looks at its lease, and gives up',
  },
  columns: {
    'lost, successor had written': rounds => losing(rounds, 'wrote'),
    'lost, successor had read': rounds => losing(rounds, 'read'),
    refused: rounds =>
      [...new Set(rounds.flatMap(({ wrote, read }) => [...wrote.refused, ...read.refused]))].join(', '),
  },
  claims: {
    lease: [loses],
    'assert-held': [loses],
    'unique-id': [loses],
    'matches-latest': [
      shows('the rightful holder is refused, whose token the resource has not seen', isRefused('successor'), refusals),
    ],
    'on-write': [
      shows(
        'nothing is lost if the successor has written, and an update is lost if it has only read',
        ({ wrote, read }) => wrote.lost === 0 && read.lost > 0,
        found,
      ),
    ],
    fence: [holds('nothing is lost in either order, and the one that was paused is refused', isRightByRefusal, found)],
    transaction: [holds('the successor waits for the row, and nothing is lost', isRight, found)],
    'cut-off': [loses],
    'cut-off-heeded': [holds('it stops by itself, and nothing is lost', isRightByRefusal, found)],
  },
  lessons: of =>
    lessonsOf(of, {
      lease: () => `A lease ends while its holder is paused, and the holder cannot know: ${found(of('lease'))}.`,
      'assert-held': () => `A look at the lease is of no use before the pause: ${found(of('assert-held'))}.`,
      'unique-id': () => `An id tells two leases apart and not which is newer: ${found(of('unique-id'))}.`,
      'matches-latest': () =>
        `A resource learns of tokens by writes: "matches the latest" ${refusals(of('matches-latest'))}.`,
      'on-write': () =>
        `A check of the write alone comes too late where the successor has read: ${found(of('on-write'))}.`,
      fence: () => `fence() raises the resource before the read, and closes the gap: ${found(of('fence'))}.`,
      transaction: () =>
        `In one transaction the row makes the successor wait, lease or not: ${found(of('transaction'))}. A pause blocks all.`,
      'cut-off': () => `Cut off, and heedless: ${found(of('cut-off'))}.`,
      'cut-off-heeded': () => `One that still runs is told by its lease: ${found(of('cut-off-heeded'))}.`,
    }),

  async worker(site) {
    const cut = createCut()
    const { locks, connection } = await reachPlaces(site, { through: cut.through })
    const isFirst = site.name === 'first'
    const adds = isFirst ? 100 : 10
    return {
      async add(turn) {
        const { act, gate, way } = turn
        const work = async (lease: Lease, tx: SqlTransaction | null): Promise<number | null> => {
          const within = <Answer>(task: (on: SqlTransaction) => Promise<Answer>): Promise<Answer> =>
            tx === null ? connection.transaction(task) : task(tx)
          if (isFirst) await within(on => markedRow.know(on, lease))
          const value = await within(async on => {
            await way.begin(on, lease)
            return markedRow.read(on)
          })
          if (way.looks === 'before the pause') lease.assertHeld()
          if (isFirst && way.fault === 'is cut off') cut.cut()
          await gate('read', { value })
          if (way.looks === 'when it writes') lease.assertHeld()
          return (await within(on => way.write(on, lease, value + adds))) ? value + adds : null
        }
        await underLease({ turn, locks, options: { ttl: site.settings.ttlMs } }, async lease => {
          try {
            const options = { waiting: () => act('waits for the row') }
            const value = await (way.whole === true
              ? connection.transaction(tx => work(lease, tx), options)
              : work(lease, null))
            if (value === null) act('is refused')
            else act('wrote', { value, adds })
          } catch (error) {
            if (error instanceof StaleTokenError) act('is refused')
            else if (error instanceof LeaseLostError) act('gives up')
            else throw error
          } finally {
            cut.mend()
          }
        })
      },
    }
  },
})
