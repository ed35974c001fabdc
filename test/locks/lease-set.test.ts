import { expect, test } from 'vitest'
import { LeaseLostError } from '../../src/index.ts'
import type { Lease } from '../../src/index.ts'
import { createLeaseSet } from '../../src/locks/lease-set.ts'
import { createTestLocks } from '../../src/testing.ts'

const KEYS = ['a', 'b', 'c']

for (const [index, key] of KEYS.entries()) {
  test(`a set of leases is lost when that of "${key}" is, and says which`, async () => {
    const { locks, clock, events } = createTestLocks({ ttl: '10s' })
    const set = await locks.acquireAll(KEYS)
    const { signal } = set
    set.assertHeld()
    await locks.revoke(key, { reason: 'over', tickets: 'holders' })
    await clock.advance(0)
    expect(() => set.assertHeld()).toThrow(LeaseLostError)
    expect(() => set.assertHeld()).toThrow(`"${key}"`)
    expect(set.state).toBe('lost')
    expect(set.remaining()).toBe(0)
    expect(signal.reason).toMatchObject({ key, reason: 'revoked' })
    await expect(set.renew()).rejects.toThrow(LeaseLostError)
    await expect(set.ensure('1s')).rejects.toThrow(LeaseLostError)
    expect(await set.release()).toBe('lost')
    expect(events.filter(event => event.type === 'released')).toHaveLength(2)
    expect(events.filter(event => event.type === 'lost')).toMatchObject([{ key: KEYS[index] }])
  })
}

test('a set is as long as its shortest lease, and as doubtful as its most doubtful', async () => {
  const { locks, clock, failStore, restoreStore } = createTestLocks({ ttl: '10s' })
  const set = await locks.acquireAll(['a', 'b'], { renew: 'manual' })
  await clock.advance('2s')
  expect(set.remaining()).toBeLessThanOrEqual(8_000)
  await set.renew('20s')
  expect(set.remaining()).toBeGreaterThan(19_000)
  await set.ensure('30s')
  expect(set.remaining()).toBeGreaterThanOrEqual(30_000)
  failStore()
  await expect(set.renew()).rejects.toThrow('did not confirm')
  expect(set.state).toBe('suspect')
  restoreStore()
  await set.renew()
  expect(set.state).toBe('held')
  expect(await set.release()).toBe('released')
  expect(set.state).toBe('released')
  expect(() => set.assertHeld()).toThrow('released')
})

test('the signal of a set is one signal, however often it is asked for', async () => {
  const { locks, lose } = createTestLocks()
  const set = await locks.acquireAll(['a', 'b'])
  const { signal } = set
  expect(set.signal === signal).toBe(true)
  lose(await locks.acquire('another'))
  await set.release()
  expect(signal.aborted).toBe(false)
})

/** A lease that is as it is told to be. */
function lease(is: Partial<Lease>): Lease {
  const nothing = async (): Promise<void> => {}
  return {
    ...{ key: 'k', token: 1, mode: 'exclusive', signal: new AbortController().signal, state: 'held' },
    ...{ remaining: () => 1_000, assertHeld() {}, renew: nothing, ensure: nothing, release: async () => 'released' },
    [Symbol.asyncDispose]: nothing,
    ...is,
  }
}

test.each([
  [['held', 'suspect'], 'suspect'],
  [['suspect', 'released'], 'released'],
  [['released', 'lost'], 'lost'],
  [['held', 'held'], 'held'],
] as const)('of leases that are %j a set is %s', (states, whole) => {
  const set = createLeaseSet(
    states.map(state => lease({ state })),
    'exclusive',
  )
  expect(set.state).toBe(whole)
})

test.each([
  [['released', 'unconfirmed'], 'unconfirmed'],
  [['unconfirmed', 'lost'], 'lost'],
  [['released', 'released'], 'released'],
] as const)('of releases that are %j a set makes %s', async (results, whole) => {
  const set = createLeaseSet(
    results.map(result => lease({ release: async () => result })),
    'exclusive',
  )
  expect(await set.release()).toBe(whole)
})

test('a set is not ensured when one of its windows ran on meanwhile', async () => {
  const set = createLeaseSet([lease({}), lease({ remaining: () => 10 })], 'exclusive')
  await set.ensure(10)
  // Nothing that was sent is in doubt: each lease was ensured, and is what it is.
  await expect(set.ensure(500)).rejects.toMatchObject({
    message: expect.stringContaining('not all of 2 leases'),
    ambiguous: false,
  })
})

test('a set has the token of each of its keys', () => {
  const set = createLeaseSet([lease({ key: 'a', token: 7 }), lease({ key: 'b', token: 3 })], 'exclusive')
  expect([...set.tokens]).toEqual([
    ['a', 7],
    ['b', 3],
  ])
})
