import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { TicketRequest } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

const IO = { timeoutMs: 1_000 }
const DAY_MS = 86_400_000

function request(key: string): TicketRequest {
  return {
    key,
    id: `${key}'s`,
    holder: 'A',
    mode: 'exclusive',
    limit: null,
    ttlMs: 1_000,
    waiterTtlMs: 1_000,
    queue: true,
    tokens: 1,
    meta: {},
  }
}

/** A store whose wall clock can be set, and how to use a key once. Gives the token. */
function storeAt() {
  let wallMs = 1_795_000_000_000
  const store = memoryStore({ clock: { ...systemClock, wall: () => wallMs } })
  return {
    set: (ms: number): void => void (wallMs = 1_795_000_000_000 + ms),
    async use(key: string): Promise<number> {
      const entry = await store.enter(request(key), IO)
      await store.leave({ key, id: request(key).id, keepMs: 0, forbidMs: 0 }, IO)
      return entry.status === 'holds' ? entry.token : 0
    },
  }
}

test('a key that nobody uses any more is remembered for a day', async () => {
  const { set, use } = storeAt()
  const before = await use('old')
  set(DAY_MS - 1)
  for (let index = 0; index < 10; index += 1) await use(`other:${index}`)
  set(-DAY_MS)
  expect(await use('old')).toBeGreaterThan(before)
})

test('and forgotten after it, so that a process that locks ever new keys does not grow for ever', async () => {
  const { set, use } = storeAt()
  const before = await use('old')
  set(DAY_MS + 1)
  for (let index = 0; index < 10; index += 1) await use(`other:${index}`)
  // Only a clock set back by more than a day can tell that the record is gone.
  set(-DAY_MS)
  expect(await use('old')).toBeLessThan(before)
})
