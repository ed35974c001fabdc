/**
 * How does one protect locks on a Redis that others use too?
 *
 * By users of the server, each with what is its own: the file docs/redis.acl is applied to a server as it stands, and
 * then every user tries what it may and what it may not. Beside it the same server without users, where anybody's
 * FLUSHALL lets a second one into a held lock.
 */
import { relative } from 'node:path'
import type { Experiment, Given, Outcome, Stage } from '../experiment.ts'
import { count } from '../figures.ts'
import { choiceOf } from '../given.ts'
import type { Finding } from '../judge.ts'
import { attempts, checkAttempts, checkStrangers, GROUPS } from '../redis-acl/checks.ts'
import type { Check } from '../redis-acl/checks.ts'
import { attack, checkLocks, withTwo } from '../redis-acl/locks.ts'
import type { Attack } from '../redis-acl/locks.ts'
import { FILE, startOpen, startShared } from '../redis-acl/users.ts'
import type { SharedRedis } from '../redis-acl/users.ts'
import { recordOf } from '../redis/raw.ts'
import { heading, paragraphs, table } from '../table.ts'

const SABOTAGES = ['app', 'holdfast', 'open'] as const

interface Way {
  readonly name: 'open' | 'users'
  readonly attacks: readonly Attack[]
  readonly checks: readonly Check[]
}

export const redisAcl: Experiment = {
  name: 'redis-acl',
  question: 'How does one protect locks on a Redis that others use too?',
  source: '"go-blog-distributed-mutex" by Antonio Alexander',
  options: [
    {
      flags: '--sabotage <what>',
      description: 'give a user too much (app, holdfast), or the open server users (open)',
      hidden: true,
    },
  ],
  run,
}

async function run(given: Given, stage: Stage): Promise<Outcome> {
  const sabotage = choiceOf(given, 'sabotage', SABOTAGES)
  const ways: Way[] = []
  const open = sabotage === 'open' ? await startShared(stage.directory, null) : await startOpen()
  stage.say(
    '',
    '  server  Redis, started for this run',
    `  users   ${relative(process.cwd(), FILE)}, applied as it stands`,
  )
  try {
    ways.push({ name: 'open', attacks: await attacksOn(open), checks: [] })
  } finally {
    await open.close()
  }
  stage.say(...heading('open: everybody may do everything, as the server comes'), ...showAttacks(ways))
  if (!stage.interrupted.aborted) {
    const shared = await startShared(stage.directory, sabotage === 'open' ? null : sabotage)
    try {
      const checks = await allChecks(shared)
      ways.push({ name: 'users', checks, attacks: await attacksOn(shared) })
      stage.say(
        ...heading('users: each may do what is its own'),
        ...showAttacks(ways.slice(1)),
        '',
        ...showChecks(checks),
      )
    } finally {
      await shared.close()
    }
  }
  const texts = stage.interrupted.aborted ? [] : lessons(ways)
  if (texts.length > 0) stage.say(...paragraphs('What to learn', texts))
  return {
    findings: stage.interrupted.aborted ? [] : ways.flatMap(judge),
    figures: { ways: ways.map(figuresOf), lessons: texts },
  }
}

async function attacksOn(redis: SharedRedis): Promise<readonly Attack[]> {
  const key = 'invoice:9'
  return withTwo(redis.as('holdfast'), async two => [
    await attack(redis, two, key, ['DEL', recordOf(key)]),
    await attack(redis, two, key, ['FLUSHALL']),
  ])
}

/** While a lock is held, so that there is something to spoil; it must be held to the end. */
async function allChecks(redis: SharedRedis): Promise<readonly Check[]> {
  return withTwo(redis.as('holdfast'), async two => {
    const works = await checkLocks(two, 'invoice:7')
    const lease = await two.first.acquire('invoice:8')
    const tried = await checkAttempts(redis, attempts(recordOf('invoice:8'), 'holdfast::push:x'))
    const strangers = await checkStrangers(redis)
    const held = await lease.renew().then(
      () => lease.state,
      () => lease.state,
    )
    await lease.release()
    return [
      ...works,
      { group: 'works', who: 'holdfast', tries: 'hold a lock through all that follows', expected: 'held', found: held },
      ...tried,
      ...strangers,
    ]
  })
}

function showAttacks(ways: readonly Way[]): string[] {
  const columns = ['the application does', 'the server answers', 'then two hold'].map(title => ({ title }))
  return table(
    columns,
    ways.flatMap(({ attacks }) =>
      attacks.map(({ command, answer, twoHolders }) => [command, answer, twoHolders ? 'YES' : 'no']),
    ),
  )
}

/** The longest that a cell says; a script is cut. */
const CELL = 72

function showChecks(checks: readonly Check[]): string[] {
  const columns = ['', 'who', 'tries', 'expected', 'found'].map(title => ({ title }))
  return table(
    columns,
    checks.map(({ who, tries, expected, found }) => [
      expected === found ? 'ok' : 'FAIL',
      who,
      cut(tries),
      cut(expected),
      cut(found),
    ]),
  )
}

function cut(text: string): string {
  return text.length > CELL ? `${text.slice(0, CELL - 3)}...` : text
}

function judge({ name, attacks, checks }: Way): readonly Finding[] {
  const spoiled = attacks.filter(({ twoHolders }) => twoHolders).length
  const found = `two hold after ${spoiled} of ${count(attacks.length, 'attack')}`
  if (name === 'open') {
    return [
      {
        claim: 'open: shows the problem, DEL and FLUSHALL of anybody let a second one in',
        holds: attacks.length > 0 && spoiled === attacks.length,
        found,
      },
    ]
  }
  const groups = Object.entries(GROUPS).map(([group, claim]) => {
    const own = checks.filter(check => check.group === group)
    const wrong = own.filter(check => check.expected !== check.found)
    const first = wrong[0]
    const example = first === undefined ? '' : `, not: ${first.tries}: ${first.found}`
    return {
      claim,
      holds: own.length > 0 && wrong.length === 0,
      found: `${own.length - wrong.length} of ${own.length} as expected${example}`,
    }
  })
  return [{ claim: 'users: neither does', holds: attacks.length > 0 && spoiled === 0, found }, ...groups]
}

function lessons(ways: readonly Way[]): readonly string[] {
  const spoiled = (name: Way['name']): string => {
    const attacks = ways.find(way => way.name === name)?.attacks ?? []
    return `${attacks.filter(({ twoHolders }) => twoHolders).length} of ${attacks.length}`
  }
  const checks = ways.flatMap(way => way.checks)
  const refused = checks.filter(({ found }) => found === 'NOPERM').length
  return [
    `On a server without users a lock is a key like any other. Whoever clears a cache clears the locks with it: ${spoiled('open')} attacks let a second one in, and the first was not told before its next renewal.`,
    `With a user for the locks and one for the application it is ${spoiled('users')}. The lines are as good as their negative tests: of ${checks.length} things tried here ${refused} had to be refused for lack of a permission. Scripts are no way around: the server asks for what they do, also for keys that they do not declare.`,
    'What users do not prevent: the application sees the names of keys (SCAN), it may fill the memory (set maxmemory-policy noeviction, or a lock may be evicted), and a script that never ends stops everybody. Where that matters give the locks a server of their own, and in every case fence what they protect.',
  ]
}

function figuresOf({ name, attacks, checks }: Way): Outcome['figures'] {
  return { name, attacks: attacks.map(one => ({ ...one })), checks: checks.map(check => ({ ...check })) }
}
