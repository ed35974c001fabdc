/** The clients that people have, told by their shape; and which of the packages opens an address. */
import { ConfigurationError } from '../../base/errors.ts'
import { installed } from '../shared/package.ts'
import type { ClientPackage, OpenOptions, RedisAddress } from './address.ts'
import { ioredisLink, openIoredis } from './clients/ioredis.ts'
import type { IoredisLike } from './clients/ioredis.ts'
import { nodeRedisLink, openNodeRedis } from './clients/node-redis.ts'
import type { NodeRedisLike } from './clients/node-redis.ts'
import type { Link } from './link.ts'

export type { IoredisLike } from './clients/ioredis.ts'
export type { NodeRedisLike } from './clients/node-redis.ts'
export type RedisLike = IoredisLike | NodeRedisLike

/**
 * The client as a link. Attaches an `error` listener: without one a server restart ends the process.
 * @throws ConfigurationError  none of the clients that we know
 */
export function linkOf(client: object): Link {
  const link = ioredisLink(client) ?? nodeRedisLink(client)
  if (link !== undefined) return link
  throw new ConfigurationError(
    'This is no Redis client that holdfast knows. Pass a client of ioredis, iovalkey or redis (node-redis; not a pool, one connection is enough), or an address such as redis://localhost:6379.',
  )
}

/** A client of ours, connected. @throws ConfigurationError  no client package is installed */
export async function dial(address: RedisAddress, options: OpenOptions, timeoutMs: number): Promise<Link> {
  const names = namesFor(address, options.package)
  const { name, module } = await installed({ names, where: address.shown })
  const open = name === 'redis' ? openNodeRedis : openIoredis
  return open(module, address, { ...options, timeoutMs })
}

function namesFor(
  { valkey }: RedisAddress,
  wanted: ClientPackage | undefined,
): readonly [ClientPackage, ...ClientPackage[]] {
  if (wanted !== undefined) return [wanted]
  return valkey ? ['iovalkey', 'ioredis', 'redis'] : ['ioredis', 'iovalkey', 'redis']
}
