import { WAYS } from '../support/redis-ways.ts'
import { describeWithStore } from '../support/stores.ts'
import { modelTest } from './model.ts'

for (const way of WAYS) {
  describeWithStore(way.store, way.name, url => {
    modelTest(`redis by ${way.name}`, storage => way.open(url, storage), { runs: 15 })
  })
}
