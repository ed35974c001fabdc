import { beforeAll, test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { byAddress, byClient, CLIENTS, migrate } from '../support/postgres.ts'
import { describeWithStore } from '../support/stores.ts'

for (const name of ['postgres', 'postgres18', 'pgbouncer']) {
  describeWithStore(name, name, url => {
    beforeAll(() => migrate(url))
    modelTest(name, storage => byAddress(url, { namespace: storage }), { test, runs: 15 })
  })
}

describeWithStore('postgres', 'by a client of the user', url => {
  beforeAll(() => migrate(url))
  for (const [name, make] of Object.entries(CLIENTS))
    modelTest(`postgres by ${name}`, storage => byClient(make(url), { namespace: storage }), { test, runs: 8 })
})
