/** The users of a shared server: the very file that the documentation tells one to use. */
import { readFileSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FaultServer } from '../../servers/start.ts'
import { addressOf, ownRedis } from '../redis/own.ts'

export const FILE = fileURLToPath(new URL('../../../docs/redis.acl', import.meta.url))

/** Users of the file. */
export type User = 'holdfast' | 'app' | 'admin'

export interface SharedRedis {
  /** The server's address for a user. */
  as(user: User): string
  /** With a login of one's own, or none. */
  asStranger(login: string): string
  close(): Promise<void>
}

/** A server with the users of the file. `tooMuch`: one of them may do everything all the same. */
export async function startShared(directory: string, tooMuch: User | null): Promise<SharedRedis> {
  const text = readFileSync(FILE, 'utf8')
  const passwords = new Map(
    [...text.matchAll(/^user (\w+) on >(\S+)/gm)].map(([, user = '', password = '']) => [user, password]),
  )
  const path = join(directory, 'users.acl')
  await writeFile(
    path,
    tooMuch === null
      ? text
      : text.replace(new RegExp(`^(user ${tooMuch} on >\\S+) .*$`, 'm'), '$1 allkeys allchannels +@all'),
  )
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
  const server: FaultServer = await ownRedis()
  return { as: () => addressOf(server), asStranger: () => addressOf(server), close: () => server.close() }
}
