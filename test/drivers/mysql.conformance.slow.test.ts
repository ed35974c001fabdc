import { afterAll, beforeAll, describe, test } from 'vitest'
import { tokenCases } from '../../src/conformance/cases/tokens.ts'
import { describeStore } from '../../src/conformance/index.ts'
import { registerGroups } from '../../src/conformance/suite.ts'
import { mysqlStore } from '../../src/drivers/mysql.ts'
import { obstacleOf } from '../../src/servers/find.ts'
import { MARIADB } from '../../src/servers/mysql.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import type { Store } from '../../src/store/contract.ts'
import { keeperOf, migrate, wipe } from '../support/mysql-database.ts'
import type { Keeper } from '../support/mysql-database.ts'
import { describeWithStore } from '../support/stores.ts'

const START_MS = 90_000
const runner = { describe, test, beforeAll, afterAll }

/** A verb that meets others is some round trips, each with a commit. */
const SLOW = { coldMs: 100, atOnce: 6 }

/** Connected: that takes longer than some cases wait. */
async function storeAt(url: string, namespace: string): Promise<Store> {
  const store = mysqlStore(url, { namespace })
  await store.connect?.({ timeoutMs: 10_000 })
  return store
}

for (const name of ['mariadb', 'mysql']) {
  describeWithStore(name, name, url => {
    let keeper: Keeper
    beforeAll(async () => {
      await migrate(url)
      keeper = await keeperOf(url)
    }, START_MS)
    afterAll(() => keeper.close())
    const hooks = {
      ...SLOW,
      hold: (namespace: string, key: string, ms: number) => keeper.hold({ namespace, key, ms }),
      wipe: (namespace: string) => wipe(url, namespace),
    }
    describeStore(`mysql on ${name}`, storage => storeAt(url, storage), runner, hooks)
  })
}

// A server of its own may be killed.
const obstacle = obstacleOf(MARIADB)
if (obstacle === null) {
  describe('a server that is killed', () => {
    let server: FaultServer
    beforeAll(async () => {
      server = await startServer(MARIADB)
      await migrate(server.address)
    }, START_MS)
    afterAll(() => server.close())
    const restart = async (): Promise<void> => {
      await server.kill()
      await server.restart()
    }
    const make = (storage: string) => storeAt(server.address, storage)
    registerGroups('mysql, killed', { tokens: tokenCases }, make, runner, { ...SLOW, restart })
  })
} else test('a server that is killed', context => context.skip(obstacle))
