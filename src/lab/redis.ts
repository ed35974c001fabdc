/**
 * Redis for experiments: a server of one's own, and commands as a program without a lock library sends them, through
 * whichever client package is installed.
 */
import { ConfigurationError, StoreUnavailableError } from '../base/errors.ts'
import { connect, script } from '../drivers/redis/connection.ts'
import { obstacleOf } from '../servers/find.ts'
import type { ServerKind } from '../servers/kind.ts'
import { REDIS } from '../servers/redis.ts'
import { startServer } from '../servers/start.ts'
import type { FaultServer } from '../servers/start.ts'
import { serversOf } from './needs.ts'

/** An option --store of an experiment that is about the commands of Redis. */
export const REDIS_ONLY = {
  scheme: /^(redis|valkey)s?:\/\//i,
  why: 'must be a Redis or a Valkey, such as redis://localhost:6379: this experiment is about its commands.',
}

export const NEEDS_REDIS = serversOf(REDIS)

export interface OwnOptions {
  /** Default: REDIS. */
  readonly kind?: ServerKind
  /** More arguments for the program. */
  readonly args?: readonly string[]
}

/** A server on a free port, in a directory of its own, gone with this process. */
export function ownRedis({ kind = REDIS, args = [] }: OwnOptions = {}): Promise<FaultServer> {
  return startServer(kind, { args })
}

/**
 * Before anything is begun or said. `otherwise`: what else one may do, to end the message.
 * @throws StoreUnavailableError  redis-server is not installed
 */
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

export interface Raw {
  /** One command. Rejects as the server does. @throws StoreUnavailableError | ConfigurationError */
  ask(command: string, ...args: readonly string[]): Promise<unknown>
  /** A Lua script on one key. Its answer must be text. */
  eval(source: string, key: string, ...args: readonly string[]): Promise<string>
  close(): Promise<void>
}

const CALL = { timeoutMs: 5_000 }

/** Connects at the first command. */
export function openRaw(address: string): Raw {
  const connection = connect(address)
  return {
    ask: (command, ...args) => connection.command(command, args, CALL),
    eval: (source, key, ...args) => connection.run({ script: script(source), keys: [key], args, read: String }, CALL),
    close: () => connection.close(),
  }
}

/**
 * Is there a client package, and a server that answers?
 * @throws StoreUnavailableError  saying what to install
 */
export async function refuseWithoutAnswer(address: string): Promise<void> {
  const raw = openRaw(address)
  try {
    await raw.ask('PING')
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    throw new StoreUnavailableError(cause.message, { cause, ambiguous: false })
  } finally {
    await raw.close()
  }
}

/**
 * Can this machine run servers of Redis, and talk to them?
 * @throws StoreUnavailableError  saying what to install
 */
export async function tryRedis(): Promise<void> {
  refuseWithoutRedis()
  const server = await ownRedis()
  try {
    await refuseWithoutAnswer(addressOf(server))
  } finally {
    await server.close()
  }
}

/**
 * What the server says to a command: "allowed", or the code by which it refuses. By a connection of its own: one that
 * subscribed is no good after.
 */
export async function answerTo([command = '', ...args]: readonly string[], address: string): Promise<string> {
  const raw = openRaw(address)
  try {
    await raw.ask(command, ...args)
    return 'allowed'
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    // Redis 7.0 has no code for what a script tries.
    if (message.includes('The user executing the script can')) return 'NOPERM'
    return /\b(?:NOPERM|NOAUTH|WRONGPASS)\b/.exec(message)?.[0] ?? message
  } finally {
    await raw.close()
  }
}

/** The name under which the driver keeps a lock. */
export function recordOf({ key, namespace }: { readonly key: string; readonly namespace: string }): string {
  return `holdfast:${encodeURIComponent(namespace)}:${key}`
}
