import { test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { memcachedStore } from '../../src/drivers/memcached.ts'
import { describeWithStore } from '../support/stores.ts'

/** The server drops an item up to a second after its time, and a third of a short life must be more than that. */
const MARGIN_MS = 4_000 / 3

describeWithStore('memcached', 'memcached answers as the rule does', url => {
  modelTest('memcached', async storage => memcachedStore(url, { namespace: storage }), {
    ...{ test, runs: 8, length: 25, marginMs: MARGIN_MS },
  })
})
