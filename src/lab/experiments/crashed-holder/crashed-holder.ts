/**
 * The holder of a lock crashes, or its task throws: when does the next one get in?
 *
 * The first holds; the second waits. Then the first is killed (-9) at a random phase of its lease, or its task throws
 * while its process lives on. Whoever is still blocked after twice the ttl counts as blocked for ever, and the
 * experiment ends it as an operator would, by revoking the lock. The wait is measured from the crash.
 */
import { sleep, hostClock } from '../../../base/clock.ts'
import { text } from '../../../base/decode.ts'
import { humanMs } from '../../../base/duration.ts'
import type { Lease } from '../../../locks/types.ts'
import { has, instant } from '../../acts.ts'
import type { Turn, Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { seeded } from '../../faults/random.ts'
import { count, mean, showMs } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { kill, mortal } from '../../mortal.ts'
import { seed, span, storeOption } from '../../options.ts'
import { tellingSections, underLock } from '../../sections.ts'
import { onlooker, storeAt } from '../../store.ts'

/** As good as no timeout: holdfast has no lock without one. */
const NEVER = '30d'

interface Does {
  /** Has the lock no end that would come in time? */
  readonly endless: boolean
  readonly renewed: boolean
  /** What becomes of the holder. */
  readonly fate: 'is killed' | 'throws, by hand' | 'throws, in run()'
}
const crash: Does = { endless: false, renewed: false, fate: 'is killed' }
const endless: Does = { ...crash, endless: true }
const byHand: Does = { endless: false, renewed: true, fate: 'throws, by hand' }
const inRun: Does = { endless: true, renewed: true, fate: 'throws, in run()' }

type Name = 'no-timeout' | 'ttl' | 'renewed' | 'by-hand' | 'run'
const ways: Readonly<Record<Name, Way<Does>>> = {
  'no-timeout': { is: 'a lock without a timeout; its holder is killed', does: endless, sabotage: crash },
  ttl: { is: 'a lock with a ttl; its holder is killed', does: crash, sabotage: endless },
  renewed: {
    is: 'a lock that is renewed while its holder lives; held for longer than its ttl, then killed',
    does: { ...crash, renewed: true },
    sabotage: crash,
  },
  'by-hand': { is: 'acquire() and release() by hand; the task throws in between', does: byHand, sabotage: inRun },
  run: { is: 'run(); the task throws', does: inRun, sabotage: byHand },
}

type Outcome = {
  readonly gotIn: boolean
  /** The second, from the crash or the exception on. */
  readonly waitedMs: number | null
  /** From the first one's asking to the second one's holding. */
  readonly apartMs: number | null
  readonly ttlMs: number
  /** The first was sure of its lease after one and a half times the ttl. */
  readonly outlived: boolean
  /** Who the store said was holding, while the second waited. */
  readonly listed: string
}
const waits = (rounds: readonly Outcome[]): readonly number[] => rounds.flatMap(({ waitedMs }) => waitedMs ?? [])
function found(rounds: readonly Outcome[]): string {
  const blocked = rounds.filter(({ gotIn }) => !gotIn).length
  if (blocked > 0) return `blocked for good in ${blocked} of ${count(rounds.length, 'round')}`
  return `got in ${showMs(mean(waits(rounds)))} after it on average, ${showMs(Math.max(...waits(rounds)))} at most`
}
const blocked = (text: string) => shows<Outcome>(text, ({ gotIn, listed }) => !gotIn && listed === 'first', found)

export const crashedHolder = experiment({
  name: 'crashed-holder',
  question: 'The holder of a lock crashes: how long does the next one wait?',
  source: '"Lock It or Lose It: Avoiding Race Conditions in Distributed Systems"',
  says: "if the node doesn't release the lock within 10 seconds, the system will automatically release it.",
  takesS: 18,
  options: {
    store: storeOption('store of the lock (default: a SQLite file of its own)'),
    ttlMs: span({ default: '1s', full: '10s', min: 200, max: 60_000, help: 'length of the lock' }),
    seed,
  },
  rounds: 2,
  ways,

  async setup(stage) {
    const { settings } = stage
    const store = await storeAt(settings.store, stage)
    const operator = await onlooker(stage, store)
    const first = await mortal(stage, 'first', { store: store.address })
    const [second] = await stage.workers(['second'], { store: store.address })
    stage.conditions({
      workers: '2 processes: one that holds, one that waits',
      crash: `the first is killed (-9) at a random phase of its lease, or its task throws; --seed ${settings.seed} repeats the phases`,
      blocked: `who does not get in within ${humanMs(2 * settings.ttlMs)}; then the experiment revokes the lock`,
      lock: `for ${humanMs(settings.ttlMs)}, in ${store.told}`,
    })
    return { operator, first, second, random: seeded(settings.seed) }
  },

  async round({ does }, { operator, first: mortals, second, random }, stage): Promise<Outcome> {
    const { ttlMs } = stage.settings
    const first = await mortals.alive()
    const one = first.play('hold')
    await one.until('holds')
    const two = second.play('take')
    await two.until('waits', 'holds')
    await one.until('works on')
    if (does.fate === 'is killed') {
      await sleep(hostClock, random() * 0.7 * ttlMs)
      await kill(stage, first)
    } else {
      one.pass()
      await one.until('throws')
    }

    const view = await operator.inspect(stage.key)
    const listed = view?.holders.map(({ holder }) => holder).join() ?? 'nobody'
    const left = view?.holders.map(({ leftMs }) => humanMs(leftMs)).join() ?? '-'
    stage.act('ls', 'lists', { listed, left, waiters: view?.waiters.length ?? 0 })
    const blocks = does.endless ? does.fate === 'is killed' : does.fate === 'throws, by hand'
    if (blocks) await Promise.race([two.done, sleep(hostClock, 2 * ttlMs)])
    else await two.until('holds')
    const gotIn = has(stage.acts(), 'holds', 'second')
    if (!gotIn) {
      stage.act('ls', 'revokes')
      await operator.revoke(stage.key, { reason: 'blocked for too long', tickets: 'holders', now: true })
    }
    one.pass()
    await Promise.all([one.done, two.done])
    const acts = stage.acts()
    const at = instant(acts, 'holds', 'second')
    const over = has(acts, 'is killed') ? instant(acts, 'is killed', 'first') : instant(acts, 'throws', 'first')
    return {
      gotIn,
      waitedMs: gotIn ? Math.max(0, at - over) : null,
      apartMs: gotIn ? at - instant(acts, 'asks', 'first') : null,
      ttlMs,
      outlived: has(acts, 'outlives', 'first'),
      listed,
    }
  },

  danger: { opens: 'holds', closes: ['leaves'], of: 'first', rival: 'second' },
  telling: {
    ...tellingSections,
    outlives: 'still holds after one and a half times the ttl',
    loses: 'has lost the lock',
    throws: ({ fields }) => `its task throws; it lives on${fields['by'] === 'hand' ? ', and nobody releases' : ''}`,
    lists: ({ fields: { listed, left, waiters } }) =>
      `says: held by ${String(listed)}, ${String(left)} left, ${count(Number(waiters), 'waiter')}`,
    revokes: 'the experiment ends it: revoked',
  },
  columns: {
    rounds: rounds => rounds.length,
    'got in': rounds => rounds.filter(({ gotIn }) => gotIn).length,
    'wait on average': rounds => showMs(mean(waits(rounds))),
    longest: rounds => showMs(waits(rounds).length === 0 ? null : Math.max(...waits(rounds))),
  },
  claims: {
    'no-timeout': [blocked('the next one is blocked for good by a holder that is dead')],
    ttl: [
      holds(
        'the next one gets in, and not before the lease is over',
        ({ gotIn, apartMs, ttlMs }) => gotIn && (apartMs ?? 0) >= ttlMs,
        found,
      ),
    ],
    renewed: [
      holds(
        'it is held for longer than its ttl, and the next one gets in after the crash all the same',
        ({ gotIn, outlived }) => gotIn && outlived,
        found,
      ),
    ],
    'by-hand': [blocked('the next one is blocked for good by a holder whose task is over')],
    run: [holds('the next one gets in though the lock would have lasted for days', ({ gotIn }) => gotIn, found)],
  },
  lessons: of =>
    lessonsOf(of, {
      'no-timeout': () =>
        `Without a timeout a dead holder holds: the next one was ${found(of('no-timeout'))}. The store knows who it is (ls), and somebody has to end it by hand (revoke).`,
      ttl: () =>
        `With a ttl the next one ${found(of('ttl'))}: what was left of the lease at the crash. A shorter ttl frees sooner, and ends work that takes longer (holdfast lab adjustable-ttl).`,
      renewed: () =>
        `Renewed while its holder lives the ttl need not cover the work: it was held for longer, and after the crash the next one ${found(of('renewed'))}.`,
      'by-hand': () =>
        `A task that throws is no crash. The process lives and renews a lock that nobody will release: the next one was ${found(of('by-hand'))}. A ttl does not help.`,
      run: () => `run() releases whatever the task comes to, as "defer" does: the next one ${found(of('run'))}.`,
    }),

  async worker({ settings, place, locks: open }) {
    const locks = await open(text(place, 'store'))
    async function byHand({ way, act, gate, key }: Turn<Does>): Promise<Lease> {
      const renew = way.renewed ? 'auto' : 'manual'
      const lease = await locks.acquire(key, { ttl: way.endless ? NEVER : settings.ttlMs, renew })
      act('holds')
      if (way.fate === 'is killed' && way.renewed) {
        await sleep(hostClock, 1.5 * settings.ttlMs)
        act(lease.state === 'held' ? 'outlives' : 'loses')
      }
      await gate('works on')
      throw new Error('The task fails.')
    }
    return {
      async hold(turn) {
        const { way, act, gate, key } = turn
        act('asks')
        if (way.fate === 'throws, in run()') {
          const failing = locks.run(key, { ttl: NEVER }, async () => {
            act('holds')
            await gate('works on')
            throw new Error('The task fails.')
          })
          await failing.catch(() => act('throws', { by: 'run' }))
          act('leaves')
        } else {
          await byHand(turn).catch(() => act('throws', { by: 'hand' }))
          await gate('lives on')
        }
      },
      take: turn => underLock({ turn, locks, options: { wait: Infinity } }, async () => {}),
    }
  },
})
