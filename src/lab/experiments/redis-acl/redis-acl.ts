/**
 * How does one protect locks on a Redis that others use too?
 *
 * By users of the server, each with what is its own: the file docs/redis.acl is applied to a server as it stands, and
 * then every user tries what it may and what it may not. Beside it the same server without users, where anybody's
 * FLUSHALL lets a second one into a held lock.
 */
import { relative } from 'node:path'
import type { Way } from '../../declaration.ts'
import { experiment, holds, shows } from '../../experiment.ts'
import { count } from '../../figures.ts'
import { recordOf, tryRedis } from '../../redis.ts'
import { table } from '../../table.ts'
import { checkLocks, withTwo } from './locks.ts'
import type { Check, Two } from './locks.ts'
import { answerOf, attempts, FILE, startOpen, startShared, STRANGERS } from './users.ts'
import type { SharedRedis, User } from './users.ts'

const shared = (tooMuch: readonly User[]) => (directory: string) => startShared(directory, tooMuch)
const ways: Readonly<Record<'open' | 'users', Way<(directory: string) => Promise<SharedRedis>>>> = {
  open: { is: 'everybody may do everything, as the server comes', does: startOpen, sabotage: shared([]) },
  users: { is: 'each may do what is its own', does: shared([]), sabotage: shared(['holdfast', 'app']) },
}

const GROUPS = {
  works: 'holdfast: locks work',
  confined: 'holdfast: nothing else does',
  own: 'app: may do what it likes with what is its own',
  kept: 'app: cannot touch the locks, nor the server',
  out: 'strangers: stay out',
} as const

type Attack = { readonly command: string; readonly answer: string; readonly twoHolders: boolean }
type Outcome = { readonly attacks: readonly Attack[]; readonly checks: readonly Check[] }

const spoiled = (rounds: readonly Outcome[]): number =>
  rounds.flatMap(({ attacks }) => attacks).filter(({ twoHolders }) => twoHolders).length
const showAttacks = (rounds: readonly Outcome[]): string =>
  `two hold after ${spoiled(rounds)} of ${count(rounds.flatMap(({ attacks }) => attacks).length, 'attack')}`
const asExpected =
  (group: string) =>
  ({ checks }: Outcome) => {
    const own = checks.filter(check => check.group === group)
    return own.length > 0 && own.every(({ expected, found }) => expected === found)
  }
const showGroup = (group: string) => (rounds: readonly Outcome[]) => {
  const own = rounds.flatMap(({ checks }) => checks).filter(check => check.group === group)
  const wrong = own.filter(({ expected, found }) => expected !== found)
  const example = wrong[0] === undefined ? '' : `, not: ${wrong[0].tries}: ${wrong[0].found}`
  return `${own.length - wrong.length} of ${own.length} as expected${example}`
}

export const redisAcl = experiment({
  name: 'redis-acl',
  question: 'How does one protect locks on a Redis that others use too?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
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
      const answer = await answerOf(redis.as('app'), command)
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
      const attacks = await withTwo(redis.as('holdfast'), async two => [
        await attack(two, ['DEL', recordOf('invoice:9')]),
        await attack(two, ['FLUSHALL']),
      ])
      return { attacks, checks: name === 'open' ? [] : await allChecks(redis) }
    } finally {
      await redis.close()
    }
  },

  danger: { opens: 'holds', closes: ['leaves'], of: 'first', rival: 'second' },
  telling: {
    tries: ({ fields }) => `${String(fields['command'])}: ${String(fields['answer'])}`,
    refused: 'asks for the lock, and is refused: it is held',
  },
  show: ({ checks }) =>
    checks.length === 0
      ? []
      : table(
          ['', 'who', 'tries', 'expected', 'found'].map(title => ({ title })),
          checks.map(({ who, tries, expected, found }) => [
            expected === found ? 'ok' : 'FAIL',
            ...[who, tries, expected, found].map(cut),
          ]),
        ),
  columns: {
    attacks: ([round]) => round?.attacks.length ?? 0,
    'then two hold': spoiled,
    tried: ([round]) => round?.checks.length ?? 0,
    'as expected': ([round]) => round?.checks.filter(({ expected, found }) => expected === found).length ?? 0,
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
      ...Object.entries(GROUPS).map(([group, claim]) => holds(claim, asExpected(group), showGroup(group))),
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
function allChecks(redis: SharedRedis): Promise<readonly Check[]> {
  return withTwo(redis.as('holdfast'), async two => {
    const checks = [...(await checkLocks(two, 'invoice:7'))]
    const lease = await two.first.acquire('invoice:8')
    for (const { group, user, command, expected } of attempts(recordOf('invoice:8'), 'holdfast::push:x')) {
      const found = await answerOf(redis.as(user), command)
      checks.push({ group, who: user, tries: command.join(' '), expected, found })
    }
    for (const { who, login, expected } of STRANGERS)
      checks.push({
        group: 'out',
        who,
        tries: 'PING',
        expected,
        found: await answerOf(redis.asStranger(login), ['PING']),
      })
    await lease.renew().catch(() => {})
    const all = { tries: 'hold a lock through all that was tried', expected: 'held', found: lease.state }
    await lease.release()
    return [...checks, { group: 'works', who: 'holdfast', ...all }]
  })
}

/** The longest that a cell says; a script is cut. */
function cut(text: string): string {
  return text.length > 72 ? `${text.slice(0, 69)}...` : text
}
