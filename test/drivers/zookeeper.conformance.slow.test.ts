import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { zookeeperStore } from '../../src/drivers/zookeeper.ts'
import { describeWithStore } from '../support/stores.ts'

describeWithStore('zookeeper', 'zookeeper', url => {
  const make = async (storage: string) => zookeeperStore(url, { namespace: storage, tick: '500ms' })
  describeStore(
    'zookeeper',
    make,
    { describe, test, beforeAll, afterAll },
    { leastTtlMs: 2_000, atOnce: 5, coldMs: 500 },
  )
})
