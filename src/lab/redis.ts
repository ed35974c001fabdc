/** A Redis for an experiment: one of its own, or the user's. */
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import type { Given } from '../experiment.ts'
import { obstacleOf } from '../../servers/find.ts'
import type { ServerKind } from '../../servers/kind.ts'
import { REDIS } from '../../servers/redis.ts'
import { startServer } from '../../servers/start.ts'
import type { FaultServer } from '../../servers/start.ts'
import { optionalText } from '../given.ts'

export interface OwnOptions {
  /** Default: REDIS. */
  readonly kind?: ServerKind
  /** More arguments for the program. */
  readonly args?: readonly string[]
  /** What else the user may do where redis-server is not installed: ends the message. */
  readonly otherwise?: string
}

/**
 * A server on a free port, in a directory of its own, gone with this process.
 * @throws StoreUnavailableError  redis-server is not installed
 */
export async function ownRedis({ kind = REDIS, args = [], otherwise = '' }: OwnOptions = {}): Promise<FaultServer> {
  refuseWithoutRedis(otherwise)
  return startServer(kind, { args })
}

/** Before anything is begun or said. @throws StoreUnavailableError  redis-server is not installed */
export function refuseWithoutRedis(otherwise = ''): void {
  const obstacle = obstacleOf(REDIS)
  if (obstacle === null) return
  throw new StoreUnavailableError(
    `This experiment starts a Redis of its own: ${obstacle}, or brew install redis${otherwise}.`,
    { ambiguous: false },
  )
}

export function addressOf({ host, port }: FaultServer, login = ''): string {
  return `redis://${login === '' ? '' : `${login}@`}${host}:${port}`
}

/** The --store option: null, or the address of one Redis or Valkey. @throws ConfigurationError */
export function storeOf(given: Given): string | null {
  const store = optionalText(given, 'store')
  if (store !== null && !/^(redis|valkey)s?:\/\//i.test(store)) {
    throw new ConfigurationError(
      '--store must be a Redis or a Valkey, such as redis://localhost:6379: this experiment is about its commands.',
    )
  }
  return store
}
