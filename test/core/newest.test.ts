import { expect, test } from 'vitest'
import { createLocks, LeaseLostError } from '../../src/index.ts'
import type { Store } from '../../src/index.ts'
import { createNewest } from '../../src/core/newest.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

/** A store that gives each new ticket the token that comes next in the list. */
function giving(tokens: number[]): Store {
  const memory = memoryStore()
  return {
    ...memory,
    async enter(request, io) {
      const entry = await memory.enter(request, io)
      return entry.status === 'holds' || entry.status === 'waits' ? { ...entry, token: tokens.shift() ?? 0 } : entry
    },
  }
}

for (const [wait, second, verdict] of [
  [0, 99, 'refused'],
  [0, 100, 'refused'],
  [0, 101, 'taken'],
  ['1s', 99, 'refused'],
  ['1s', 100, 'refused'],
  ['1s', 101, 'taken'],
] as const) {
  test(`after token 100 a new ticket with token ${second} is ${verdict} (wait ${wait})`, async () => {
    const store = giving([100, second])
    const locks = createLocks(store, { fair: 'strict' })
    await (await locks.acquire('k', { wait })).release()
    const next = locks.acquire('k', { wait })
    if (verdict === 'taken') expect((await next).token).toBe(second)
    else {
      await expect(next).rejects.toMatchObject({ reason: 'store-regressed', token: second })
      await expect(next).rejects.toThrow(LeaseLostError)
      await locks.close()
      expect(await store.inspect('k', { timeoutMs: 100 })).toBeNull()
    }
    await locks.close({ drain: 0 })
  })
}

test('the last token of a block counts, not its first', async () => {
  const locks = createLocks(giving([100, 131]))
  await (await locks.acquire('k')).release()
  await expect(locks.acquire('k')).rejects.toMatchObject({ reason: 'store-regressed' })
  await locks.close()
})

test('the greatest token is remembered, of the 10,000 keys that were used last', () => {
  const newest = createNewest()
  newest.saw('k', 5)
  newest.saw('k', 4)
  expect([newest.of('k'), newest.of('other')]).toEqual([5, 0])
  for (let index = 1; index < 10_000; index += 1) newest.saw(`k${index}`, 1)
  expect(newest.of('k')).toBe(5)
  newest.saw('k1', 2)
  newest.saw('one more', 1)
  expect([newest.of('k'), newest.of('k1')]).toEqual([0, 2])
})
