import { test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { zookeeperStore } from '../../src/drivers/zookeeper.ts'
import { describeWithStore } from '../support/stores.ts'

const MARGIN_MS = 400

describeWithStore('zookeeper', 'ZooKeeper answers as the rule does', url => {
  modelTest('zookeeper', async storage => zookeeperStore(url, { namespace: storage, tick: '500ms' }), {
    ...{ test, runs: 10, length: 25, marginMs: MARGIN_MS },
  })
})
