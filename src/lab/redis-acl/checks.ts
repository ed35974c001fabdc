/** What each user tries, what should come of it, and what does. */
import { openRaw } from '../redis/raw.ts'
import type { SharedRedis, User } from './users.ts'

/** allowed: the server did it. A code: the server refused, and so it is named. */
export type Answer = 'allowed' | 'NOPERM' | 'NOAUTH' | 'WRONGPASS'

export interface Check {
  readonly group: Group
  readonly who: string
  readonly tries: string
  readonly expected: string
  readonly found: string
}

export const GROUPS = {
  works: 'holdfast: locks work',
  confined: 'holdfast: nothing else does',
  own: 'app: may do what it likes with what is its own',
  kept: 'app: cannot touch the locks, nor the server',
  out: 'strangers: stay out',
} as const
export type Group = keyof typeof GROUPS

interface Attempt {
  readonly group: Group
  readonly user: User
  readonly command: readonly string[]
  readonly expected: Answer
}

/** Names that only begin alike are the application's. */
const ALIKE = ['h', 'hold', 'holdfast', 'holdfas:t', 'holdfaster', 'Holdfast:x', 'app:orders', '42']

/** `lock` and `channel` are those of a lock that is held meanwhile. */
export function attempts(lock: string, channel: string): readonly Attempt[] {
  const of = (
    group: Group,
    user: User,
    expected: Answer,
    commands: readonly (readonly string[])[],
  ): readonly Attempt[] => commands.map(command => ({ group, user, command, expected }))
  return [
    ...of('confined', 'holdfast', 'NOPERM', [
      ['GET', 'app:orders'],
      ['SET', 'app:orders', '0'],
      ['DEL', 'app:orders'],
      ['HGET', 'app:customer', 'name'],
      ['EVAL', "return redis.call('HSET', KEYS[1], 'a', 'b')", '1', 'app:customer'],
      ['EVAL', "return redis.call('HSET', 'app:customer', 'a', 'b')", '0'],
      ['PUBLISH', 'app:news', 'x'],
      ['SUBSCRIBE', 'app:news'],
      ['FLUSHALL'],
      ['FLUSHDB'],
      ['KEYS', '*'],
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
      ['SLOWLOG', 'RESET'],
      ['CLIENT', 'KILL', 'TYPE', 'normal'],
    ]),
    ...of('own', 'app', 'allowed', [
      ...ALIKE.map(name => ['SET', name, '1']),
      ['GET', 'app:orders'],
      ['HSET', 'app:customer', 'name', 'Ada'],
      ['EVAL', "return redis.call('INCR', KEYS[1])", '1', 'app:orders'],
      ['PUBLISH', 'app:news', 'x'],
      ['SUBSCRIBE', 'app:news'],
      ['SCRIPT', 'FLUSH'],
    ]),
    ...of('kept', 'app', 'NOPERM', [
      ['GET', lock],
      ['HGETALL', lock],
      ['DEL', lock],
      ['UNLINK', lock],
      ['EXPIRE', lock, '0'],
      ['SET', lock, 'x'],
      ['HSET', lock, 'queue', 'x'],
      ['RENAME', lock, 'app:stolen'],
      ['COPY', 'app:customer', lock, 'REPLACE'],
      ['EVAL', "return redis.call('DEL', KEYS[1])", '1', lock],
      ['EVAL', `return redis.call('DEL', '${lock}')`, '0'],
      ['EVAL', "return redis.call('FLUSHALL')", '0'],
      ['PUBLISH', channel, 'x'],
      ['SUBSCRIBE', channel],
      ['PSUBSCRIBE', 'holdfast:*'],
      ['PSUBSCRIBE', '*'],
      ['FLUSHALL'],
      ['FLUSHDB'],
      ['SWAPDB', '0', '1'],
      ['KEYS', '*'],
      ['CONFIG', 'SET', 'slowlog-max-len', '128'],
      ['ACL', 'SETUSER', 'app', 'allkeys'],
      ['CLIENT', 'KILL', 'TYPE', 'normal'],
      ['SLOWLOG', 'RESET'],
    ]),
  ]
}

export async function checkAttempts(redis: SharedRedis, all: readonly Attempt[]): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const { group, user, command, expected } of all) {
    checks.push({
      group,
      who: user,
      tries: command.join(' '),
      expected,
      found: await answerOf(redis.as(user), command),
    })
  }
  return checks
}

/** Who has no password, a wrong one, or that of nobody. */
export async function checkStrangers(redis: SharedRedis): Promise<readonly Check[]> {
  const strangers: readonly (readonly [string, string, Answer])[] = [
    ['no password', '', 'NOAUTH'],
    ['a guessed password', ':guessed', 'WRONGPASS'],
    ['holdfast, guessed', 'holdfast:guessed', 'WRONGPASS'],
    ['an unknown user', 'nobody:guessed', 'WRONGPASS'],
  ]
  const checks: Check[] = []
  for (const [who, login, expected] of strangers) {
    checks.push({
      group: 'out',
      who,
      tries: 'PING',
      expected,
      found: await answerOf(redis.asStranger(login), ['PING']),
    })
  }
  return checks
}

/** By a connection of its own, since one that has subscribed is good for nothing else. */
async function answerOf(address: string, [command = '', ...args]: readonly string[]): Promise<string> {
  const raw = openRaw(address)
  try {
    await raw.ask(command, ...args)
    return 'allowed'
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return refusalIn(message) ?? message
  } finally {
    await raw.close()
  }
}

/**
 * The code by which the server refuses, if that is what the message says. Redis 7.0 has none for what a script tries.
 */
export function refusalIn(message: string): Answer | null {
  if (message.includes('The user executing the script can')) return 'NOPERM'
  const code = /\b(?:NOPERM|NOAUTH|WRONGPASS)\b/.exec(message)?.[0]
  return code === 'NOPERM' || code === 'NOAUTH' || code === 'WRONGPASS' ? code : null
}
