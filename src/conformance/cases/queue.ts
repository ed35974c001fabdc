/** Fairness: arrival order, no barging, and the dead delay nobody for long. */
import assert from 'node:assert/strict'
import {
  clock,
  comesToHold,
  gone,
  held,
  holds,
  IO,
  KEY,
  notBefore,
  refused,
  turn,
  until,
  visitor,
  waits,
} from '../scene.ts'
import type { Register } from '../suite.ts'

export function queueCases(test: Register): void {
  test('those who wait are served in the order of their arrival, over processes', ['queue'], async scene => {
    const stores = [await scene.store(), await scene.store(), await scene.store()]
    const line = Array.from({ length: 9 }, (_, index) => visitor(scene, turn(stores, index), `P${index}`))
    for (const [index, each] of line.entries()) {
      const entry = await each.enter()
      if (index === 0) holds(entry)
      else assert.equal(waits(entry).ahead, index)
    }
    for (const [index, each] of line.entries()) {
      assert.equal(holds(await each.enter()).waiters, line.length - index - 1)
      for (const behind of line.slice(index + 1)) waits(await behind.enter())
      assert.equal(await each.leave(), 'held')
    }
  })

  test('nobody who comes later gets in before the one who waits', ['queue'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    await a.leave()
    refused(await visitor(scene, store, 'late', { queue: false }).enter())
    waits(await visitor(scene, store, 'later').enter())
    assert.equal(holds(await b.enter({ token })).token, token)
  })

  test('after an expiry, too, the one who waits comes before the one who comes', ['queue'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A', { ttlMs: scene.times.shortMs }), visitor(scene, store, 'B')]
    holds(await a.enter())
    waits(await b.enter())
    await gone(scene, store, a)
    refused(await visitor(scene, store, 'late', { queue: false }).enter())
    holds(await b.enter())
  })

  test('a heartbeat does not cost the place', ['queue'], async scene => {
    const store = await scene.store()
    const [a, b, c] = [visitor(scene, store, 'A'), visitor(scene, store, 'B'), visitor(scene, store, 'C')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    assert.equal(waits(await c.enter()).ahead, 2)
    assert.equal(waits(await b.enter({ token })).ahead, 1)
    assert.equal(waits(await b.enter()).token, token)
    assert.equal(waits(await c.enter()).ahead, 2)
  })

  test('a dead waiter in front is dropped when its waiterTtl is over', ['queue'], async scene => {
    const store = await scene.store()
    const { shortMs } = scene.times
    const [a, dead, c] = [
      visitor(scene, store, 'A'),
      visitor(scene, store, 'dead', { waiterTtlMs: shortMs }),
      visitor(scene, store, 'C'),
    ]
    holds(await a.enter())
    const sentAt = clock.now()
    waits(await dead.enter())
    waits(await c.enter())
    await a.leave()
    await comesToHold(scene, c)
    assert.ok(
      clock.now() - sentAt >= notBefore(store, shortMs),
      `dropped after ${clock.now() - sentAt} ms of ${shortMs}`,
    )
  })

  test('who came to hold by a push and is dead costs its waiterTtl, not its ttl', ['queue'], async scene => {
    const store = await scene.store()
    const [a, dead, c] = [
      visitor(scene, store, 'A'),
      visitor(scene, store, 'dead', { waiterTtlMs: scene.times.steadyMs }),
      visitor(scene, store, 'C'),
    ]
    holds(await a.enter())
    waits(await dead.enter())
    waits(await c.enter())
    await a.leave()
    assert.equal((await store.inspect(KEY, IO))?.holders[0]?.holder, 'dead')
    await comesToHold(scene, c)
  })

  test('who came to hold by a push may renew to the full ttl without entering again', ['queue'], async scene => {
    const store = await scene.store()
    const { steadyMs, longMs } = scene.times
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B', { waiterTtlMs: steadyMs })]
    holds(await a.enter())
    waits(await b.enter())
    await a.leave()
    const renewal = await b.renew(longMs)
    assert.equal(renewal.status, 'held')
    assert.ok(((await store.inspect(KEY, IO))?.holders[0]?.leftMs ?? 0) > steadyMs)
  })

  test('dead waiters one behind the other cost the last of their lives, not their sum', ['queue'], async scene => {
    const store = await scene.store()
    const { shortMs } = scene.times
    const sentAt = clock.now()
    holds(await visitor(scene, store, 'A', { ttlMs: shortMs }).enter())
    for (const life of [2, 3, 4])
      await visitor(scene, store, `dead ${life}`, { ttlMs: life * shortMs, waiterTtlMs: life * shortMs }).enter()
    await visitor(scene, store, 'alive').enter()
    const fronts: string[] = []
    await until(scene, 'who is alive comes to hold', async () => {
      const front = (await store.inspect(KEY, IO))?.holders[0]?.holder ?? 'nobody'
      if (fronts.at(-1) !== front) fronts.push(front)
      return front === 'alive'
    })
    const tookMs = clock.now() - sentAt
    assert.ok(tookMs >= notBefore(store, 4 * shortMs), `came in after ${tookMs} ms`)
    const all = ['A', 'dead 2', 'dead 3', 'dead 4', 'alive']
    assert.deepEqual(
      fronts,
      all.filter(name => fronts.includes(name)),
      'each comes to hold in its turn',
    )
  })

  test('when the waiter in front leaves, the next waits on for the holder', ['queue'], async scene => {
    const store = await scene.store()
    const [a, b, c] = [visitor(scene, store, 'A'), visitor(scene, store, 'B'), visitor(scene, store, 'C')]
    holds(await a.enter())
    waits(await b.enter())
    waits(await c.enter())
    assert.equal(await b.leave(), 'waiting')
    assert.equal(waits(await c.enter()).ahead, 1)
    assert.deepEqual(
      (await store.inspect(KEY, IO))?.holders.map(ticket => ticket.holder),
      ['A'],
    )
    held(await a.renew())
    await a.leave()
    holds(await c.enter())
  })

  test(
    'a waiter is told to come again in time, and at the next expiry only if that lets it hold',
    ['queue'],
    async scene => {
      const store = await scene.store()
      const { longMs } = scene.times
      const ttlMs = longMs / 10
      const [a, b, c] = [visitor(scene, store, 'A', { ttlMs }), visitor(scene, store, 'B'), visitor(scene, store, 'C')]
      holds(await a.enter())
      const [next, other] = [waits(await b.enter()), waits(await c.enter())]
      assert.ok(
        next.retryMs > 0 && next.retryMs <= ttlMs,
        `the next in line is to come again after ${next.retryMs} ms; the holder has at most ${ttlMs}`,
      )
      assert.ok(
        other.retryMs > ttlMs && other.retryMs < longMs,
        `the one behind is to come again after ${other.retryMs} ms`,
      )
    },
  )

  test('everybody in the queue holds once, alone, and nothing is left', ['queue'], async scene => {
    const stores = [await scene.store(), await scene.store()] as const
    let inside = 0
    let most = 0
    const tokens: number[] = []
    const work = Array.from({ length: 10 }, async (_, index) => {
      const each = visitor(scene, turn(stores, index), `P${index}`)
      const { token } = await until(scene, `P${index} comes to hold`, async () => {
        const entry = await each.enter()
        return entry.status === 'holds' && entry
      })
      tokens.push(token)
      inside += 1
      most = Math.max(most, inside)
      await Promise.resolve()
      inside -= 1
      assert.equal(await each.leave(), 'held')
    })
    await Promise.all(work)
    assert.equal(most, 1)
    if (stores[0].traits.fencing)
      assert.deepEqual(
        tokens,
        tokens.toSorted((a, b) => a - b),
      )
    assert.equal(await stores[0].inspect(KEY, IO), null)
  })
}
