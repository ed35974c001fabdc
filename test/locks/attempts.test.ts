/** One attempt: what a signal and close() do to one that is under way. */
import { describe, expect, test } from 'vitest'
import { ClosedError, createLocks } from '../../src/index.ts'
import type { Locks, Store } from '../../src/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Its grants arrive late. */
function slowStore(storage: string, ms: number): Store {
  const memory = memoryStore({ storage })
  return {
    ...memory,
    async enter(request, io) {
      const entry = await memory.enter(request, io)
      await pause(ms)
      return entry
    },
  }
}

const ways: Record<string, (locks: Locks, signal?: AbortSignal) => Promise<unknown>> = {
  tryAcquire: (locks, signal) => locks.tryAcquire('k', { ...(signal && { signal }) }),
  tryRun: (locks, signal) => locks.tryRun('k', { ...(signal && { signal }) }, () => 'ran'),
  once: (locks, signal) => locks.once('k', { minHold: '1h', ...(signal && { signal }) }, () => 'ran'),
  'acquire that does not wait': (locks, signal) => locks.acquire('k', { wait: 0, ...(signal && { signal }) }),
}

describe.each(Object.entries(ways))('%s', (name, attempt) => {
  test('that is under way when the locks are closed is refused, and what it was granted is given back', async () => {
    const storage = `closed while trying: ${name}`
    const locks = createLocks(slowStore(storage, 30))
    const trying = attempt(locks).catch((error: unknown) => error)
    await pause(5)
    await locks.close()
    expect(await trying).toBeInstanceOf(ClosedError)
    const other = createLocks(memoryStore({ storage }))
    expect(await other.inspect('k')).toBeNull()
    await other.close()
  })

  test('ends when its signal aborts, and leaves nothing behind', async () => {
    const storage = `aborted while trying: ${name}`
    const locks = createLocks(slowStore(storage, 100))
    const abort = new AbortController()
    const trying = attempt(locks, abort.signal).catch((error: unknown) => error)
    let settled = false
    void trying.then(() => (settled = true))
    await pause(5)
    const reason = new Error('no longer')
    abort.abort(reason)
    await pause(5)
    expect(settled).toBe(true)
    expect(await trying).toBe(reason)
    await locks.close()
    const other = createLocks(memoryStore({ storage }))
    expect(await other.inspect('k')).toBeNull()
    await other.close()
  })

  test('whose signal was aborted before asks nothing of the store', async () => {
    const memory = memoryStore()
    let asked = 0
    const locks = createLocks({
      ...memory,
      async enter(request, io) {
        asked += 1
        return memory.enter(request, io)
      },
    })
    await expect(attempt(locks, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
    expect(asked).toBe(0)
    await locks.close()
  })
})
