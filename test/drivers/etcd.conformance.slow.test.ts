import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { etcdStore } from '../../src/drivers/etcd.ts'
import { describeWithStore } from '../support/stores.ts'

describeWithStore('etcd', 'etcd', url => {
  const make = async (storage: string) => etcdStore(url, { namespace: storage })
  // Each change is written to a disk, by one server for all cases.
  const hooks = { leastTtlMs: 3_000, atOnce: 6, coldMs: 500 }
  describeStore('etcd', make, { describe, test, beforeAll, afterAll }, hooks)
})
