/**
 * A Redis of the test's own, to be stopped, killed, restarted and starved: the shared ones serve other tests as well.
 */
import { Redis } from 'ioredis'
import { REDIS, sentinelOf } from '../../src/servers/redis.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'

export interface RedisServer {
  readonly port: number
  readonly url: string
  pause(): Promise<void>
  resume(): void
  /** kill -9; nothing was saved. */
  kill(): Promise<void>
  start(): Promise<void>
  /** One command, by a connection of its own. */
  ask(command: string, ...args: readonly string[]): Promise<unknown>
  close(): Promise<void>
}

/** With more arguments for the program. */
export async function redisServer(...args: readonly string[]): Promise<RedisServer> {
  return withCommands(await startServer(REDIS, { args }))
}

/** One Sentinel, whose word is enough, over a primary that it calls mymaster. */
export async function redisSentinel(primary: RedisServer): Promise<RedisServer> {
  return withCommands(await startServer(sentinelOf({ primary: primary.port, quorum: 1, downAfterMs: 500 })))
}

function withCommands(server: FaultServer): RedisServer {
  return {
    port: server.port,
    url: server.address,
    pause: () => server.pause(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    start: () => server.restart(),
    async ask(command, ...args) {
      const redis = new Redis(server.port, { lazyConnect: true })
      redis.on('error', () => {})
      try {
        await redis.connect()
        return await redis.call(command, ...args)
      } finally {
        redis.disconnect()
      }
    },
    close: () => server.close(),
  }
}
