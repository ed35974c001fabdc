/** Errors that reach the user show who asked. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLocks, StoreUnavailableError } from '../../src/index.ts'
import type { Lease, Locks } from '../../src/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

async function failed(work: () => Promise<unknown>): Promise<Error> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it did not fail')
}

describe('the stack of an error shows the line of the caller', () => {
  let locks: Locks
  let held: Lease
  beforeEach(async () => {
    locks = createLocks(memoryStore())
    held = await locks.acquire('k')
  })
  afterEach(async () => {
    await held.release()
    await locks.close()
  })

  const ways: Record<string, (locks: Locks) => Promise<unknown>> = {
    async acquire(locks) {
      await locks.acquire('k', { wait: 5 })
    },
    async run(locks) {
      await locks.run('k', { wait: 5 }, () => 1)
    },
    async lock(locks) {
      await locks.lock('k').acquire({ wait: 5 })
    },
    async runLock(locks) {
      await locks.lock('k').run({ wait: 5 }, () => 1)
    },
    async acquireAll(locks) {
      await locks.acquireAll(['j', 'k'], { wait: 5 })
    },
    async runAll(locks) {
      await locks.runAll(['j', 'k'], { wait: 5 }, () => 1)
    },
    async once(locks) {
      await locks.acquire('k', { wait: 0 })
    },
  }
  test.each(Object.entries(ways))('%s', async (name, way) => {
    const error = await failed(async () => way(locks))
    expect(error.stack).toContain(`WaitTimeoutError: ${error.message}`)
    expect(error.stack).toMatch(new RegExp(`${name} .*caller\\.test`))
  })

  test('also where one failure answers many callers', async () => {
    const broken = createLocks({
      ...memoryStore(),
      async enter() {
        throw new StoreUnavailableError('it is gone', { ambiguous: false })
      },
    })
    async function first(): Promise<void> {
      await broken.acquire('k', { wait: 30 })
    }
    async function second(): Promise<void> {
      await broken.acquire('k', { wait: 30 })
    }
    const errors = await Promise.all([failed(first), failed(second)])
    expect(errors[0]?.stack).toContain('first')
    expect(errors[1]?.stack).toContain('second')
    for (const error of errors) expect(error).toBeInstanceOf(StoreUnavailableError)
    await broken.close()
  })
})
