/**
 * What the suite leaves out for a store, since its traits say so, stands under Limits of its page, and nothing else: it
 * prints the same words beside each case that it left out.
 */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { UnsupportedError } from '../../src/base/errors.ts'
import { lackingOf } from '../../src/conformance/suite.ts'
import { consulStore } from '../../src/drivers/consul.ts'
import { etcdStore } from '../../src/drivers/etcd.ts'
import { memcachedStore } from '../../src/drivers/memcached.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { mongodbStore } from '../../src/drivers/mongodb.ts'
import { mysqlStore } from '../../src/drivers/mysql.ts'
import { postgresStore } from '../../src/drivers/postgres.ts'
import { redisStore } from '../../src/drivers/redis.ts'
import { redlockStore } from '../../src/drivers/redlock.ts'
import { sqliteStore } from '../../src/drivers/sqlite.ts'
import { zookeeperStore } from '../../src/drivers/zookeeper.ts'
import type { Store } from '../../src/store/contract.ts'
import { read } from '../tidy/sources.ts'

const NOTHING = 'The suite leaves out nothing that this store should have.'
/** Nobody is there: the traits are known without. */
const AT = '127.0.0.1:1'
const STORES: Readonly<Record<string, () => Store>> = {
  consul: () => consulStore(`consul://${AT}`),
  etcd: () => etcdStore(`etcd://${AT}`),
  memcached: () => memcachedStore(`memcached://${AT}`),
  memory: () => memoryStore(),
  mongodb: () => mongodbStore(`mongodb://${AT}`),
  mysql: () => mysqlStore(`mysql://${AT}/test`),
  postgres: () => postgresStore(`postgres://${AT}/test`),
  redis: () => redisStore(`redis://${AT}`),
  redlock: () => redlockStore([1, 2, 3].map(port => `redis://127.0.0.1:${port}`)),
  sqlite: () => sqliteStore('sqlite:/nowhere/locks.db'),
  zookeeper: () => zookeeperStore(`zookeeper://${AT}`),
}

/** A list has no trait: who has none says so before anything is asked. */
async function listOf(store: Store): Promise<readonly string[]> {
  const first = await store
    .list('', { timeoutMs: 100 })
    [Symbol.asyncIterator]()
    .next()
    .catch((cause: unknown) => cause)
  return first instanceof UnsupportedError ? ['the store cannot list'] : []
}

test('each page is looked at, but for http, whose traits are those of what is behind, and the template', () => {
  const pages = readdirSync(new URL('../../docs/drivers', import.meta.url)).map(file => file.replace('.md', ''))
  expect(Object.keys(STORES)).toEqual(pages.filter(name => name !== 'http' && name !== 'your-own').toSorted())
})

describe.each(Object.entries(STORES))('%s', (name, make) => {
  test('its page says what the suite leaves out, and no more', async () => {
    const store = make()
    const lacking = [...lackingOf(store), ...(await listOf(store))]
    await store.close()
    const [, limits = ''] = read(`docs/drivers/${name}.md`).split('\n## Limits\n')
    const told = [
      ...limits.matchAll(/^- (The store (?:keeps|has|gives|promises|does not|cannot)|A ticket of this store)/gm),
    ]
    for (const reason of lacking)
      expect(limits).toMatch(new RegExp(`^- ${reason.charAt(0).toUpperCase()}${reason.slice(1)}[.:]`, 'm'))
    expect(told).toHaveLength(lacking.length)
    expect(limits.includes(NOTHING)).toBe(lacking.length === 0)
  })
})
