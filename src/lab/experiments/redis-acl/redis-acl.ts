/**
 * How does one protect locks on a Redis that others use too?
 *
 * By users of the server, each with what is its own: the file docs/redis.acl is applied to a server as it stands, and
 * then every user tries what it may and what it may not. Beside it the same server without users, where anybody's
 * FLUSHALL lets a second one into a held lock.
 */
import { relative } from 'node:path'
import { claimsOf, isAsExpected, showChecks } from '../../checks.ts'
import type { Check } from '../../checks.ts'
import type { Way } from '../../declaration.ts'
import { exercise, withTwo } from '../../exercise.ts'
import type { Two } from '../../exercise.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count } from '../../figures.ts'
import { answerTo, NEEDS_REDIS, recordOf, tryRedis } from '../../redis.ts'
import { attempts, FILE, startOpen, startShared, STRANGERS } from './users.ts'
import type { SharedRedis, User } from './users.ts'

const shared = (tooMuch: readonly User[]) => (directory: string) => startShared(directory, tooMuch)
const ways: Readonly<Record<'open' | 'users', Way<(directory: string) => Promise<SharedRedis>>>> = {
  open: { is: 'everybody may do everything, as the server comes', does: startOpen, sabotage: shared([]) },
  users: { is: 'each may do what is its own', does: shared([]), sabotage: shared(['holdfast', 'app']) },
}

type Attack = { readonly command: string; readonly answer: string; readonly twoHolders: boolean }
type Outcome = { readonly attacks: readonly Attack[]; readonly checks: readonly Check[] }

const spoiled = (rounds: readonly Outcome[]): number =>
  rounds.flatMap(({ attacks }) => attacks).filter(({ twoHolders }) => twoHolders).length
const showAttacks = (rounds: readonly Outcome[]): string =>
  `two hold after ${spoiled(rounds)} of ${count(rounds.flatMap(({ attacks }) => attacks).length, 'attack')}`

export const redisAcl = experiment({
  name: 'redis-acl',
  question: 'How does one protect locks on a Redis that others use too?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  says: "Like anything security related, performing some negative tests will ensure it's working as intended.",
  needs: NEEDS_REDIS,
  takesS: 1,
  options: {},
  rounds: () => 1,
  ways,

  async setup(stage) {
    await tryRedis()
    stage.conditions({
      server: 'Redis, started for each way',
      users: `${relative(process.cwd(), FILE)}, applied as it stands`,
    })
  },

  async round({ name, does: start }, _scene, stage): Promise<Outcome> {
    const redis = await start(stage.directory)
    /** The application does to a held lock what applications do by mistake, and somebody else asks for it. */
    const attack = async ({ first, second }: Two, command: readonly string[]): Promise<Attack> => {
      stage.act('first', 'asks')
      const lease = await first.acquire('invoice:9')
      stage.act('first', 'holds')
      const answer = await answerTo(command, redis.as('app'))
      stage.act('app', 'tries', { command: command.join(' '), answer })
      stage.act('second', 'asks')
      const other = await second.tryAcquire('invoice:9')
      stage.act('second', other === null ? 'refused' : 'holds')
      const twoHolders = other !== null && lease.state === 'held'
      await other?.release()
      if (other !== null) stage.act('second', 'leaves')
      await lease.release()
      stage.act('first', 'leaves')
      return { command: command.join(' '), answer, twoHolders }
    }
    try {
      const { namespace } = stage
      const attacks = await withTwo(redis.as('holdfast'), namespace, async two => [
        await attack(two, ['DEL', recordOf({ key: 'invoice:9', namespace })]),
        await attack(two, ['FLUSHALL']),
      ])
      return { attacks, checks: name === 'open' ? [] : await allChecks(redis, namespace) }
    } finally {
      await redis.close()
    }
  },

  danger: { opens: 'holds', closes: ['leaves'], of: 'first', rival: 'second' },
  telling: {
    tries: ({ fields }) => `${String(fields['command'])}: ${String(fields['answer'])}`,
    refused: 'asks for the lock, and is refused: it is held',
  },
  show: showChecks,
  columns: {
    attacks: ([round]) => round?.attacks.length ?? 0,
    'then two hold': spoiled,
    tried: ([round]) => round?.checks.length ?? 0,
    'as expected': ([round]) => round?.checks.filter(isAsExpected).length ?? 0,
  },
  claims: {
    open: [
      shows(
        'DEL and FLUSHALL of anybody let a second one in',
        ({ attacks }) => attacks.every(({ twoHolders }) => twoHolders),
        showAttacks,
      ),
    ],
    users: [
      holds('neither does', ({ attacks }) => !attacks.some(({ twoHolders }) => twoHolders), showAttacks),
      ...claimsOf({
        works: 'holdfast: locks work',
        confined: 'holdfast: nothing else does',
        own: 'app: may do what it likes with what is its own',
        kept: 'app: cannot touch the locks, nor the server',
        out: 'strangers: stay out',
      }),
    ],
  },
  lessons(of) {
    const said = (way: keyof typeof ways): string =>
      `${spoiled(of(way))} of ${of(way).flatMap(one => one.attacks).length}`
    const checks = of('users').flatMap(round => round.checks)
    const refused = checks.filter(({ found }) => found === 'NOPERM').length
    return [
      `On a server without users a lock is a key like any other. Whoever clears a cache clears the locks with it: ${said('open')} attacks let a second one in, and the first was not told before its next renewal.`,
      `With a user for the locks and one for the application it is ${said('users')}. The lines are as good as their negative tests: of ${checks.length} things tried here ${refused} had to be refused for lack of a permission. Scripts are no way around: the server asks for what they do, also for keys that they do not declare.`,
      'What users do not prevent: the application sees the names of keys (SCAN), it may fill the memory (set maxmemory-policy noeviction, or a lock may be evicted), and a script that never ends stops everybody. Where that matters give the locks a server of their own, and in every case fence what they protect.',
    ]
  },
})

/** While a lock is held, so that there is something to spoil; it must be held to the end. */
function allChecks(redis: SharedRedis, namespace: string): Promise<readonly Check[]> {
  return withTwo(redis.as('holdfast'), namespace, async two => {
    const works = { group: 'works', who: 'holdfast' }
    const checks = [...(await exercise(two, { ...works, key: 'invoice:7' }))]
    const key = 'invoice:8'
    const lease = await two.first.acquire(key)
    for (const { group, user, command, expected } of attempts(recordOf({ key, namespace }))) {
      const found = await answerTo(command, redis.as(user))
      checks.push({ group, who: user, tries: command.join(' '), expected, found })
    }
    for (const { login, ...stranger } of STRANGERS) {
      const found = await answerTo(['PING'], redis.asStranger(login))
      checks.push({ group: 'out', tries: 'PING', ...stranger, found })
    }
    await lease.renew().catch(() => {})
    const all = { tries: 'hold a lock through all that was tried', expected: 'held', found: lease.state }
    await lease.release()
    return [...checks, { ...works, ...all }]
  })
}
