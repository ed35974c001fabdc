import { test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { mongodbStore } from '../../src/drivers/mongodb.ts'
import { describeWithStore } from '../support/stores.ts'

describeWithStore('mongodb', 'mongodb answers as the rule does', url => {
  modelTest('mongodb', async storage => mongodbStore(url, { namespace: storage, clockErrorMs: 0 }), {
    ...{ test, runs: 15, marginMs: 200 },
  })
})
