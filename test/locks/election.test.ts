import { expect, test } from 'vitest'
import { LeaseLostError } from '../../src/index.ts'
import type { Leader } from '../../src/index.ts'
import { createTestLocks } from '../../src/testing.ts'

test('a candidate whose waiting ticket is revoked stands in line again', async () => {
  const { locks, clock } = createTestLocks()
  const election = locks.election('office')
  const incumbent = await election.campaign()
  const stop = new AbortController()
  const terms: number[] = []
  const leading = election.lead(async lease => void terms.push(lease.token), { signal: stop.signal })
  await clock.advance(10)
  for (let times = 0; times < 3; times += 1) {
    const waiter = (await locks.inspect('office'))?.waiters[0]?.token ?? 0
    expect(await locks.revoke('office', { reason: 'make room', tickets: waiter })).toBe(1)
    await clock.advance(10)
  }
  expect((await locks.inspect('office'))?.waiters).toHaveLength(1)
  await incumbent.release()
  await clock.advance(10)
  await leading
  expect(terms).toHaveLength(1)
})

test('the loss of another lock inside the task ends the term with that error', async () => {
  const { locks, lose } = createTestLocks()
  const other = await locks.acquire('other')
  lose(other)
  let terms = 0
  const leading = locks.election('office').lead(
    async () => {
      terms += 1
      other.assertHeld()
    },
    { signal: new AbortController().signal },
  )
  await expect(leading).rejects.toThrow(LeaseLostError)
  await expect(leading).rejects.toMatchObject({ key: 'other' })
  expect(terms).toBe(1)
  expect(await locks.inspect('office')).toBeNull()
})

test('a deposed leader campaigns again, whatever its task threw', async () => {
  const { locks, lose } = createTestLocks()
  let terms = 0
  await locks.election('office').lead(
    async lease => {
      terms += 1
      if (terms === 3) return
      lose(lease)
      throw new Error('interrupted')
    },
    { signal: new AbortController().signal },
  )
  expect(terms).toBe(3)
})

test('an observer goes on looking while the store does not answer', async () => {
  const { locks, clock, failStore, restoreStore } = createTestLocks({ holder: 'me' })
  const election = locks.election('office', { value: 'here' })
  const stop = new AbortController()
  const seen: (Leader | null)[] = []
  const observing = (async () => {
    for await (const leader of election.observe({ signal: stop.signal })) seen.push(leader)
  })()
  await clock.advance(300)
  failStore()
  await clock.advance(1_000)
  restoreStore()
  const lease = await election.campaign()
  await clock.advance(1_000)
  failStore(new Error('the test has cut the wire'))
  await clock.advance(1_000)
  restoreStore()
  await lease.release()
  await clock.advance(1_000)
  stop.abort()
  await observing
  expect(seen).toEqual([null, { holder: 'me', token: lease.token, value: 'here' }, null])
})
