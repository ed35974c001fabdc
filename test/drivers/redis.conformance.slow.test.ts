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

const runner = { describe, test, beforeAll, afterAll }
/**
 * The cases share nothing and mostly wait, so they run two at once; more of them, each with connections of its own to
 * make, would hold up the event loop for longer than the cases allow a call to take.
 */
const AT_ONCE = 2
const pairwise = {
  ...runner,
  describe: describe.concurrent,
  test: (name: string, body: (context?: unknown) => Promise<void>, timeoutMs?: number) =>
    test(name, context => inTurn(() => body(context)), timeoutMs),
}

let running = 0
const queue: (() => void)[] = []
async function inTurn(work: () => Promise<void>): Promise<void> {
  if (running >= AT_ONCE) await new Promise<void>(resolve => queue.push(resolve))
  running += 1
  try {
    await work()
  } finally {
    running -= 1
    queue.shift()?.()
  }
}

for (const way of WAYS) {
  describeWithStore(way.store, way.name, url => {
    const make = (storage: string): ReturnType<typeof way.open> => way.open(url, storage)
    if (way.whole) describeStore(`redis by ${way.name}`, make, pairwise)
    else registerGroups(`redis by ${way.name}`, STORE_ALONE, make, pairwise, {})
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
