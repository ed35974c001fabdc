import { test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { consulStore } from '../../src/drivers/consul.ts'
import { describeWithStore } from '../support/stores.ts'

const MARGIN_MS = 600

describeWithStore('consul', 'consul answers as the rule does', url => {
  const make = async (storage: string) => consulStore(url, { namespace: storage, minTtlMs: 1_000 })
  // Consul ends a session after up to twice its ttl.
  modelTest('consul', make, { test, runs: 8, length: 20, marginMs: MARGIN_MS, lateness: 1 })
})
