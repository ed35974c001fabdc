import { afterAll, beforeAll, test } from 'vitest'
import { NO_REDIS, startNodes } from '../drivers/redlock-nodes.ts'
import type { TestNodes } from '../drivers/redlock-nodes.ts'
import { modelTest } from '../../src/conformance/index.ts'

const reason = NO_REDIS
if (reason !== null) test('redlock answers as the rule does', context => context.skip(reason))
else {
  let three: TestNodes
  beforeAll(async () => {
    three = await startNodes(3)
  })
  afterAll(() => three.close())

  modelTest('redlock of three', async storage => three.directly({ namespace: storage, maxTtl: '2h' }), {
    test,
    runs: 15,
  })
}
