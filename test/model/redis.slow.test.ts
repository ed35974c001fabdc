import { test } from 'vitest'
import { WAYS } from '../support/redis-ways.ts'
import { describeWithStore } from '../support/stores.ts'
import { modelTest } from '../../src/conformance/index.ts'

for (const way of WAYS) {
  describeWithStore(way.store, way.name, url => {
    modelTest(`redis by ${way.name}`, storage => way.open(url, storage), { test, runs: 15 })
  })
}
