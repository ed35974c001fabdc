import { redisStore } from '../../src/drivers/redis.ts'
import { describeWithStore } from '../support/stores.ts'
import { modelTest } from './model.ts'

describeWithStore('redis', 'redis', url => {
  modelTest('redis', async storage => redisStore(url, { namespace: storage }), { runs: 40 })
})
