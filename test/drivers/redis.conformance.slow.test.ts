import { afterAll, beforeAll, describe, test } from 'vitest'
import { expiryCases } from '../../src/conformance/cases/expiry.ts'
import { faultCases } from '../../src/conformance/cases/faults.ts'
import { holdingCases } from '../../src/conformance/cases/holding.ts'
import { leavingCases } from '../../src/conformance/cases/leaving.ts'
import { pushCases } from '../../src/conformance/cases/push.ts'
import { queueCases } from '../../src/conformance/cases/queue.ts'
import { revokeCases } from '../../src/conformance/cases/revoke.ts'
import { tokenCases } from '../../src/conformance/cases/tokens.ts'
import { viewCases } from '../../src/conformance/cases/views.ts'
import { describeStore } from '../../src/conformance/index.ts'
import { registerGroups } from '../../src/conformance/suite.ts'
import { redisStore } from '../../src/drivers/redis.ts'
import { redisServer } from '../support/redis-server.ts'
import type { RedisServer } from '../support/redis-server.ts'
import { WAYS } from '../support/redis-ways.ts'
import { describeWithStore } from '../support/stores.ts'

const STORE_ALONE = {
  'who holds': holdingCases,
  time: expiryCases,
  tokens: tokenCases,
  leaving: leavingCases,
  'the queue': queueCases,
  pushes: pushCases,
  'lost, late and repeated requests': faultCases,
  revoke: revokeCases,
  'what people see': viewCases,
}

/** A client's first call connects. */
const COLD = { coldMs: 100 }
const runner = { describe, test, beforeAll, afterAll }
for (const way of WAYS) {
  describeWithStore(way.store, way.name, url => {
    const make = (storage: string): ReturnType<typeof way.open> => way.open(url, storage)
    if (way.whole) describeStore(`redis by ${way.name}`, make, runner, COLD)
    else registerGroups(`redis by ${way.name}`, STORE_ALONE, make, runner, COLD)
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
  describeStore(
    'redis, killed and emptied',
    async storage => redisStore(server.url, { namespace: storage }),
    runner,
    hooks,
  )
})
