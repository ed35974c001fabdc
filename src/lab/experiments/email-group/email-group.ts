/**
 * Two files are uploaded into one group of users at the same time: who is in it afterwards?
 *
 * An upload removes everybody and adds its users in two batches. The second begins when the first has added one; that
 * goes on when the second has come as far, is kept waiting, or was refused. In rounds with a crash the first is killed
 * there, and somebody sends a mail to the group. Judged by who is in the group, not by what the uploads say.
 */
import { text } from '../../../base/decode.ts'
import { actsOf, has } from '../../acts.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, sum } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { lockTable } from '../../lock-table.ts'
import { kill, mortal } from '../../mortal.ts'
import { meet } from '../../meeting.ts'
import { findPlaces, places, reachPlaces } from '../../places.ts'
import { tellingSections } from '../../sections.ts'
import { createTable } from '../../tables.ts'
import { BATCH, readGroup, reset, uploadOf } from './upload.ts'
import type { Group } from './upload.ts'
import { ways } from './ways.ts'

type Outcome = {
  readonly group: Group
  readonly reported: number
  readonly refusedBy: string | null
  /** Users that a mail reaches after the crash. */
  readonly mailed: number | null
}
const found = (rounds: readonly Outcome[]): string =>
  rounds
    .slice(-1)
    .map(({ group, reported }) => `the group is ${group}; ${count(reported, 'upload')} reported success`)
    .join()

const is =
  (wanted: Group, successes: number) =>
  ({ group, reported }: Outcome): boolean =>
    group === wanted && reported === successes
const mixed = shows('the group is a mixture, and both uploads report success', is('a mixture of both files', 2), found)
const asBefore = holds('after the crash the group is as it was before', is('as it was before', 0), found)

export const emailGroup = experiment({
  name: 'email-group',
  question: 'Two files are uploaded into one group at the same time: who is in it afterwards?',
  source: '"Distributed Locks - Naive"',
  says: 'By the end, the email group will contain users from both files',
  takesS: 6,
  options: places,
  rounds: 2,
  ways,

  async setup(stage) {
    const { connection, place, told: where } = await findPlaces(stage)
    for (const name of ['group', 'staging'])
      await createTable(stage, connection, { name, columns: 'address VARCHAR(100) NOT NULL' })
    await lockTable.create(stage, connection)
    const first = await mortal(stage, 'first', place)
    const [second] = await stage.workers(['second'], place)
    stage.conditions({
      workers: `2 processes; each removes everybody from the group, then adds ${2 * BATCH} users in two batches`,
      order: 'when the first has added half the second begins, or the first is killed and a mail is sent',
      ...where,
    })
    return { first, second, connection }
  },

  async round({ does, free }, { first: mortals, second, connection }, stage): Promise<Outcome> {
    await connection.transaction(reset)
    const first = await mortals.alive()
    if (free) await stage.together([first, 'upload'], [second, 'upload'])
    else if (does.meets !== null) await meet([first, second], { part: 'upload', at: 'half', until: does.meets })
    else {
      const one = first.play('upload')
      await one.until('half')
      await kill(stage, first)
      await second.play('mail').done
    }
    const acts = stage.acts()
    const [refused] = actsOf(acts, 'refused')
    const [mail] = actsOf(acts, 'mails')
    const { group } = await readGroup(connection)
    stage.act('group', 'is read', { group })
    return {
      group,
      reported: ['first', 'second'].filter(who => has(acts, 'reports success', who)).length,
      refusedBy: refused === undefined ? null : text(refused.fields, 'by'),
      mailed: mail === undefined ? null : Number(mail.fields['users']),
    }
  },

  free: { is: 'both begin at one instant', rounds: 10, ways: ['none'] },
  danger: { opens: 'begins', closes: ['reports success'], of: 'first', rival: 'second' },
  telling: {
    ...tellingSections,
    half: 'has added half of its file',
    'reports success': 'has added the rest, and reports success',
    'is read': ({ fields }) => `is ${text(fields, 'group')}`,
    mails: ({ fields }) => `sends a mail to the group: it reaches ${String(fields['users'])} users`,
  },
  columns: {
    'the group is': rounds => rounds.at(-1)?.group ?? '-',
    'reported success': rounds => sum(rounds, ({ reported }) => reported),
  },
  claims: {
    none: [mixed],
    expiring: [mixed],
    refused: [
      holds('the group is the first file', is('the first file', 1), found),
      holds<Outcome>(
        'the second is refused before it removed anybody, and told who is at it',
        ({ refusedBy }) => refusedBy === 'first',
      ),
    ],
    waited: [holds('the group is the second file, and both report success', is('the second file', 2), found)],
    crashed: [shows('half a group is left under the lock', is('half of the first file', 0), found)],
    transaction: [asBefore],
    staged: [asBefore],
  },
  lessons(of) {
    const said = (way: keyof typeof ways): string => found(of(way))
    return lessonsOf(of, {
      none: () => `Without a lock ${said('none')}. It may go unnoticed for long.`,
      expiring: () =>
        `A lock that ends after a time that somebody guessed lets the next one in when an upload takes longer: ${said('expiring')}. Have it renewed for as long as the work lasts.`,
      refused: () =>
        `With the second one refused ${said('refused')}. Nothing was removed, and the answer says who is at it.`,
      waited: () => `With the second one waiting ${said('waited')}. The last upload counts.`,
      crashed: () =>
        `A lock mends nothing: after a crash in the middle ${said('crashed')}, and a mail reaches ${of('crashed').at(-1)?.mailed} users.`,
      transaction: () =>
        `One transaction leaves no half: ${said('transaction')}. It keeps others from writing all the while.`,
      staged: () =>
        `So does a table beside the group, put in place in one short transaction: ${said('staged')}. It needs the lock, or two uploads fill it at once.`,
    })
  },

  async worker(site) {
    const { locks, connection } = await reachPlaces(site)
    return {
      async upload(turn) {
        const upload = uploadOf(turn, connection, site.name)
        const done = await turn.way.run({ turn, locks, connection, holder: site.name, upload })
        if (done !== null) turn.act('reports success')
      },
      async mail({ act }) {
        act('works')
        act('mails', { users: (await readGroup(connection)).size })
      },
    }
  },
})
