import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { UnsupportedError } from '../../src/base/errors.ts'
import { steppedClock } from '../../src/servers/stepped-clock.ts'
import { REDIS } from '../../src/servers/redis.ts'
import { startServer } from '../../src/servers/start.ts'
import { skipWithout } from '../support/stores.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { talk } from '../support/redis-talk.ts'

async function ask(server: FaultServer, line: string): Promise<string> {
  const client = await talk(server.port)
  try {
    return await client.ask(line)
  } finally {
    client.end()
  }
}

test("a server's clock steps forward and back while it runs, and its keys with it", async context => {
  skipWithout(REDIS, context)
  const server = await startServer(REDIS, { stepClock: true }).catch((cause: unknown) => {
    if (cause instanceof UnsupportedError) context.skip(cause.message)
    throw cause
  })
  try {
    const seconds = async (): Promise<number> =>
      Number((await ask(server, 'EVAL "return tonumber(redis.call(\'TIME\')[1])" 0')).slice(1))
    expect(Math.abs((await seconds()) - Date.now() / 1_000)).toBeLessThan(5)
    expect(await ask(server, 'SET a 1 PX 30000')).toBe('+OK')
    server.clock?.set(60_000)
    expect((await seconds()) - Date.now() / 1_000).toBeGreaterThan(55)
    expect(await ask(server, 'EXISTS a')).toBe(':0')
    expect(await ask(server, 'SET b 1 PX 30000')).toBe('+OK')
    server.clock?.set(-3_600_000)
    expect((await seconds()) - Date.now() / 1_000).toBeLessThan(-3_500)
    expect(Number((await ask(server, 'PTTL b')).slice(1))).toBeGreaterThan(3_600_000)
    server.clock?.set(0)
    expect(Math.abs((await seconds()) - Date.now() / 1_000)).toBeLessThan(5)
  } finally {
    await server.close()
  }
}, 30_000)

test('without a compiler it says what is needed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-no-compiler-'))
  const path = process.env['PATH']
  process.env['PATH'] = directory
  try {
    const failure = await steppedClock(directory).catch((cause: unknown) => cause)
    expect(failure).toBeInstanceOf(UnsupportedError)
    expect(failure).toHaveProperty(
      'message',
      expect.stringContaining(process.platform === 'linux' ? 'apt-get install gcc' : 'needs Linux'),
    )
  } finally {
    process.env['PATH'] = path
    await rm(directory, { recursive: true })
  }
})
