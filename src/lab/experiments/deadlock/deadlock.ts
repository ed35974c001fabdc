/**
 * Two locks in opposite orders: who ends it?
 *
 * Each takes one lock, then the other; half of the workers in one order, half in the other. When the first has its
 * first lock, and the second has its own or is kept waiting, both go on, and all others begin. Nobody detects that they
 * wait for each other, since they are processes, and the locks may even be of two systems: only a wait that ends does.
 */
import { sleep, systemClock } from '../../../base/clock.ts'
import { text } from '../../../base/decode.ts'
import { humanMs } from '../../../base/duration.ts'
import { actsOf, has } from '../../acts.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, sum } from '../../figures.ts'
import { lessonsOf } from '../../lessons.ts'
import { span, whole } from '../../options.ts'
import { findPlaces, places, reachPlaces } from '../../places.ts'
import { tellingSections } from '../../sections.ts'
import { onlooker } from '../../store.ts'
import { persist, ways } from './ways.ts'

type Outcome = {
  readonly workers: number
  /** Had both locks. */
  readonly done: number
  /** Nobody had, and nobody went on. */
  readonly blocked: boolean
  /** Waits that ended without the lock. */
  readonly timeouts: number
}
const timeouts = (rounds: readonly Outcome[]): number => sum(rounds, outcome => outcome.timeouts)
const found = (rounds: readonly Outcome[]): string =>
  `${count(timeouts(rounds), 'wait')} in vain, ${sum(rounds, ({ done }) => done)} of ${sum(rounds, ({ workers }) => workers)} done, in ${count(rounds.length, 'round')}`
const meets = shows<Outcome>('they wait for each other until a wait ends', outcome => outcome.timeouts > 0, found)
const apart = holds<Outcome>(
  'nobody waits in vain, and all come to their end',
  outcome => outcome.timeouts === 0 && outcome.done === outcome.workers,
  found,
)
const ended = holds<Outcome>('all come to their end', ({ done, workers }) => done === workers, found)

export const deadlock = experiment({
  name: 'deadlock',
  question: 'Two locks in opposite orders: who ends it?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  says: 'generally the idea is that you should rollback the transaction and retry after a random wait',
  takesS: 18,
  options: {
    ...places,
    workers: whole({
      default: '4',
      brief: '2',
      min: 2,
      max: 32,
      help: 'worker processes, 2 to 32; half of them in each order',
    }),
    waitMs: span({
      default: '500ms',
      brief: '1s',
      min: 50,
      max: 60_000,
      help: 'how long each waits for its second lock',
    }),
  },
  rounds: 1,
  ways,

  async setup(stage) {
    const { settings } = stage
    const { store, place, told } = await findPlaces(stage)
    const operator = await onlooker(stage, store)
    const names = Array.from({ length: settings.workers }, (_one, index) => `worker ${index + 1}`)
    const crew = await stage.workers(names, place)
    stage.conditions({
      workers: `${settings.workers} processes; the odd ones take lock a and then b, the even ones b and then a`,
      order: 'the first has one lock, and the second has its own or waits; then both go on, and all others begin',
      wait: `${humanMs(settings.waitMs)} for the second lock`,
      ...told,
    })
    return { crew, operator }
  },

  async round({ does, free }, { crew, operator }, stage): Promise<Outcome> {
    const { waitMs } = stage.settings
    const playing = does.pair === true ? crew.slice(0, 2) : crew
    const [first, second, ...others] = playing
    let blocked = false
    if (free) await stage.together(...playing.map(worker => [worker, 'take'] as const))
    else if (first !== undefined && second !== undefined) {
      const one = first.play('take', { gated: true })
      await one.until('has one')
      const two = second.play('take', { gated: true })
      await two.until('has one', 'waits')
      const rest = others.map(worker => worker.play('take'))
      one.pass()
      two.pass()
      if (does.pauseMs === null) {
        await two.until('waits', 'is done')
        await Promise.race([Promise.all([one.done, two.done]), sleep(systemClock, 3 * waitMs)])
        blocked = !has(stage.acts(), 'is done')
      }
      if (blocked) {
        stage.act('operator', 'revokes')
        await operator.revoke(`${stage.key}:a`, { reason: 'a deadlock', tickets: 'holders', now: true })
      }
      await Promise.all([one, two, ...rest].map(({ done }) => done))
    }
    const acts = stage.acts()
    return {
      workers: playing.length,
      done: actsOf(acts, 'is done').length,
      blocked,
      timeouts: actsOf(acts, 'timed out').length,
    }
  },

  free: { is: 'all begin at one instant', rounds: 3, ways: ['at-once', 'fixed', 'random'] },
  danger: { opens: 'has one', closes: ['leaves'] },
  telling: {
    ...tellingSections,
    'has one': 'has its first lock',
    holds: 'has both',
    'timed out': ({ fields }) => `has waited in vain (${text(fields, 'by')} has it), and gives back its own`,
    revokes: 'the experiment ends it: revokes lock a',
  },
  // What the others do says nothing new.
  draw: acts => acts.filter(({ who }) => /^worker [12]$|^operator$/.test(who)).slice(0, 24),
  columns: {
    rounds: rounds => rounds.length,
    workers: rounds => rounds[0]?.workers ?? '-',
    done: rounds => sum(rounds, ({ done }) => done),
    'waits in vain': timeouts,
  },
  claims: {
    'for-ever': [shows('they wait for each other, and nobody ends it', ({ blocked }) => blocked, found)],
    'at-once': [meets],
    fixed: [meets],
    random: [meets],
    mixed: [meets, ended],
    ordered: [apart],
    together: [apart],
  },
  lessons(of) {
    const said = (way: keyof typeof ways): string => found(of(way))
    return lessonsOf(of, {
      'for-ever': () =>
        'Two that wait for each other without an end are seen by nobody: each store sees one who holds and one who waits. Somebody had to revoke a lock.',
      'at-once': () =>
        `A wait that ends ends it: ${said('at-once')}. Who comes again at once meets the same ones again.`,
      fixed: () => `So does who comes again after a fixed time, since the others do too: ${said('fixed')}.`,
      random: () => `A random wait takes them apart sooner or later: ${said('random')}.`,
      mixed: () =>
        `A lock and a row lock in opposite orders: ${said('mixed')}. A database that detects deadlocks among its rows does not see this one.`,
      ordered: () => `In one order for all there is none: ${said('ordered')}.`,
      together: () => `acquireAll puts them in order by itself, and has all or none: ${said('together')}.`,
    })
  },

  async worker(site) {
    const { locks, connection } = await reachPlaces(site)
    const isOdd = Number(site.name.split(' ')[1]) % 2 === 1
    return {
      async take(turn) {
        const [a, b] = [`${turn.key}:a`, `${turn.key}:b`]
        let gated = turn.order['gated'] === true
        const off = locks.on('waiting', () => turn.act('waits'))
        await persist(turn.way, {
          turn,
          locks,
          connection,
          keys: isOdd ? [a, b] : [b, a],
          waitMs: site.settings.waitMs,
          async hasOne() {
            if (!gated) return turn.act('has one')
            gated = false
            await turn.gate('has one')
          },
        }).finally(off)
      },
    }
  },
})
