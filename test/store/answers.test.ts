/** What a store says of its tickets, to their owners and to people. */
import { expect, test } from 'vitest'
import { enter, leave, renew, revoke, view } from '../../src/store/queue.ts'
import { at, gone, queueOf, request, T0 } from './requests.ts'

const shared = { mode: 'shared' as const }

test('people see who holds and who waits, in order, and the greatest token that was given', () => {
  const queue = queueOf(T0, request('a', { tokens: 4 }), request('b', { tokens: 4 }), request('c', { tokens: 2 }))
  const seen = view('k', queue, T0)
  expect(seen?.holders.map(each => each.holder)).toEqual(['a'])
  expect(seen?.waiters.map(each => each.holder)).toEqual(['b', 'c'])
  expect(seen?.token).toBe(T0.micros + 8)
  const { queue: left } = leave(queue, { key: 'k', id: 'c', ...gone }, T0)
  // No ticket has it any more, but it was given.
  expect(view('k', left, T0)?.token).toBeGreaterThan(T0.micros + 4)
  expect(view('k', left, T0)?.token).toBeLessThan(T0.micros + 10)
})

test('people see since when somebody waits, and then since when it holds, however often it renews', () => {
  const queue = queueOf(T0, request('a'), request('b'))
  expect(view('k', queue, at(40))?.waiters).toMatchObject([{ holder: 'b', sinceMs: 40 }])
  const { queue: handed } = leave(queue, { key: 'k', id: 'a', ...gone }, at(50))
  const { queue: claimed } = renew(handed, { key: 'k', id: 'b', ttlMs: 1_000 }, at(70))
  expect(view('k', claimed, at(80))?.holders).toMatchObject([{ holder: 'b', sinceMs: 30 }])
  const { queue: kept } = leave(claimed, { key: 'k', id: 'b', keepMs: 500, forbidMs: 0 }, at(90))
  expect(view('k', kept, at(100))?.holders).toMatchObject([{ holder: 'b', sinceMs: 50, leftMs: 490 }])
})

test('one that comes to hold takes nothing from how long the others have held', () => {
  const limited = { ...shared, limit: 2 }
  const queue = queueOf(T0, request('s1', limited), request('s2', limited), request('s3', limited))
  const step = leave(queue, { key: 'k', id: 's1', ...gone }, at(10))
  expect(step.holds).toHaveLength(1)
  expect(view('k', step.queue, at(30))?.holders).toMatchObject([
    { holder: 's2', sinceMs: 30 },
    { holder: 's3', sinceMs: 20 },
  ])
})

test('only what was revoked or is kept is marked so', () => {
  const queue = queueOf(T0, request('a'))
  const [plain] = view('k', queue, T0)?.holders ?? []
  expect(plain).not.toHaveProperty('revoked')
  expect(plain).not.toHaveProperty('kept')
  const revoked = revoke(queue, { tickets: 'holders', reason: 'over', now: false }, T0).queue
  expect(view('k', revoked, T0)?.holders).toEqual([{ ...plain, revoked: true }])
  const kept = leave(queue, { key: 'k', id: 'a', keepMs: 50, forbidMs: 0 }, T0).queue
  expect(view('k', kept, T0)?.holders).toEqual([{ ...plain, leftMs: 50, kept: true }])
})

test('who is refused is told who holds, not who waits, and to come when the first of them may have ended', () => {
  const readers = [request('r300', { ...shared, ttlMs: 300 }), request('r200', { ...shared, ttlMs: 200 })]
  const queue = queueOf(T0, ...readers, request('w'))
  const { answer } = enter(queue, request('x', { queue: false }), at(50))
  expect(answer).toMatchObject({ status: 'refused', retryMs: 150, holders: [{ holder: 'r300' }, { holder: 'r200' }] })
})

test('a renewal tells how many wait, not how many hold', () => {
  const queue = queueOf(T0, request('r1', shared), request('r2', shared), request('w'))
  expect(renew(queue, { key: 'k', id: 'r1', ttlMs: 1_000 }, T0).answer).toMatchObject({ status: 'held', waiters: 1 })
})

test('who enters again with a shorter ttl is told of no more than it asked for', () => {
  const queue = queueOf(T0, request('a', { ttlMs: 1_000 }))
  expect(enter(queue, request('a', { ttlMs: 200 }), T0).answer).toMatchObject({ status: 'holds', leftMs: 200 })
  expect(enter(queue, request('a', { ttlMs: 5_000 }), at(10)).answer).toMatchObject({ status: 'holds', leftMs: 5_000 })
})

test('who waits behind one that lives past its heartbeat comes again at that heartbeat, and no sooner', () => {
  const queue = queueOf(T0, request('dying', { ttlMs: 20 }), request('b', { waiterTtlMs: 100 }))
  expect(enter(queue, request('c'), T0).answer).toMatchObject({ status: 'waits', retryMs: 100 })
})

test('who waits behind a dying waiter and one that lives on comes again at its heartbeat: that one asks before', () => {
  const queue = queueOf(
    T0,
    request('a', { ttlMs: 20 }),
    request('lives', { ...shared, waiterTtlMs: 200 }),
    request('dying', { waiterTtlMs: 30 }),
  )
  expect(enter(queue, request('c', { ...shared, waiterTtlMs: 300 }), T0).answer).toMatchObject({
    status: 'waits',
    retryMs: 100,
  })
})

test('when to come again is a matter of those in front, and not of those behind', () => {
  const queue = queueOf(T0, request('a', { ttlMs: 60 }), request('b'), request('c'))
  expect(enter(queue, request('b'), T0).answer).toMatchObject({ status: 'waits', retryMs: 60 })
})
