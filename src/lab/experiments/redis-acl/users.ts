/** The users of a shared server, by the very file that the documentation tells one to use; and what each may try. */
import { readFileSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Closable } from '../../declaration.ts'
import { addressOf, ownRedis } from '../../redis.ts'

export const FILE = fileURLToPath(new URL('../../../../docs/redis.acl', import.meta.url))

export type User = 'holdfast' | 'app'

export interface SharedRedis extends Closable {
  /** The server's address for a user. */
  as(user: User): string
  /** With a login of one's own, or none. */
  asStranger(login: string): string
}

/** A server with the users of the file; those in `tooMuch` may do everything all the same. */
export async function startShared(directory: string, tooMuch: readonly User[]): Promise<SharedRedis> {
  const text = readFileSync(FILE, 'utf8')
  const passwords = new Map(
    [...text.matchAll(/^user (\w+) on >(\S+)/gm)].map(([, user = '', password = '']) => [user, password]),
  )
  const path = join(directory, 'users.acl')
  const lines = tooMuch.reduce(
    (all, user) => all.replace(new RegExp(`^(user ${user} on >\\S+) .*$`, 'm'), '$1 allkeys allchannels +@all'),
    text,
  )
  await writeFile(path, lines)
  // The server may run as somebody else, who has to read it.
  await chmod(directory, 0o711)
  const server = await ownRedis({ args: ['--aclfile', path] })
  return {
    as: user => addressOf(server, `${user}:${passwords.get(user) ?? ''}`),
    asStranger: login => addressOf(server, login),
    close: () => server.close(),
  }
}

/** A server as one gets it: everybody may do everything. */
export async function startOpen(): Promise<SharedRedis> {
  const server = await ownRedis()
  return { as: () => addressOf(server), asStranger: () => addressOf(server), close: () => server.close() }
}

export interface Attempt {
  readonly group: 'confined' | 'own' | 'kept'
  readonly user: User
  readonly command: readonly string[]
  readonly expected: 'allowed' | 'NOPERM'
}

/** Names that only begin alike are the application's. */
const ALIKE = ['h', 'hold', 'holdfast', 'holdfas:t', 'holdfaster', 'Holdfast:x', 'app:orders', '42']

/** `lock` is the record of a lock that is held meanwhile. Words of a command, with blanks between. */
export function attempts(lock: string): readonly Attempt[] {
  const may = (about: Omit<Attempt, 'command'>, commands: readonly string[]): readonly Attempt[] =>
    commands.map(line => ({
      ...about,
      command: line.match(/"[^"]*"|\S+/g)?.map(word => word.replaceAll('"', '')) ?? [],
    }))
  return [
    ...may({ group: 'confined', user: 'holdfast', expected: 'NOPERM' }, [
      'GET app:orders',
      'SET app:orders 0',
      'DEL app:orders',
      'HGET app:customer name',
      `EVAL "return redis.call('HSET', KEYS[1], 'a', 'b')" 1 app:customer`,
      `EVAL "return redis.call('HSET', 'app:customer', 'a', 'b')" 0`,
      ...['PUBLISH app:news x', 'SUBSCRIBE app:news', 'FLUSHALL', 'FLUSHDB', 'KEYS *', 'CONFIG GET *', 'ACL LIST'],
      ...['SLOWLOG RESET', 'CLIENT KILL TYPE normal'],
    ]),
    ...may({ group: 'own', user: 'app', expected: 'allowed' }, [
      ...ALIKE.map(name => `SET ${name} 1`),
      ...['GET app:orders', 'HSET app:customer name Ada', 'PUBLISH app:news x', 'SUBSCRIBE app:news', 'SCRIPT FLUSH'],
      `EVAL "return redis.call('INCR', KEYS[1])" 1 app:orders`,
    ]),
    ...may({ group: 'kept', user: 'app', expected: 'NOPERM' }, [
      ...['GET', 'HGETALL', 'DEL', 'UNLINK'].map(command => `${command} ${lock}`),
      `EXPIRE ${lock} 0`,
      `SET ${lock} x`,
      `HSET ${lock} queue x`,
      `RENAME ${lock} app:stolen`,
      `COPY app:customer ${lock} REPLACE`,
      `EVAL "return redis.call('DEL', KEYS[1])" 1 ${lock}`,
      `EVAL "return redis.call('DEL', '${lock}')" 0`,
      `EVAL "return redis.call('FLUSHALL')" 0`,
      ...['PUBLISH holdfast::push:x x', 'SUBSCRIBE holdfast::push:x', 'PSUBSCRIBE holdfast:*', 'PSUBSCRIBE *'],
      ...['FLUSHALL', 'FLUSHDB', 'SWAPDB 0 1', 'KEYS *', 'CONFIG SET slowlog-max-len 128', 'ACL SETUSER app allkeys'],
      ...['CLIENT KILL TYPE normal', 'SLOWLOG RESET'],
    ]),
  ]
}

/** Who has no password, a wrong one, or that of nobody. */
export const STRANGERS = [
  { who: 'no password', login: '', expected: 'NOAUTH' },
  { who: 'a guessed password', login: ':guessed', expected: 'WRONGPASS' },
  { who: 'holdfast, guessed', login: 'holdfast:guessed', expected: 'WRONGPASS' },
  { who: 'an unknown user', login: 'nobody:guessed', expected: 'WRONGPASS' },
] as const
