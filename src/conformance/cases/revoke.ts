/** Revoke: an operator ends a lease by forbidding its renewal; only `now` takes what is held. */
import assert from 'node:assert/strict'
import {
  clock,
  comesToHold,
  forbidden,
  gone,
  held,
  holds,
  IO,
  KEY,
  lost,
  notBefore,
  refused,
  until,
  visitor,
  wait,
  waits,
} from '../scene.ts'
import { listen, namesExactly } from './push.ts'
import type { Register } from '../suite.ts'

const REASON = 'moved to the new cluster ✂'

export function revokeCases(test: Register): void {
  test('a revoked holder may not renew, is told why, and holds until it leaves', ['revoke'], async scene => {
    const [here, operator] = [await scene.store(), await scene.store()]
    const [a, b] = [visitor(scene, here, 'A'), visitor(scene, operator, 'B', { queue: false })]
    const { token } = holds(await a.enter())
    assert.equal(await operator.revoke(KEY, { tickets: 'holders', reason: REASON, now: false }, IO), 1)
    const answer = lost(await a.renew())
    assert.equal(answer.reason, 'revoked')
    assert.match(answer.message, /moved to the new cluster ✂/)
    assert.equal(forbidden(await a.enter({ token })).reason, 'revoked')
    refused(await b.enter())
    assert.equal(await a.leave(), 'held')
    holds(await b.enter())
  })

  test('a revoked holder that is dead goes when its time runs out, not earlier', ['revoke'], async scene => {
    const store = await scene.store()
    const { shortMs } = scene.times
    const sentAt = clock.now()
    holds(await visitor(scene, store, 'A', { ttlMs: shortMs }).enter())
    assert.equal(await store.revoke(KEY, { tickets: 'holders', reason: REASON, now: false }, IO), 1)
    await comesToHold(scene, visitor(scene, store, 'B', { queue: false }))
    assert.ok(
      clock.now() - sentAt >= notBefore(store, shortMs),
      `taken over after ${clock.now() - sentAt} ms of ${shortMs}`,
    )
  })

  test('to revoke the holders leaves those who wait alone', ['revoke', 'queue'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    assert.equal(await store.revoke(KEY, { tickets: 'holders', reason: REASON, now: false }, IO), 1)
    waits(await b.enter({ token }))
    await a.leave()
    holds(await b.enter({ token }))
    held(await b.renew())
  })

  test('to revoke all also removes those who wait, and tells them why', ['revoke', 'queue'], async scene => {
    const store = await scene.store()
    const [a, b, c] = [visitor(scene, store, 'A'), visitor(scene, store, 'B'), visitor(scene, store, 'C')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    waits(await c.enter())
    assert.equal(await store.revoke(KEY, { tickets: 'all', reason: REASON, now: false }, IO), 3)
    for (const change of [{}, { token }]) {
      const entry = forbidden(await b.enter(change))
      assert.equal(entry.reason, 'revoked')
      assert.match(entry.message, /moved to the new cluster ✂/)
    }
    assert.equal((await store.inspect(KEY, IO))?.waiters.length, 0)
    assert.equal(lost(await a.renew()).reason, 'revoked')
    await a.leave()
    assert.equal(await store.inspect(KEY, IO), null)
  })

  test(
    'a number revokes the ticket whose block holds that token, and no other',
    ['revoke', 'queue', 'blocks'],
    async scene => {
      const store = await scene.store()
      const [a, b, c] = [
        visitor(scene, store, 'A', { tokens: 4 }),
        visitor(scene, store, 'B', { tokens: 4 }),
        visitor(scene, store, 'C', { tokens: 4 }),
      ]
      const first = holds(await a.enter()).token
      const { token } = waits(await b.enter())
      waits(await c.enter())
      assert.equal(await store.revoke(KEY, { tickets: token + 3, reason: REASON, now: false }, IO), 1)
      assert.equal(forbidden(await b.enter({ token })).reason, 'revoked')
      assert.equal(waits(await c.enter()).ahead, 1)
      held(await a.renew())
      assert.equal(await store.revoke(KEY, { tickets: first + 1, reason: REASON, now: false }, IO), 1)
      lost(await a.renew())
      waits(await c.enter())
    },
  )

  test('a token that nobody has revokes nobody', ['revoke', 'fencing'], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { token } = holds(await a.enter())
    for (const tickets of [token - 1, token + 1])
      assert.equal(await store.revoke(KEY, { tickets, reason: REASON, now: true }, IO), 0)
    held(await a.renew())
  })

  test('on a free key there is nothing to revoke', ['revoke'], async scene => {
    const store = await scene.store()
    for (const tickets of ['holders', 'all'] as const)
      assert.equal(await store.revoke(KEY, { tickets, reason: REASON, now: true }, IO), 0)
    holds(await visitor(scene, store, 'A').enter())
  })

  test('now takes a held ticket at once, and the one who lost it learns why', ['revoke'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B', { queue: false })]
    const { token } = holds(await a.enter())
    assert.equal(await store.revoke(KEY, { tickets: 'holders', reason: REASON, now: true }, IO), 1)
    const next = holds(await b.enter())
    if (store.traits.fencing) assert.ok(next.token > token)
    assert.equal(lost(await a.renew()).reason, 'revoked')
    assert.equal(forbidden(await a.enter({ token })).reason, 'revoked')
    assert.equal(await a.leave(), 'absent')
    held(await b.renew())
  })

  test('now lets the next in line hold, and names it', ['revoke', 'queue', 'listen'], async scene => {
    const store = await scene.store()
    const news = await listen(store)
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    waits(await visitor(scene, store, 'C').enter())
    assert.equal(await store.revoke(KEY, { tickets: 'holders', reason: REASON, now: true }, IO), 1)
    await namesExactly(scene, [news], news, [token])
    holds(await b.enter({ token }))
  })

  test('who was revoked is told, held or waiting, and nobody else', ['revoke', 'queue', 'listen'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const [news, others] = [await listen(here), await listen(there)]
    const held = holds(await visitor(scene, here, 'A').enter()).token
    const waiting = waits(await visitor(scene, there, 'B').enter()).token
    const spared = waits(await visitor(scene, here, 'C').enter()).token
    await there.revoke(KEY, { tickets: held, reason: REASON, now: false }, IO)
    await there.revoke(KEY, { tickets: waiting, reason: REASON, now: false }, IO)
    await until(scene, 'the holder is told', async () =>
      news.revoked.find(each => each.token === held && each.reason === REASON),
    )
    await until(scene, 'the waiter is told', async () =>
      others.revoked.find(each => each.token === waiting && each.reason === REASON),
    )
    assert.ok([...news.revoked, ...others.revoked].every(each => each.token !== spared))
  })

  test('who came again after its time had run out is told of its new ticket', ['revoke', 'listen'], async scene => {
    const store = await scene.store()
    const news = await listen(store)
    const a = visitor(scene, store, 'A', { ttlMs: scene.times.shortMs })
    const first = holds(await a.enter())
    await wait(first.leftMs + 1)
    // A store may let it live a little longer, and asking would prolong it.
    await gone(scene, store, a)
    const { token } = await until(scene, 'its first ticket is gone', async () => {
      const entry = holds(await a.enter({ ttlMs: scene.times.longMs }))
      return entry.token === first.token && store.traits.fencing ? null : entry
    })
    await store.revoke(KEY, { tickets: 'holders', reason: REASON, now: false }, IO)
    await until(scene, 'it is told', async () => news.revoked.find(each => each.token === token))
  })

  test('a revoked reader leaves the other readers alone', ['revoke', 'shared', 'fencing'], async scene => {
    const store = await scene.store()
    const [r1, r2] = [visitor(scene, store, 'R1', { mode: 'shared' }), visitor(scene, store, 'R2', { mode: 'shared' })]
    const { token } = holds(await r1.enter())
    holds(await r2.enter())
    assert.equal(await store.revoke(KEY, { tickets: token, reason: REASON, now: false }, IO), 1)
    assert.equal(lost(await r1.renew()).reason, 'revoked')
    held(await r2.renew())
  })

  test('a new attempt of one who was revoked is welcome', ['revoke'], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    holds(await a.enter())
    await store.revoke(KEY, { tickets: 'all', reason: REASON, now: true }, IO)
    holds(await visitor(scene, store, 'A').enter())
  })
}
