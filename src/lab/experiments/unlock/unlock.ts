/**
 * Why does one need a script to unlock Redis?
 *
 * Three processes and one lock. The late one locks for a short ttl, does its work, and stops itself (SIGSTOP) at the
 * latest moment before its release takes effect. When its time is over its successor has the lock. Then it goes on and
 * releases. Whether a third one comes in while the successor is
 * still inside is the question, and the way of releasing is the answer.
 */
import { withoutPassword } from '../../../base/address.ts'
import { sleep, systemClock } from '../../../base/clock.ts'
import { text } from '../../../base/decode.ts'
import { humanMs } from '../../../base/duration.ts'
import { actsOf, instant } from '../../acts.ts'
import type { Turn } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count, showMs } from '../../figures.ts'
import { span, storeOption } from '../../options.ts'
import {
  addressOf,
  NEEDS_REDIS,
  openRaw,
  ownRedis,
  recordOf,
  REDIS_ONLY,
  refuseWithoutAnswer,
  refuseWithoutRedis,
} from '../../redis.ts'
import { ways } from './ways.ts'
import type { Does } from './ways.ts'

/** What each does while it holds. */
const WORK_MS = 40
/** What the third one may do in vain while the successor is inside. */
const PATIENCE_MS = 120
/** Nobody but the late one should lose a lock by time. */
const LONG_TTL_MS = 20_000

interface Stay {
  readonly ttlMs?: number
  readonly stays?: true
  readonly pause?: (where: string) => void
}

type Outcome = { readonly removedOther: boolean; readonly overlapMs: number }
const overlaps = (rounds: readonly Outcome[]): number => rounds.filter(({ overlapMs }) => overlapMs > 0).length
const removals = (rounds: readonly Outcome[]): number => rounds.filter(({ removedOther }) => removedOther).length
const found = (rounds: readonly Outcome[]): string =>
  `lock removed in ${removals(rounds)}, two inside in ${overlaps(rounds)} of ${count(rounds.length, 'round')}`

const broken = shows<Outcome>(
  'a late release lets a third one in',
  ({ removedOther, overlapMs }) => removedOther && overlapMs > 0,
  found,
)
const repaired = holds<Outcome>(
  "a late release removes nobody's lock, no two inside",
  ({ removedOther, overlapMs }) => !removedOther && overlapMs === 0,
  found,
)

export const unlock = experiment({
  name: 'unlock',
  question: 'Why does one need a script to unlock Redis?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  says: "If you don't do this within a LUA script it's not considered atomic and thus not safe for concurrent usage.",
  needs: NEEDS_REDIS,
  takesS: 6,
  options: {
    ttlMs: span({ default: '300ms', min: 100, max: 10_000, help: 'length of the lock whose holder is late' }),
    store: storeOption('a Redis or Valkey (default: one of its own, started for this run)', REDIS_ONLY),
  },
  rounds: 3,
  ways,

  async setup(stage) {
    const { store, ttlMs } = stage.settings
    if (store === null) refuseWithoutRedis(', or name a Redis of yours with --store redis://localhost:6379')
    const address = store ?? addressOf(stage.use(await ownRedis()))
    await refuseWithoutAnswer(address)
    const raw = stage.use(openRaw(address))
    const crew = await stage.workers(['late', 'successor', 'third'], { store: address })
    stage.conditions({
      workers: '3 processes: one that is late, its successor, a third',
      lock: `for ${humanMs(ttlMs)}; the late one is stopped (SIGSTOP) after its work, until its successor has the lock`,
      store: `${withoutPassword(address)}${store === null ? ', started for this run' : ''}`,
    })
    return { crew, raw }
  },

  async round(_way, { crew, raw }, stage): Promise<Outcome> {
    // A key of this round's own: nobody will ever compare a token of it.
    const names = [stage.key, recordOf(stage)]
    stage.use({ close: async () => void (await raw.ask('DEL', ...names)) })
    const [lateOne, successorOne, thirdOne] = crew
    const late = lateOne.play('late')
    await late.until('stops')
    // A SIGSTOP of ours as well might come first, and its own would then stop it for good.
    await lateOne.child.stopped()
    const successor = successorOne.play('stays')
    await successor.until('is inside')
    lateOne.child.resume()
    await late.until('ends')

    const third = thirdOne.play('next')
    await third.until('is inside', 'waits')
    await Promise.race([third.done, sleep(systemClock, PATIENCE_MS)])
    successor.pass()
    await Promise.all([successor.done, third.done])
    const acts = stage.acts()
    return {
      removedOther: actsOf(acts, 'has unlocked', 'late')[0]?.fields['removed'] === true,
      overlapMs: Math.max(0, instant(acts, 'is done', 'successor') - instant(acts, 'is inside', 'third')),
    }
  },

  // Is the third one there while the successor is inside?
  danger: { opens: 'is inside', closes: ['is done'], of: 'successor', rival: 'third' },
  telling: {
    'is inside': ({ who, at }, acts) => {
      if (who === 'late') return 'enters, for a short time'
      if (who === 'successor') return 'enters, since the time of the late one is over'
      return at < instant(acts, 'is done', 'successor')
        ? 'enters as well: TWO INSIDE'
        : 'enters, after the successor has left'
    },
    stops: ({ fields }) => `has done its work, and is stopped ${text(fields, 'where')}`,
    'has unlocked': ({ who, fields }) =>
      who !== 'late'
        ? 'leaves'
        : fields['removed'] === true
          ? 'goes on: its release REMOVES the lock of the successor'
          : 'goes on: its release finds that the lock is no longer its own, and removes nothing',
  },
  columns: {
    rounds: rounds => rounds.length,
    'foreign lock removed': removals,
    'two inside': overlaps,
    longest: rounds => showMs(overlaps(rounds) === 0 ? null : Math.max(...rounds.map(({ overlapMs }) => overlapMs))),
  },
  claims: { del: [broken], 'get-del': [broken], 'if-exists': [broken], script: [repaired], holdfast: [repaired] },
  lessons(of) {
    const said = (way: keyof typeof ways): string => `${overlaps(of(way))} of ${count(of(way).length, 'round')}`
    return [
      `DEL by itself asks nobody whose lock it is. Stopped for longer than its ttl, the late one removed the lock of its successor, and a third one came in, in ${said('del')}.`,
      `To look first (GET) and then DEL helps only against a process that is stopped before it looks. Stopped between the two commands it had an answer that was out of date: two inside in ${said('get-del')}. The shorter the gap, the harder to find.`,
      `The script of the text, "delete if exists", is one step and asks the wrong question: a lock did exist, that of the successor. Two inside in ${said('if-exists')}.`,
      `A script runs on the server as one step, so nothing can come between comparing and deleting: two inside in ${said('script')}. That, and not speed, is why one unlocks Redis with a script. holdfast releases, renews and enters by one script each: ${said('holdfast')}.`,
      'No release helps if the pause comes in the middle of the work: then both are at it, and the resource must refuse the late one by its fencing token: holdfast lab failover.',
    ]
  },

  async worker({ settings, namespace, place, locks, use }) {
    const store = text(place, 'store')
    const tools = { namespace, raw: use(openRaw(store)), locks: await locks(store) }

    async function hold({ key, way, act, gate, signal }: Turn<Does>, { ttlMs = LONG_TTL_MS, stays, pause }: Stay) {
      const mutex = way({ ...tools, key })
      act('asks')
      await mutex.lock(ttlMs, { waiting: () => act('waits'), signal })
      act('holds', { forMs: ttlMs })
      if (stays) await gate('is inside')
      else {
        act('is inside')
        await sleep(systemClock, WORK_MS)
      }
      act('is done')
      act('has unlocked', { removed: await mutex.unlock(where => pause?.(where)) })
    }

    return {
      late: turn =>
        hold(turn, {
          ttlMs: settings.ttlMs,
          pause(where) {
            turn.act('stops', { where })
            process.kill(process.pid, 'SIGSTOP')
          },
        }),
      stays: turn => hold(turn, { stays: true }),
      next: turn => hold(turn, {}),
    }
  },
})
