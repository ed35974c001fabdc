import { expect, test } from 'vitest'
import { LeaseLostError } from '../../src/index.ts'
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
