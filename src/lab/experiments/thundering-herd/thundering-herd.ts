/**
 * A lock is released and many wait: how often is the store asked until the next one holds?
 *
 * A crowd waits behind a first holder. When the last of it has asked once, the first one releases, and from then on
 * each holds once and releases. What the crowd asks the store is counted at the store's door, and divided by the number
 * of handovers; so it is with 4, 16 and 64 waiters.
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import { integer, number, text } from '../../../base/decode.ts'
import { actsOf } from '../../acts.ts'
import { createCounting } from '../../counting.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { mean } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { finish } from '../../meeting.ts'
import { storeOption } from '../../options.ts'
import { underLock } from '../../sections.ts'
import { storeAt } from '../../store.ts'
import { ways } from './ways.ts'

const CROWDS = [4, 16, 64] as const
/** What each does while it holds. */
const WORK_MS = 5

/** Questions for each handover, by the size of the crowd. */
type Outcome = { readonly few: number; readonly some: number; readonly many: number }

const each = (rounds: readonly Outcome[], of: keyof Outcome): string =>
  mean(rounds.map(outcome => outcome[of]))?.toFixed(1) ?? '-'
const found = (rounds: readonly Outcome[]): string =>
  `questions for each handover: ${each(rounds, 'few')} with ${CROWDS[0]} waiters, ${each(rounds, 'some')} with ${CROWDS[1]}, ${each(rounds, 'many')} with ${CROWDS[2]}`
const grows = shows<Outcome>('the questions grow with the crowd', ({ few, many }) => many > 2 * few && many > 10, found)

export const thunderingHerd = experiment({
  name: 'thundering-herd',
  question: 'A lock is released and many wait: how often is the store asked until the next one holds?',
  source: '"Lock It or Lose It: Avoiding Race Conditions in Distributed Systems"',
  says: 'all other processes have to wait patiently until the lock is released.',
  takesS: 6,
  options: { store: storeOption('store of the lock (default: a SQLite file of its own)') },
  rounds: 1,
  ways,

  async setup(stage) {
    const store = await storeAt(stage.settings.store, stage)
    const crew = await stage.workers(['holder', 'crowd'], { store: store.address })
    stage.conditions({
      workers: `2 processes: one that holds, and one with ${CROWDS.join(', ')} waiters, none of which waits for another`,
      order: 'all have asked when the holder releases; then each holds once',
      counted: 'what the crowd asks of the store from then on, for each handover',
      lock: store.told,
    })
    return crew
  },

  async round(_way, [holder, crowd], stage): Promise<Outcome> {
    const asked: number[] = []
    for (const waiters of CROWDS) {
      const holding = holder.play('hold')
      await holding.until('holds')
      const queue = crowd.play('queue', { waiters })
      await queue.until('all wait')
      await finish(holding)
      await finish(queue)
      const last = actsOf(stage.acts(), 'all have held').at(-1)
      asked.push(number(last?.fields ?? {}, 'questions') / waiters)
    }
    const [few = 0, some = 0, many = 0] = asked
    return { few, some, many }
  },

  danger: { opens: 'holds', closes: ['leaves'], of: 'holder', rival: 'crowd' },
  telling: {
    'all wait': ({ fields }) => `${integer(fields, 'waiters')} wait`,
    'all have held': ({ fields }) => `all have held; the store was asked ${integer(fields, 'questions')} times`,
  },
  columns: {
    rounds: rounds => rounds.length,
    [`questions with ${CROWDS[0]}`]: rounds => each(rounds, 'few'),
    [`with ${CROWDS[1]}`]: rounds => each(rounds, 'some'),
    [`with ${CROWDS[2]}`]: rounds => each(rounds, 'many'),
  },
  claims: {
    poll: [grows],
    'told-to-all': [grows],
    named: [holds('a handover asks no more, however many wait', ({ many }) => many <= 10, found)],
  },
  lessons: of =>
    lessonsOf(of, {
      poll: () => `Who tries now and then asks in vain: ${found(of('poll'))}. Less often means to be late.`,
      'told-to-all': () => `Told to all, all come at once for what only one can have: ${found(of('told-to-all'))}.`,
      named: () => `In a queue one is told, by its token: ${found(of('named'))}.`,
    }),

  async worker({ place, locks: open }) {
    const counting = createCounting()
    // In the order of arrival, or a process would pass the lock from task to task and ask nobody.
    const locks = await open(text(place, 'store'), { through: counting.through, fair: 'strict' })
    return {
      hold: turn => underLock({ turn, locks }, () => turn.gate('is inside')),
      async queue({ key, signal, act, gate, order, way }) {
        const waiters = integer(order, 'waiters')
        let tell = (): void => {}
        let told: Promise<void> = Promise.resolve()
        const tellAll = (): void => {
          tell()
          told = new Promise(resolve => (tell = resolve))
        }
        tellAll()
        const takeTurn = async (): Promise<void> => {
          const lease = await way({ locks, key, signal, released: () => told })
          await sleep(systemClock, WORK_MS)
          await lease.release()
          tellAll()
        }
        act('asks')
        const before = counting.asked()
        const crowd = Array.from({ length: waiters }, takeTurn)
        while (counting.asked() < before + waiters && !signal.aborted) await sleep(systemClock, 5)
        const begun = counting.asked()
        await gate('all wait', { waiters })
        tellAll()
        await Promise.all(crowd)
        act('all have held', { questions: counting.asked() - begun })
        act('leaves')
      },
    }
  },
})
