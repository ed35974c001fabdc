/**
 * The writes become slower and slower: is there an alert before two are at work?
 *
 * Under one lock a writer makes writes that take from a fifth of the lease to one and a fifth, as in the text: 1 to 6
 * seconds under a lease of 5. At each of them somebody else asks and waits, and is in as soon as the lease is over. The
 * ramp ends with the first write that is not alone. Which came first, the alert or the overlap?
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import { number, text } from '../../../base/decode.ts'
import { humanMs } from '../../../base/duration.ts'
import type { Locks } from '../../../locks/types.ts'
import { has, instant } from '../../acts.ts'
import type { Turn, Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { mean } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { span, storeOption } from '../../options.ts'
import { underLease, underLock } from '../../sections.ts'
import { storeAt } from '../../store.ts'

/** Lengths of the writes, in leases. */
const RAMP = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2]
/** From here on a hold is too close to its lease. */
const TOO_CLOSE = 0.8

interface Means {
  readonly turn: Turn<unknown>
  readonly locks: Locks
  readonly ttlMs: number
  /** The writes so far. */
  readonly tookMs: readonly number[]
}
interface Does {
  readonly renewed?: true
  /** Tells of an alert. What it gives is called when the write is over. */
  watch(means: Means): () => void
}
const p99: Does = {
  watch: ({ turn, locks }) => locks.on('ttl-at-risk', event => event.key === turn.key && turn.act('alert')),
}
const average: Does = {
  watch:
    ({ turn, tookMs, ttlMs }) =>
    () => {
      if ((mean(tookMs) ?? 0) > TOO_CLOSE * ttlMs) turn.act('alert')
    },
}

const ways: Readonly<Record<'average' | 'p99' | 'renewed', Way<Does>>> = {
  average: { is: 'an alert on the average of the holds', does: average, sabotage: p99 },
  p99: { is: 'the event ttl-at-risk, on the slowest of them (p99)', does: p99, sabotage: average },
  renewed: { is: 'a lease that is renewed while the write lasts', does: { ...p99, renewed: true }, sabotage: p99 },
}

/** In leases: the write at which it came. null: it did not. */
type Outcome = { readonly alert: number | null; readonly overlap: number | null }
const at = (moment: number | null | undefined): string =>
  typeof moment === 'number' ? `at a write of ${moment.toFixed(1)} leases` : 'never'
const found = (rounds: readonly Outcome[]): string =>
  `alert ${at(rounds.at(-1)?.alert)}, two at work ${at(rounds.at(-1)?.overlap)}`
const isEarly = ({ alert, overlap }: Outcome): boolean => alert !== null && alert < (overlap ?? Infinity)

export const ttlAtRisk = experiment({
  name: 'ttl-at-risk',
  question: 'The writes become slower and slower: is there an alert before two are at work?',
  source: '"Distributed Lock Source of Truth Olabilir mi?"',
  says: 'alerts when p99 DB latency gets too close to lock TTL',
  takesS: 16,
  options: {
    store: storeOption('store of the lock (default: a SQLite file of its own)'),
    leaseMs: span({ default: '800ms', full: '5s', min: 100, max: 60_000, help: 'length of the lock' }),
  },
  rounds: 1,
  ways,

  async setup(stage) {
    const { leaseMs } = stage.settings
    const store = await storeAt(stage.settings.store, stage)
    const crew = await stage.workers(['writer', 'rival'], { store: store.address })
    stage.conditions({
      workers: '2 processes: one that writes, and one that asks during each write',
      writes: `from ${humanMs(leaseMs * (RAMP[0] ?? 0))} to ${humanMs(leaseMs * (RAMP.at(-1) ?? 0))}, each longer than the one before`,
      lease: `${humanMs(leaseMs)}, in ${store.told}`,
    })
    return crew
  },

  async round(_way, [writer, rival], stage): Promise<Outcome> {
    let alert: number | null = null
    for (const leases of RAMP) {
      const before = stage.acts().length
      const one = writer.play('write', { leases })
      await one.until('holds')
      const two = rival.play('take')
      await two.until('waits', 'holds')
      await Promise.all([one.done, two.done])
      const acts = stage.acts().slice(before)
      if (alert === null && has(acts, 'alert')) alert = leases
      if (instant(acts, 'holds', 'rival') < instant(acts, 'wrote', 'writer')) return { alert, overlap: leases }
    }
    return { alert, overlap: null }
  },

  danger: { opens: 'holds', closes: ['leaves'], of: 'writer', rival: 'rival' },
  telling: {
    alert: 'ALERT: the holds come too close to the ttl',
    wrote: ({ fields }) => `has written for ${number(fields, 'leases').toFixed(1)} leases`,
  },
  columns: {
    rounds: rounds => rounds.length,
    alert: rounds => at(rounds.at(-1)?.alert),
    'two at work': rounds => at(rounds.at(-1)?.overlap),
  },
  claims: {
    average: [
      shows(
        'two are at work before the average tells',
        outcome => outcome.overlap !== null && !isEarly(outcome),
        found,
      ),
    ],
    p99: [
      holds('the alert comes before two are at work', outcome => outcome.overlap !== null && isEarly(outcome), found),
    ],
    renewed: [holds('a write that outlasts the ttl is alone', ({ overlap }) => overlap === null, found)],
  },
  lessons: of =>
    lessonsOf(of, {
      average: () => `An average hides the slow ones: ${found(of('average'))}.`,
      p99: () =>
        `ttl-at-risk looks at the slowest of the last hundred holds: ${found(of('p99'))}. An alert is no protection: it tells in time that the design is unsafe.`,
      renewed: () => `With renewal the ttl need not cover the write: ${found(of('renewed'))}.`,
    }),

  async worker({ settings, place, locks: open }) {
    const locks = await open(text(place, 'store'))
    /** By key: those of this round. */
    const took = new Map<string, number[]>()
    return {
      async write(turn) {
        const { act, key, order, way } = turn
        const tookMs = took.get(key) ?? []
        took.set(key, tookMs)
        const ttlMs = settings.leaseMs
        const leases = number(order, 'leases')
        const over = way.watch({ turn, locks, tookMs, ttlMs })
        const options = { ttl: ttlMs, renew: way.renewed === true ? 'auto' : 'manual' } as const
        const begunAt = systemClock.now()
        await underLease({ turn, locks, options }, async () => {
          await sleep(systemClock, leases * ttlMs)
          act('wrote', { leases })
        })
        tookMs.push(systemClock.now() - begunAt)
        over()
      },
      take: turn => underLock({ turn, locks, options: { wait: '1h' } }, async () => {}),
    }
  },
})
