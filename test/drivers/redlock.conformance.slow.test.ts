/** The suite that every store must pass: with five nodes, and with two of the five down. */
import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { redlockStore } from '../../src/drivers/redlock.ts'
import { REDIS_DURABLE } from '../../src/servers/redis.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { NO_REDIS } from './redlock-nodes.ts'

const NODES = 5
/** Longer than the longest ttl of the suite. */
const OPTIONS = { maxTtl: '1h', clockErrorMs: 5 } as const

for (const down of [0, 2]) {
  const title = down === 0 ? 'redlock of five' : `redlock of five, ${down} down`
  const reason = NO_REDIS
  if (reason !== null) {
    test(title, context => context.skip(reason))
    continue
  }
  describe(title, () => {
    let servers: readonly FaultServer[] = []
    beforeAll(async () => {
      servers = await Promise.all(Array.from({ length: NODES }, () => startServer(REDIS_DURABLE)))
      for (const server of servers.slice(0, down)) await server.kill()
    })
    afterAll(async () => {
      await Promise.all(servers.map(server => server.close()))
    })
    const living = (): readonly FaultServer[] => servers.slice(down)

    describeStore(
      title,
      async storage =>
        redlockStore(`redlock://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, {
          ...OPTIONS,
          namespace: storage,
        }),
      { describe, test, beforeAll, afterAll },
      {
        // Each store connects to five nodes, which all run on this machine.
        ...{ atOnce: 4, coldMs: 200 },
        restart: async () => {
          for (const server of living()) await server.restart()
        },
        wipe: async () => {
          for (const server of living()) await server.restart({ empty: true })
        },
      },
    )
  })
}
