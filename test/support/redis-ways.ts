/** Every way to reach a Redis that the driver promises: the client packages, the protocols, the kinds of server. */
import { readFileSync } from 'node:fs'
import { createClient, createCluster } from 'redis'
import { createClient as createClient5 } from 'redis5'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { Redis as Valkey } from 'iovalkey'
import { redisStore } from '../../src/drivers/redis.ts'
import type { RedisLike, RedisStoreOptions } from '../../src/drivers/redis.ts'
import type { Store } from '../../src/store/contract.ts'

export interface Way {
  readonly name: string
  /**
   * With this one the whole suite is run; with the others what concerns the store itself, since the locks above it see
   * no difference.
   */
  readonly whole: boolean
  /** Of `scripts/stores`. */
  readonly store: string
  open(url: string, namespace: string): Promise<Store>
}

/** Connected: what is measured is the lock, and not how long it takes to reach a server. */
async function warm(store: Store): Promise<Store> {
  await store.inspect('warm', { timeoutMs: 10_000 })
  const ear = await store.listen?.({ holds() {}, revoked() {}, gap() {} })
  await ear?.[Symbol.asyncDispose]()
  return store
}

function byAddress(name: string, options: RedisStoreOptions = {}, store = 'redis', whole = true): Way {
  return { name, store, whole, open: async (url, namespace) => warm(redisStore(url, { ...options, namespace })) }
}

/** A client of the user's: holdfast does not close it, so the store's close does it here. */
function byClient(
  name: string,
  make: (url: string) => Promise<{ readonly client: RedisLike; end(): unknown }>,
  store = 'redis',
): Way {
  return {
    name,
    store,
    whole: false,
    async open(url, namespace) {
      const { client, end } = await make(url)
      const inner = await warm(redisStore(client, { namespace }))
      let ended = false
      return {
        ...inner,
        async close() {
          await inner.close()
          if (!ended) end()
          ended = true
        },
      }
    },
  }
}

function hosts(url: string): { readonly host: string; readonly port: number }[] {
  return url
    .replace(/^.*\/\//, '')
    .split(',')
    .map(place => ({ host: place.split(':')[0] ?? '', port: Number(place.split(':')[1]) }))
}

async function nodeRedis(url: string, protocol: 2 | 3): Promise<{ readonly client: RedisLike; end(): unknown }> {
  const client = createClient({ url, RESP: protocol })
  await client.connect()
  return { client, end: () => client.destroy() }
}

export const WAYS: readonly Way[] = [
  byAddress('an address, by ioredis, RESP3', { package: 'ioredis', protocol: 3 }),
  byAddress('an address, by redis, RESP2', { package: 'redis', protocol: 2 }),
  byAddress('an address, by iovalkey', { package: 'iovalkey' }),
  byClient('an ioredis 6 of the user, RESP2', async url => {
    const client = new Redis(url, { protocol: 2 })
    return { client, end: () => client.disconnect() }
  }),
  byClient('an ioredis 5 of the user, with a prefix and pipelines', async url => {
    const client = new Redis5(url, { keyPrefix: 'app:', enableAutoPipelining: true })
    return { client, end: () => client.disconnect() }
  }),
  byClient('an iovalkey of the user', async url => {
    const client = new Valkey(url)
    return { client, end: () => client.disconnect() }
  }),
  byClient('a redis 6 of the user, RESP3', url => nodeRedis(url, 3)),
  byClient('a redis 6 of the user, RESP2', url => nodeRedis(url, 2)),
  byClient('a redis 5 of the user, RESP3', async url => {
    const client = createClient5({ url, RESP: 3 })
    await client.connect()
    return { client, end: () => client.destroy() }
  }),
  byAddress('Valkey', {}, 'valkey'),
  byAddress('Sentinel', {}, 'sentinel'),
  byAddress('Sentinel, by redis', { package: 'redis' }, 'sentinel', false),
  byAddress('a cluster', {}, 'cluster'),
  byAddress('a cluster, by redis', { package: 'redis' }, 'cluster', false),
  byClient(
    'a cluster client of ioredis of the user',
    async url => {
      const client = new Cluster(hosts(url))
      return { client, end: () => client.disconnect() }
    },
    'cluster',
  ),
  byClient(
    'a cluster client of redis of the user',
    async url => {
      const client = createCluster({ rootNodes: hosts(url).map(socket => ({ socket })) })
      await client.connect()
      return { client, end: () => client.destroy() }
    },
    'cluster',
  ),
  {
    name: 'TLS with a password',
    store: 'redis-tls',
    whole: true,
    open: async (url, namespace) =>
      warm(redisStore(url, { namespace, tls: { ca: readFileSync(process.env['HOLDFAST_TEST_REDIS_TLS_CA'] ?? '') } })),
  },
]
