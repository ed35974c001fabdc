import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { consulStore } from '../../src/drivers/consul.ts'
import { describeWithStore } from '../support/stores.ts'

describeWithStore('consul', 'consul', url => {
  // The servers of the tests let sessions in that are shorter than Consul's own least.
  const make = async (storage: string) => consulStore(url, { namespace: storage, minTtlMs: 1_000 })
  // Each change is written to a disk, by one server for all cases.
  const hooks = { leastTtlMs: 2_000, atOnce: 6, coldMs: 500 }
  describeStore('consul', make, { describe, test, beforeAll, afterAll }, hooks)
})
