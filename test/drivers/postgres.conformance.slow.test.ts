import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { POSTGRES } from '../../src/servers/postgres.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import { ask, byAddress, hold, migrate } from '../support/postgres.ts'
import { describeWithStore } from '../support/stores.ts'

/** A statement goes to the disk and back, on a machine that does a lot besides. */
const COLD = { coldMs: 200 }
const runner = { describe, test, beforeAll, afterAll }

// A server of its own may be restarted and emptied.
describeWithStore('postgres', 'a server that is killed and emptied', () => {
  let server: FaultServer
  beforeAll(async () => {
    server = await startServer(POSTGRES)
    await migrate(server.address)
  })
  afterAll(() => server.close())

  const hooks = {
    ...COLD,
    async restart(): Promise<void> {
      await server.kill()
      await server.restart()
    },
    wipe: async (): Promise<void> =>
      void (await ask(server.address, 'TRUNCATE holdfast_queues, holdfast_tickets, holdfast_forbidden')),
    hold: (storage: string, key: string, ms: number) => hold(server.address, storage, { key, ms }),
  }
  const make = (storage: string) => byAddress(server.address, { namespace: storage, package: 'pg' })
  describeStore('postgres 15, by pg', make, runner, hooks)
})

describeWithStore('postgres18', 'PostgreSQL 18', url => {
  beforeAll(() => migrate(url))
  const make = (storage: string) => byAddress(url, { namespace: storage, package: 'postgres' })
  describeStore('postgres 18, by postgres', make, runner, COLD)
})

describeWithStore('pgbouncer', 'PgBouncer in transaction mode', url => {
  beforeAll(() => migrate(url))
  const make = (storage: string) => byAddress(url, { namespace: storage, package: 'pg' })
  describeStore('postgres behind PgBouncer', make, runner, COLD)
})
