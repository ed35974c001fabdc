import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startProxy } from '../../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../../src/lab/faults/proxy.ts'
import { obstacleOf } from '../../../src/servers/find.ts'
import { REDIS } from '../../../src/servers/redis.ts'
import { startServer } from '../../../src/servers/start.ts'
import { skipWithout } from '../../support/stores.ts'
import type { FaultServer } from '../../../src/servers/start.ts'
import { talk } from '../../support/redis-talk.ts'

describe('the fault proxy in front of a real server', () => {
  let server: FaultServer
  let proxy: FaultProxy
  beforeAll(async () => {
    if (obstacleOf(REDIS) !== null) return
    server = await startServer(REDIS)
    proxy = await startProxy({ port: server.port, protocol: 'redis', seed: 7 })
  }, 20_000)
  afterAll(async () => {
    await proxy?.close()
    await server?.close()
  })
  beforeEach(context => {
    skipWithout(REDIS, context)
    proxy.clear()
    proxy.resetCounts()
  })

  test('without faults it passes everything on, and counts bytes and commands', async () => {
    const client = await talk(proxy.port)
    expect(await client.ask('SET a 1')).toBe('+OK')
    expect(await client.ask('INCR a')).toBe(':2')
    expect(await client.ask('INCR a')).toBe(':3')
    client.end()
    const counts = proxy.counts()
    expect(Object.fromEntries(counts.commands)).toEqual({ SET: 1, INCR: 2 })
    expect(counts.commandsTotal).toBe(3)
    expect(counts.bytesToServer).toBe('SET a 1\r\nINCR a\r\nINCR a\r\n'.length)
    expect(counts.bytesToClient).toBe('+OK\r\n:2\r\n:3\r\n'.length)
    expect(counts.connections).toBe(1)
  })

  test('a delay and a jitter are added on the way, and the order stays', async () => {
    const client = await talk(proxy.port)
    await client.ask('PING')
    proxy.set({ toServer: { delayMs: 60, jitterMs: 40 }, toClient: { delayMs: 50 } })
    const startedAt = performance.now()
    client.socket.write('SET order 1\r\n')
    client.socket.write('INCR order\r\n')
    await client.ask('INCR order')
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(109)
    proxy.clear()
    const direct = await talk(server.port)
    await direct.ask('GET order')
    expect(await direct.ask('INCR order')).toBe(':4')
    direct.end()
    client.end()
  })

  test('held bytes arrive late, but all of them', async () => {
    const client = await talk(proxy.port)
    await client.ask('SET held 0')
    proxy.set({ toServer: { hold: true } })
    const answer = client.ask('INCR held', 5_000)
    const direct = await talk(server.port)
    await expect(Promise.race([answer, new Promise(resolve => setTimeout(resolve, 100, 'nothing yet'))])).resolves.toBe(
      'nothing yet',
    )
    expect(await direct.ask('INCR held')).toBe(':1')
    proxy.set({ toServer: { hold: false } })
    expect(await answer).toBe(':2')
    direct.end()
    client.end()
  })

  test('with replies dropped the server works and the client does not know; afterwards the connection is cut', async () => {
    const client = await talk(proxy.port)
    await client.ask('SET dropped 0')
    proxy.set({ toClient: { drop: true } })
    await expect(client.ask('INCR dropped', 200)).rejects.toThrow('no answer')
    const direct = await talk(server.port)
    expect(await direct.ask('INCR dropped')).toBe(':2')
    proxy.clear()
    await client.closed
    direct.end()
  })

  test('half-open: new connections are accepted and met with silence, old ones live on', async () => {
    const before = await talk(proxy.port)
    await before.ask('PING')
    proxy.set({ halfOpen: true })
    const after = await talk(proxy.port)
    await expect(after.ask('PING', 150)).rejects.toThrow('no answer')
    expect(await before.ask('PING')).toBe('+PONG')
    expect(proxy.counts().commands.get('PING')).toBe(2)
    before.end()
    after.end()
  })

  test('refused and cut connections end at once', async () => {
    const client = await talk(proxy.port)
    await client.ask('PING')
    proxy.cut()
    await client.closed
    proxy.set({ refuse: true })
    const refused = await talk(proxy.port)
    await refused.closed
  })

  test('a repeated request is carried out twice, its second answer goes nowhere', async () => {
    const client = await talk(proxy.port)
    await client.ask('SET twice 0')
    proxy.set({ repeat: { chance: 1, afterMs: 40 } })
    expect(await client.ask('INCR twice')).toBe(':1')
    proxy.clear()
    const direct = await talk(server.port)
    const deadline = Date.now() + 5_000
    // GET answers in two lines; STRLEN and the like do not change what is counted.
    let seen = await direct.ask('INCRBY twice 0')
    while (seen !== ':2' && Date.now() < deadline) seen = await direct.ask('INCRBY twice 0')
    expect(seen).toBe(':2')
    expect(proxy.counts().commands.get('INCR')).toBe(1)
    direct.end()
    client.end()
  })

  test('a server that is gone cuts its clients; the proxy takes new ones when it is back', async () => {
    const client = await talk(proxy.port)
    await client.ask('PING')
    await server.kill()
    await client.closed
    await server.restart()
    const again = await talk(proxy.port)
    expect(await again.ask('PING')).toBe('+PONG')
    again.end()
  }, 20_000)
})
