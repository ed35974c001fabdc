import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { memcachedStore } from '../../src/drivers/memcached.ts'
import { describeWithStore } from '../support/stores.ts'

describeWithStore('memcached', 'memcached', url => {
  describeStore('memcached', async storage => memcachedStore(url, { namespace: storage }), {
    ...{ describe, test, beforeAll, afterAll },
  })
})
