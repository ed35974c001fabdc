import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, test } from 'vitest'
import { UnsupportedError } from '../../src/base/errors.ts'
import { CONSUL } from '../../src/servers/consul.ts'
import { ETCD } from '../../src/servers/etcd.ts'
import { MEMCACHED } from '../../src/servers/memcached.ts'
import { MARIADB } from '../../src/servers/mysql.ts'
import { POSTGRES } from '../../src/servers/postgres.ts'
import { stateOf } from '../../src/servers/process-tree.ts'
import { ZOOKEEPER } from '../../src/servers/zookeeper.ts'
import { REDIS, REDIS_DURABLE, VALKEY } from '../../src/servers/redis.ts'
import { startServer } from '../../src/servers/start.ts'
import { skipWithout } from '../support/stores.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { talk } from '../support/redis-talk.ts'

async function ask(server: FaultServer, line: string): Promise<string> {
  const client = await talk(server.port)
  try {
    return await client.ask(line, 2_000)
  } finally {
    client.end()
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => stateOf(pid)?.parent === parent)
}

test('a program that is not installed is named, with what to install', async () => {
  const kind = {
    ...REDIS,
    programs: { 'no-such-server': 'no-such-package' },
    command: () => ['no-such-server'],
  }
  await expect(startServer(kind)).rejects.toThrow(UnsupportedError)
  await expect(startServer(kind)).rejects.toThrow(
    'no-such-server is not on the PATH. Install it: apt-get install no-such-package',
  )
})

for (const kind of [VALKEY, MEMCACHED, POSTGRES, MARIADB, ETCD, ZOOKEEPER, CONSUL]) {
  test(`${kind.name} starts, and ends`, async context => {
    skipWithout(kind, context)
    const server = await startServer(kind)
    expect(server.running()).toBe(true)
    await server.close()
    expect(server.running()).toBe(false)
  }, 60_000)
}

test('of a paused server that is several processes none runs on, and killed it leaves none', async context => {
  skipWithout(POSTGRES, context)
  const server = await startServer(POSTGRES)
  try {
    await server.pause()
    const processes = [server.pid, ...childrenOf(server.pid)]
    expect(processes.length).toBeGreaterThan(3)
    const letters = (): readonly string[] => processes.map(pid => stateOf(pid)?.letter ?? 'none')
    // A connection's own process may have ended at that moment.
    expect(letters().filter(letter => letter !== 'T' && letter !== 'Z')).toEqual([])
    server.resume()
    expect(await POSTGRES.answers({ home: '', port: server.port })).toBe(true)
    await server.kill()
    expect(letters().filter(letter => letter !== 'Z' && letter !== 'none')).toEqual([])
    await server.restart()
    expect(await POSTGRES.answers({ home: '', port: server.port })).toBe(true)
  } finally {
    await server.close()
  }
}, 60_000)

describe('a real server', () => {
  beforeEach(context => {
    skipWithout(REDIS, context)
  })

  test('a paused server accepts connections and says nothing until it is continued', async () => {
    const server = await startServer(REDIS)
    try {
      await server.pause()
      const client = await talk(server.port)
      await expect(client.ask('PING', 150)).rejects.toThrow('no answer')
      server.resume()
      client.end()
      expect(await ask(server, 'PING')).toBe('+PONG')
    } finally {
      await server.close()
    }
  }, 20_000)

  test('killed and started again it is empty, or has what was on disk, on the same port', async () => {
    const server = await startServer(REDIS)
    const durable = await startServer(REDIS_DURABLE)
    try {
      for (const each of [server, durable]) {
        await ask(each, 'SET a 1')
        const { pid } = each
        await each.kill()
        expect(each.running()).toBe(false)
        await each.restart()
        expect(each.pid).not.toBe(pid)
      }
      expect(await ask(server, 'EXISTS a')).toBe(':0')
      expect(await ask(durable, 'EXISTS a')).toBe(':1')
      await durable.restart({ empty: true })
      expect(await ask(durable, 'EXISTS a')).toBe(':0')
    } finally {
      await server.close()
      await durable.close()
    }
  }, 30_000)

  test('a paused server can be ended, and its directory goes with it', async () => {
    const server = await startServer(REDIS)
    const { pid } = server
    const directory = dirname(readlinkSync(`/proc/${pid}/cwd`))
    expect(existsSync(directory)).toBe(true)
    await server.pause()
    await server.close()
    expect(alive(pid)).toBe(false)
    expect(existsSync(directory)).toBe(false)
  }, 20_000)

  test('a server that cannot come up fails with its own last words, and leaves nothing behind', async () => {
    await expect(startServer(REDIS, { args: ['--no-such-option', 'x'] })).rejects.toThrow(
      /did not come up on port[^]*no-such-option/,
    )
  }, 20_000)

  for (const end of ['exit', 'SIGINT', 'SIGTERM'] as const) {
    test(`a program that starts servers and ends by ${end} leaves neither process nor directory`, async () => {
      const fixture = fileURLToPath(new URL('../fixtures/lab/start-server.mjs', import.meta.url))
      const child = spawn(process.execPath, [fixture, end], { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(child, 'exit')
      const [line] = await once(child.stdout, 'data')
      const { pid, directory } = JSON.parse(String(line))
      // By itself it may have ended by now.
      if (end !== 'exit') {
        expect(existsSync(directory)).toBe(true)
        child.kill(end)
      }
      const [code, signal] = await ended
      expect({ code, signal }).toEqual(end === 'exit' ? { code: 3, signal: null } : { code: null, signal: end })
      const deadline = Date.now() + 5_000
      while (alive(pid) && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10))
      expect(alive(pid)).toBe(false)
      expect(existsSync(directory)).toBe(false)
    }, 30_000)
  }
})
