import { test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { etcdStore } from '../../src/drivers/etcd.ts'
import { describeWithStore } from '../support/stores.ts'

/** etcd looks for what has run out twice a second; and a third of a short life, which is whole seconds, is this. */
const MARGIN_MS = 1_000

describeWithStore('etcd', 'etcd answers as the rule does', url => {
  modelTest('etcd', async storage => etcdStore(url, { namespace: storage }), {
    ...{ test, runs: 12, length: 25, marginMs: MARGIN_MS },
  })
})
