import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { redisStore } from '../../src/drivers/redis.ts'
import { redisServer } from '../support/redis-server.ts'
import type { RedisServer } from '../support/redis-server.ts'
import { WAYS } from '../support/redis-ways.ts'
import { describeWithStore } from '../support/stores.ts'

const runner = { describe, test, beforeAll, afterAll }
/** The cases share nothing and mostly wait. */
const atOnce = { ...runner, describe: describe.concurrent }

for (const way of WAYS) {
  describeWithStore(way.store, way.name, url => {
    describeStore(`redis by ${way.name}`, storage => way.open(url, storage), atOnce)
  })
}

// A server of its own may be restarted and emptied.
describe('a server that is killed and emptied', () => {
  let server: RedisServer
  beforeAll(async () => void (server = await redisServer()))
  afterAll(() => server.close())
  const hooks = {
    async restart(): Promise<void> {
      await server.kill()
      await server.start()
    },
    wipe: async (): Promise<void> => void (await server.ask('flushall')),
  }
  describeStore('redis, killed and emptied', async storage => redisStore(server.url, { namespace: storage }), runner, hooks)
})
