/**
 * Servers for a redlock of a test's own: real ones, each behind a proxy, so that every fault can be made on one node
 * alone.
 */
import type { TestContext } from 'vitest'
import { redlockStore } from '../../src/drivers/redlock.ts'
import type { RedlockStoreOptions } from '../../src/drivers/redlock.ts'
import { startProxy } from '../../src/lab/faults/proxy.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { obstacleOf } from '../../src/servers/find.ts'
import { REDIS, REDIS_DURABLE } from '../../src/servers/redis.ts'
import { startServer } from '../../src/servers/start.ts'
import type { FaultServer } from '../../src/servers/start.ts'
import type { Store } from '../../src/store/contract.ts'

export interface TestNode {
  readonly server: FaultServer
  readonly proxy: FaultProxy
}

export interface TestNodes {
  readonly nodes: readonly TestNode[]
  /** One more process: a store over connections of its own. Closed with the rest. */
  store(options?: RedlockStoreOptions): Store
  /** Directly to the servers, past the proxies. */
  directly(options?: RedlockStoreOptions): Store
  close(): Promise<void>
}

export const NO_REDIS = obstacleOf(REDIS)

export function skipWithoutRedis(context: TestContext): void {
  if (NO_REDIS !== null) context.skip(NO_REDIS)
}

/** `durable` (the default): nodes that have a vote from their start, since they keep what they confirmed. */
export async function startNodes(
  count: number,
  options: { readonly durable?: boolean; readonly stepClock?: boolean } = {},
): Promise<TestNodes> {
  const kind = options.durable === false ? REDIS : REDIS_DURABLE
  const nodes = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const server = await startServer(kind, { stepClock: options.stepClock === true })
      return { server, proxy: await startProxy({ port: server.port, protocol: 'redis', seed: index + 1 }) }
    }),
  )
  const stores: Store[] = []
  const open = (ports: readonly number[], storeOptions: RedlockStoreOptions): Store => {
    const store = redlockStore(`redlock://${ports.map(port => `127.0.0.1:${port}`).join(',')}`, {
      clockErrorMs: 5,
      ...storeOptions,
    })
    stores.push(store)
    return store
  }
  return {
    nodes,
    store: (storeOptions = {}) =>
      open(
        nodes.map(({ proxy }) => proxy.port),
        storeOptions,
      ),
    directly: (storeOptions = {}) =>
      open(
        nodes.map(({ server }) => server.port),
        storeOptions,
      ),
    async close() {
      await Promise.all(stores.map(store => store.close()))
      await Promise.all(nodes.flatMap(({ server, proxy }) => [proxy.close(), server.close()]))
    },
  }
}
