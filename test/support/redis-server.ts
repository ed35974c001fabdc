/**
 * A Redis of the test's own, to be stopped, killed, restarted and starved: the shared ones serve other tests as well.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

export interface RedisServer {
  readonly port: number
  readonly url: string
  pause(): void
  resume(): void
  /** kill -9; nothing was saved. */
  kill(): Promise<void>
  start(): Promise<void>
  /** One command, by a connection of its own. */
  ask(command: string, ...args: readonly string[]): Promise<unknown>
  close(): Promise<void>
}

export async function redisServer(...options: readonly string[]): Promise<RedisServer> {
  return launch(options, 'Ready to accept connections')
}

/** One Sentinel, whose word is enough, over a primary that it calls mymaster. */
export async function redisSentinel(primary: RedisServer): Promise<RedisServer> {
  const settings = [
    `monitor mymaster 127.0.0.1 ${primary.port} 1`,
    'down-after-milliseconds mymaster 500',
    'failover-timeout mymaster 2000',
  ]
  return launch(['--sentinel'], '+monitor', settings.map(line => `sentinel ${line}`).join('\n'))
}

async function launch(options: readonly string[], ready: string, config?: string): Promise<RedisServer> {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-redis-'))
  const file = join(directory, 'redis.conf')
  writeFileSync(file, ['bind 127.0.0.1', `port ${port}`, `dir ${directory}`, config ?? 'save ""', ''].join('\n'))
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const server = spawn('redis-server', [file, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
    child = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('exit', code => reject(new Error(`redis-server ended with ${code}`)))
      server.stdout.on('data', text => String(text).includes(ready) && resolve())
    })
    server.removeAllListeners('exit')
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    start,
    async ask(command, ...args) {
      const redis = new Redis(port, { lazyConnect: true })
      redis.on('error', () => {})
      try {
        await redis.connect()
        return await redis.call(command, ...args)
      } finally {
        redis.disconnect()
      }
    },
    async close() {
      await kill()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('the system gave no port')
  return address.port
}
