/** On every store with a queue that a server is needed for. */
import { beforeAll, test } from 'vitest'
import { holdElection } from '../support/election.ts'
import { migrate } from '../support/postgres.ts'
import { describeWithStore } from '../support/stores.ts'

/** By the name of the server. Sessions of etcd and ZooKeeper are seconds long. */
const TTL_MS: Readonly<Record<string, number>> = {
  ...{ redis: 2_000, valkey: 2_000, postgres: 2_000, etcd: 4_000, mongodb: 3_000, zookeeper: 6_000 },
}

for (const [name, ttlMs] of Object.entries(TTL_MS))
  describeWithStore(name, `an election on ${name}`, url => {
    if (name === 'postgres') beforeAll(() => migrate(url))
    test('a leader that stands still is replaced, and what it does when it goes on is refused', () =>
      holdElection(url, { ttlMs }))
  })
