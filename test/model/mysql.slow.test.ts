import { beforeAll, test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { mysqlStore } from '../../src/drivers/mysql.ts'
import { migrate } from '../support/mysql-database.ts'
import { describeWithStore } from '../support/stores.ts'

for (const name of ['mariadb', 'mysql']) {
  describeWithStore(name, `${name} answers as the rule does`, url => {
    beforeAll(() => migrate(url), 60_000)
    modelTest(`mysql on ${name}`, async storage => mysqlStore(url, { namespace: storage }), {
      ...{ test, runs: 8, length: 30, marginMs: 150 },
    })
  })
}
