import { expect, test } from 'vitest'
import { createLocks, StoreUnavailableError } from '../../src/index.ts'
import type { Store } from '../../src/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Needs so long for its connection, once. */
function coldStore(ms: number): Store & { readonly connected: () => number } {
  const memory = memoryStore()
  let connected = 0
  return {
    ...memory,
    connected: () => connected,
    async connect() {
      await pause(ms)
      connected += 1
    },
    async enter(request, io) {
      if (connected === 0) await pause(ms)
      return memory.enter(request, io)
    },
  }
}

test('connecting takes nothing from the window of the first lease', async () => {
  for (const first of ['acquire', 'tryAcquire'] as const) {
    const store = coldStore(150)
    const locks = createLocks(store, { ttl: 100, renew: 'manual' })
    const lease = await locks[first]('k')
    expect(lease?.state).toBe('held')
    await lease?.release()
    await Promise.all([1, 2, 3].map(number => locks.run(`k${number}`, () => 1)))
    expect(store.connected()).toBe(1)
    await locks.close()
  }
})

test('a store that cannot be connected to is an outage, and is tried again by who waits', async () => {
  let tries = 0
  const locks = createLocks({
    ...memoryStore(),
    async connect() {
      tries += 1
      if (tries < 3) throw new StoreUnavailableError('not yet', { ambiguous: false })
    },
  })
  await expect(locks.tryAcquire('k')).rejects.toThrow('not yet')
  expect(await locks.run('k', { wait: 5_000 }, () => 'ran')).toBe('ran')
  expect(tries).toBe(3)
  await locks.close()
})
