/**
 * Leaving: release and cancel in one verb, tickets that stay when their owner has left, and ids that may not come back.
 */
import assert from 'node:assert/strict'
import {
  clock,
  comesToHold,
  forbidden,
  held,
  holds,
  IO,
  isGone,
  KEY,
  lost,
  notBefore,
  refused,
  visitor,
  wait,
  waits,
} from '../scene.ts'
import type { Register } from '../suite.ts'

export function leavingCases(test: Register): void {
  test('a release frees the lock at once, and only the first counts', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const a = visitor(scene, here, 'A')
    holds(await a.enter())
    assert.equal(await a.leave(), 'held')
    holds(await visitor(scene, there, 'B', { queue: false }).enter())
    assert.equal(await a.leave(), 'absent')
    refused(await visitor(scene, there, 'C', { queue: false }).enter())
  })

  test('a stranger releases nothing', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    holds(await a.enter())
    assert.equal(await visitor(scene, store, 'A').leave({ forbidMs: scene.times.longMs }), 'absent')
    held(await a.renew())
  })

  test('after takeover the stale release of the first owner harms nobody', [], async scene => {
    const store = await scene.store()
    const [a, b] = [
      visitor(scene, store, 'A', { ttlMs: scene.times.tinyMs }),
      visitor(scene, store, 'B', { queue: false }),
    ]
    holds(await a.enter())
    await comesToHold(scene, b)
    assert.equal(await a.leave(), 'absent')
    assert.equal(await a.leave({ keepMs: scene.times.longMs }), 'absent')
    held(await b.renew())
    refused(await visitor(scene, store, 'C', { queue: false }).enter())
  })

  test('who cancels its wait moves the others up', ['queue'], async scene => {
    const store = await scene.store()
    const [a, b, c] = [visitor(scene, store, 'A'), visitor(scene, store, 'B'), visitor(scene, store, 'C')]
    holds(await a.enter())
    waits(await b.enter())
    assert.equal(waits(await c.enter()).ahead, 2)
    assert.equal(await b.leave({ forbidMs: scene.times.longMs }), 'waiting')
    assert.equal(waits(await c.enter()).ahead, 1)
    await a.leave()
    holds(await c.enter())
  })

  test('an id that was left may not take the lock by a request still under way', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const a = visitor(scene, here, 'A')
    assert.equal(await a.leave({ forbidMs: scene.times.longMs }), 'absent')
    assert.equal(forbidden(await visitor(scene, there, 'A', { id: a.id }).enter()).reason, 'left')
    assert.equal(await here.inspect(KEY, IO), null)
  })

  test('a late heartbeat after the release takes the lock for nobody', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { token } = holds(await a.enter())
    assert.equal(await a.leave({ forbidMs: scene.times.longMs }), 'held')
    for (const late of [{}, { token }]) assert.equal(forbidden(await a.enter(late)).reason, 'left')
    lost(await a.renew())
    assert.equal(await store.inspect(KEY, IO), null)
  })

  test('a refresh that comes after the release finds nothing, even where the id is not forbidden', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { token } = holds(await a.enter())
    await a.leave()
    isGone(await a.enter({ token }))
    lost(await a.renew())
    assert.equal(await store.inspect(KEY, IO), null)
  })

  test('a forbidden id does not keep others out', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    holds(await a.enter())
    await a.leave({ forbidMs: scene.times.longMs })
    holds(await visitor(scene, store, 'B', { queue: false }).enter())
    forbidden(await a.enter())
  })

  test('an id is forbidden for as long as asked, and not before', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { shortMs } = scene.times
    const sentAt = clock.now()
    await a.leave({ forbidMs: shortMs })
    await comesToHold(scene, a)
    const tookMs = clock.now() - sentAt
    assert.ok(tookMs >= notBefore(store, shortMs), `forbidden for ${tookMs} ms of ${shortMs}`)
  })

  test('a kept ticket holds on after its owner has left, for as long as asked', ['keep'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const [a, b] = [visitor(scene, here, 'A'), visitor(scene, there, 'B', { queue: false })]
    const { shortMs } = scene.times
    holds(await a.enter())
    const leftAt = clock.now()
    assert.equal(await a.leave({ keepMs: shortMs }), 'held')
    await comesToHold(scene, b)
    const tookMs = clock.now() - leftAt
    assert.ok(tookMs >= notBefore(here, shortMs), `kept for ${tookMs} ms of ${shortMs}`)
  })

  test('a kept ticket can be neither renewed, nor left again, nor taken up again', ['keep'], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { shortMs, longMs } = scene.times
    const { token } = holds(await a.enter())
    assert.equal(await a.leave({ keepMs: longMs }), 'held')
    lost(await a.renew())
    for (const late of [{}, { token }]) assert.equal(forbidden(await a.enter(late)).reason, 'left')
    for (const keepMs of [0, shortMs]) assert.equal(await a.leave({ keepMs }), 'absent')
    await wait(shortMs)
    const { holders } = refused(await visitor(scene, store, 'B', { queue: false }).enter())
    assert.equal(holders[0]?.holder, 'A')
  })

  test(
    'a kept ticket of a long lease ends when it was told to, and who waits comes next',
    ['keep', 'queue'],
    async scene => {
      const store = await scene.store()
      const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B')]
      holds(await a.enter())
      waits(await b.enter())
      const { shortMs, longMs } = scene.times
      const leftAt = clock.now()
      assert.equal(await a.leave({ keepMs: shortMs, forbidMs: longMs }), 'held')
      await comesToHold(scene, b)
      const tookMs = clock.now() - leftAt
      assert.ok(tookMs >= notBefore(store, shortMs), `kept for ${tookMs} ms of ${shortMs}`)
    },
  )

  test('a ticket that only waits is not kept', ['keep', 'queue'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B')]
    holds(await a.enter())
    waits(await b.enter())
    assert.equal(await b.leave({ keepMs: scene.times.longMs }), 'waiting')
    await a.leave()
    assert.equal(await store.inspect(KEY, IO), null)
  })
}
