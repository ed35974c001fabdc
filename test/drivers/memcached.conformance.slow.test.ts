import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { memcachedStore } from '../../src/drivers/memcached.ts'
import { describeWithStore } from '../support/stores.ts'

describeWithStore('memcached', 'memcached', url => {
  const make = async (storage: string) => memcachedStore(url, { namespace: storage })
  // A verb is two round trips, by a connection that each store of a case makes.
  const hooks = { atOnce: 16, coldMs: 200 }
  describeStore('memcached', make, { describe, test, beforeAll, afterAll }, hooks)
})
