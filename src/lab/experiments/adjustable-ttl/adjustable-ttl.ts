/**
 * How long should a lock last, if some tasks are quick and some intensive?
 *
 * Three stories a round, with somebody waiting in each: an intensive task runs to its end; the holder of a quick one is
 * killed; the holder of an intensive one is killed. Too short a lock lets two at work in the first; too long a one
 * makes the next wait in the others. Both sides are judged.
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import { oneOf, text } from '../../../base/decode.ts'
import { humanMs } from '../../../base/duration.ts'
import { ConfigurationError } from '../../../base/errors.ts'
import { actsOf } from '../../acts.ts'
import type { Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, mean, showMs } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { finish } from '../../meeting.ts'
import { kill, mortal } from '../../mortal.ts'
import { span, storeOption } from '../../options.ts'
import { tellingSections, underLease, underLock } from '../../sections.ts'
import { storeAt } from '../../store.ts'

const KINDS = ['quick', 'intensive'] as const
/** Of an intensive task, in short locks. */
const WORK = 2.5

interface Does {
  readonly quick: 'short' | 'long'
  readonly intensive: 'short' | 'long'
  readonly renewed?: true
}
const short: Does = { quick: 'short', intensive: 'short' }
const renewed: Does = { ...short, renewed: true }

const ways: Readonly<Record<'short' | 'long' | 'per-kind' | 'renewed', Way<Does>>> = {
  short: { is: 'short for all', does: short, sabotage: renewed },
  long: { is: 'long for all', does: { quick: 'long', intensive: 'long' }, sabotage: renewed },
  'per-kind': {
    is: 'short for quick tasks, long for intensive ones, as the text has it',
    does: { quick: 'short', intensive: 'long' },
    sabotage: short,
  },
  renewed: { is: 'short for all, and renewed while the task runs', does: renewed, sabotage: short },
}

type Outcome = {
  /** Two were at work. */
  readonly overlapped: boolean
  /** From the asking of the one that was killed to the holding of the next. */
  readonly quickMs: number
  readonly intensiveMs: number
  readonly longMs: number
}
const average = (rounds: readonly Outcome[], of: 'quickMs' | 'intensiveMs'): string =>
  showMs(mean(rounds.map(outcome => outcome[of])))
const overlaps = (rounds: readonly Outcome[]): string =>
  `two at work in ${rounds.filter(({ overlapped }) => overlapped).length} of ${count(rounds.length, 'round')}`
const crashes = (rounds: readonly Outcome[]): string =>
  `after a crash the next one was in ${average(rounds, 'quickMs')} after the lock of a quick task, ${average(rounds, 'intensiveMs')} after that of an intensive one`
const found = (rounds: readonly Outcome[]): string => `${overlaps(rounds)}; ${crashes(rounds)}`
const alone = holds<Outcome>('an intensive task is alone to its end', ({ overlapped }) => !overlapped, overlaps)
const soon = holds<Outcome>(
  'the next one is in soon after the crash of a quick task',
  ({ quickMs, longMs }) => quickMs < longMs,
  crashes,
)

export const adjustableTtl = experiment({
  name: 'adjustable-ttl',
  question: 'How long should a lock last, if some tasks are quick and some intensive?',
  source: '"Lock It or Lose It: Avoiding Race Conditions in Distributed Systems"',
  says: 'dynamically adjustable timeouts are often used to match the complexity of the operation',
  takesS: 20,
  options: {
    store: storeOption('store of the lock (default: a SQLite file of its own)'),
    shortMs: span({ default: '600ms', full: '2s', min: 100, max: 60_000, help: 'length of a short lock' }),
    longMs: span({ default: '3s', full: '10s', min: 300, max: 600_000, help: 'length of a long lock' }),
  },
  rounds: 1,
  ways,

  async setup(stage) {
    const { shortMs, longMs } = stage.settings
    if (longMs < 4 * shortMs)
      throw new ConfigurationError(
        '--long must be at least four times --short: an intensive task takes 2.5 times that.',
      )
    const store = await storeAt(stage.settings.store, stage)
    const first = await mortal(stage, 'first', { store: store.address })
    const [next] = await stage.workers(['next'], { store: store.address })
    stage.conditions({
      workers: '2 processes: one at work, and the next one, which waits',
      tasks: `an intensive one takes ${humanMs(WORK * shortMs)}, a quick one next to nothing`,
      crash: 'the first is killed (-9) at the beginning of its task',
      lock: `short: ${humanMs(shortMs)}, long: ${humanMs(longMs)}, in ${store.told}`,
    })
    return { first, next }
  },

  async round({ does }, { first: mortals, next }, stage): Promise<Outcome> {
    const { longMs } = stage.settings
    async function tell(kind: (typeof KINDS)[number], fate: 'ends' | 'crashes') {
      const before = stage.acts().length
      const first = await mortals.alive()
      const one = first.play('work', { kind, fate })
      await one.until('holds')
      const two = next.play('take')
      await two.until('waits', 'holds')
      await one.until('is done', 'begins')
      if (fate === 'crashes') await kill(stage, first)
      // Its lease is over before its work is: the next one must be in by then.
      else if (does.intensive === 'short' && does.renewed !== true) await two.until('holds')
      await finish(one)
      await finish(two)
      const acts = stage.acts().slice(before)
      const at = (who: string, type: string): number => actsOf(acts, type, who)[0]?.at ?? Number.NaN
      return {
        overlapped: at('next', 'holds') < at('first', 'leaves'),
        apartMs: at('next', 'holds') - at('first', 'asks'),
      }
    }
    const { overlapped } = await tell('intensive', 'ends')
    const { apartMs: quickMs } = await tell('quick', 'crashes')
    const { apartMs: intensiveMs } = await tell('intensive', 'crashes')
    return { overlapped, quickMs, intensiveMs, longMs }
  },

  danger: { opens: 'holds', closes: ['leaves', 'is killed'], of: 'first', rival: 'next' },
  telling: {
    ...tellingSections,
    begins: ({ fields }) => `begins a task: ${text(fields, 'kind')}`,
    'is done': 'is done with its intensive task',
  },
  columns: {
    rounds: rounds => rounds.length,
    'two at work': rounds => rounds.filter(({ overlapped }) => overlapped).length,
    'next in after a quick crash': rounds => average(rounds, 'quickMs'),
    'after an intensive one': rounds => average(rounds, 'intensiveMs'),
  },
  claims: {
    short: [
      shows('two are at work, since the lease ends before the task', ({ overlapped }) => overlapped, overlaps),
      soon,
    ],
    long: [
      shows(
        'after the crash of a quick task the next one waits as for an intensive one',
        ({ quickMs, longMs }) => quickMs >= longMs,
        crashes,
      ),
      alone,
    ],
    'per-kind': [alone, soon],
    renewed: [
      alone,
      holds(
        'the next one is in soon after any crash',
        ({ quickMs, intensiveMs, longMs }) => quickMs < longMs && intensiveMs < longMs,
        crashes,
      ),
    ],
  },
  lessons: of =>
    lessonsOf(of, {
      short: () => `Short for all: ${found(of('short'))}. The lock ends under whoever needs longer.`,
      long: () => `Long for all: ${found(of('long'))}. Every crash costs as much as the longest task may take.`,
      'per-kind': () =>
        `A length for each kind: ${found(of('per-kind'))}. It suits where one knows how long a task takes; the crash of an intensive one is still paid in full.`,
      renewed: () =>
        `Renewed: ${found(of('renewed'))}. The ttl says how soon a crash is noticed, and no longer how long a task may take.`,
    }),

  async worker({ settings, place, locks: open }) {
    const locks = await open(text(place, 'store'))
    return {
      async work(turn) {
        const { act, gate, order, way } = turn
        const kind = oneOf(order, 'kind', KINDS)
        const ttl = way[kind] === 'short' ? settings.shortMs : settings.longMs
        const options = { ttl, renew: way.renewed === true ? 'auto' : 'manual' } as const
        await underLease({ turn, locks, options }, async () => {
          if (text(order, 'fate') === 'crashes') return gate('begins', { kind })
          act('begins', { kind })
          await sleep(systemClock, WORK * settings.shortMs)
          await gate('is done')
        })
      },
      take: turn => underLock({ turn, locks, options: { wait: '1h' } }, async () => {}),
    }
  },
})
