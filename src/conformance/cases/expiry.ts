/** Time: what a ticket lives, what prolongs it, and that the dead stay dead. */
import assert from 'node:assert/strict'
import {
  clock,
  comesToHold,
  gone,
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
import type { Scene } from '../scene.ts'
import type { Store } from '../../store/contract.ts'
import type { Register } from '../suite.ts'

export function expiryCases(test: Register): void {
  test('a lease that nobody renews is free for the next, but not before its ttl is over', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    await takenOverInTime(scene, here, there, scene.times.shortMs)
  })

  test('a tiny ttl is kept as exactly', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    await takenOverInTime(scene, here, there, scene.times.tinyMs)
  })

  test('an expired ticket is not brought back by a late heartbeat', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A', { ttlMs: scene.times.shortMs })
    const { token } = holds(await a.enter())
    await gone(scene, store, a)
    isGone(await a.enter({ token, ttlMs: scene.times.longMs }))
    assert.equal(await store.inspect(KEY, IO), null)
    holds(await visitor(scene, store, 'B', { queue: false }).enter())
  })

  test('an expired ticket is not brought back by a late renewal', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A', { ttlMs: scene.times.shortMs })
    holds(await a.enter())
    await gone(scene, store, a)
    assert.equal(lost(await a.renew(scene.times.longMs)).reason, 'gone')
    assert.equal(await store.inspect(KEY, IO), null)
    holds(await visitor(scene, store, 'B', { queue: false }).enter())
  })

  test(
    'an expired waiter is not brought back by a late heartbeat, so it holds nothing when the holder leaves',
    ['queue'],
    async scene => {
      const store = await scene.store()
      const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B', { waiterTtlMs: scene.times.shortMs })]
      holds(await a.enter())
      const { token } = waits(await b.enter())
      await gone(scene, store, b)
      await a.leave()
      isGone(await b.enter({ token }))
      assert.equal(await store.inspect(KEY, IO), null)
    },
  )

  test('a lost holder can neither renew, nor come back, nor release its successor', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const [a, b] = [
      visitor(scene, here, 'A', { ttlMs: scene.times.shortMs }),
      visitor(scene, there, 'B', { queue: false }),
    ]
    const { token } = holds(await a.enter())
    await comesToHold(scene, b)
    assert.equal(lost(await a.renew()).reason, 'gone')
    isGone(await a.enter({ token }))
    assert.equal(await a.leave({ forbidMs: scene.times.longMs }), 'absent')
    held(await b.renew())
    assert.deepEqual(
      (await here.inspect(KEY, IO))?.holders.map(ticket => ticket.holder),
      ['B'],
    )
  })

  test('a renewal keeps the lease beyond its first ttl', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A', { ttlMs: scene.times.steadyMs })
    holds(await a.enter())
    const { leftMs } = held(await a.renew(scene.times.longMs))
    assert.ok(leftMs > scene.times.steadyMs && leftMs <= scene.times.longMs, `leftMs is ${leftMs}`)
    await wait(scene.times.steadyMs * 1.5)
    held(await a.renew(scene.times.longMs))
    refused(await visitor(scene, store, 'B', { queue: false }).enter())
  })

  test('a holder that enters again with its token is prolonged, and keeps token and place', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A', { ttlMs: scene.times.steadyMs })
    const { token } = holds(await a.enter())
    assert.equal(holds(await a.enter({ token, ttlMs: scene.times.longMs })).token, token)
    await wait(scene.times.steadyMs * 1.5)
    held(await a.renew())
  })

  test('a short renewal does not shorten the lease', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const { steadyMs, tinyMs } = scene.times
    const a = visitor(scene, here, 'A', { ttlMs: steadyMs })
    const sentAt = clock.now()
    holds(await a.enter())
    const { leftMs } = held(await a.renew(tinyMs))
    assert.ok(leftMs <= tinyMs, `leftMs is ${leftMs}, more than the ttl asked for`)
    await comesToHold(scene, visitor(scene, there, 'B', { queue: false }))
    assert.ok(
      clock.now() - sentAt >= notBefore(here, steadyMs),
      `taken over after ${clock.now() - sentAt} ms of ${steadyMs}`,
    )
  })

  test('a short heartbeat does not shorten the life of one who waits', ['queue'], async scene => {
    const store = await scene.store()
    holds(await visitor(scene, store, 'A').enter())
    const b = visitor(scene, store, 'B')
    waits(await b.enter())
    waits(await b.enter({ waiterTtlMs: scene.times.tinyMs }))
    await wait(scene.times.shortMs)
    assert.equal((await store.inspect(KEY, IO))?.waiters.length, 1)
  })

  test('who waited and now holds costs its ttl when it is dead, not its waiting life', ['queue'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    for (const first of ['renewal', 'enter'] as const) {
      const key = `after ${first}`
      const [a, b, c] = [
        visitor(scene, here, 'A', { key }),
        visitor(scene, there, 'B', { key, ttlMs: scene.times.shortMs }),
        visitor(scene, here, 'C', { key, queue: false }),
      ]
      holds(await a.enter())
      const { token } = waits(await b.enter())
      await a.leave()
      const sentAt = clock.now()
      if (first === 'renewal') held(await b.renew())
      else holds(await b.enter({ token }))
      await comesToHold(scene, c)
      const tookMs = clock.now() - sentAt
      assert.ok(tookMs >= notBefore(here, scene.times.shortMs), `taken over after ${tookMs} ms`)
    }
  })

  test(
    'a first renewal shorter than the ttl asked for does not shorten what follows a wait',
    ['queue'],
    async scene => {
      const [here, there] = [await scene.store(), await scene.store()]
      const { steadyMs, tinyMs } = scene.times
      const [a, b] = [visitor(scene, here, 'A'), visitor(scene, there, 'B', { ttlMs: steadyMs })]
      holds(await a.enter())
      waits(await b.enter())
      await a.leave()
      const sentAt = clock.now()
      held(await b.renew(tinyMs))
      await comesToHold(scene, visitor(scene, here, 'C', { queue: false }))
      const tookMs = clock.now() - sentAt
      assert.ok(tookMs >= notBefore(here, steadyMs), `taken over after ${tookMs} ms of ${steadyMs}`)
    },
  )

  test('nobody has more time left than the ttl asked for', [], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { shortMs, longMs } = scene.times
    assert.ok(holds(await a.enter()).leftMs <= longMs)
    assert.ok(holds(await a.enter({ ttlMs: shortMs })).leftMs <= shortMs)
    assert.ok(held(await a.renew(shortMs)).leftMs <= shortMs)
    assert.ok(((await store.inspect(KEY, IO))?.holders[0]?.leftMs ?? Infinity) <= longMs)
  })

  test('who waits lives for waiterTtl, and a heartbeat keeps it alive', ['queue'], async scene => {
    const store = await scene.store()
    const { longMs, steadyMs, shortMs } = scene.times
    const [dead, alive] = [
      visitor(scene, store, 'dead', { waiterTtlMs: shortMs }),
      visitor(scene, store, 'alive', { waiterTtlMs: steadyMs }),
    ]
    holds(await visitor(scene, store, 'A').enter())
    assert.ok(waits(await dead.enter()).leftMs <= shortMs)
    const { token } = waits(await alive.enter())
    waits(await alive.enter({ token, waiterTtlMs: longMs }))
    await gone(scene, store, dead)
    await wait(steadyMs)
    assert.equal(waits(await alive.enter({ token })).ahead, 1)
  })

  test(
    'many leases are renewed in one call, answered in order, and one that is lost harms no other',
    [],
    async scene => {
      const store = await scene.store()
      const all = Array.from({ length: 256 }, (_, index) =>
        visitor(scene, store, `H${index}`, { key: `many:${String(index).padStart(3, '0')}` }),
      )
      const alive = all.filter((_, index) => index % 7 !== 3)
      await Promise.all(alive.map(async each => holds(await each.enter())))
      const answers = await store.renew(
        all.map(each => ({ key: each.request.key, id: each.id, ttlMs: scene.times.longMs })),
        IO,
      )
      assert.deepEqual(
        answers.map(answer => answer.status),
        all.map(each => (alive.includes(each) ? 'held' : 'lost')),
      )
      assert.deepEqual(await store.renew([], IO), [])
    },
  )

  test(
    'a dead reader with a long life keeps the writer out, one with a short life does not',
    ['queue', 'shared'],
    async scene => {
      const store = await scene.store()
      const { shortMs } = scene.times
      const writer = visitor(scene, store, 'W')
      const sentAt = clock.now()
      holds(await visitor(scene, store, 'long', { mode: 'shared', ttlMs: 3 * shortMs }).enter())
      holds(await visitor(scene, store, 'short', { mode: 'shared', ttlMs: shortMs }).enter())
      waits(await writer.enter())
      await comesToHold(scene, writer)
      const tookMs = clock.now() - sentAt
      assert.ok(tookMs >= notBefore(store, 3 * shortMs), `came in after ${tookMs} ms of ${3 * shortMs}`)
    },
  )

  test('of many processes with short lives no two believe at once that they hold', [], async scene => {
    const stores = await Promise.all(Array.from({ length: 6 }, () => scene.store()))
    const { shortMs, patienceMs } = scene.times
    const beliefs: { readonly from: number; to: number; readonly token: number }[] = []
    const [end, latest] = [clock.now() + 10 * shortMs, clock.now() + patienceMs]
    // On a machine that is slow for a while the answers come when the lives that they tell of are over.
    const goesOn = (): boolean => clock.now() < end || (beliefs.length < 2 && clock.now() < latest)
    const work = stores.map(async (store, index) => {
      for (let round = 0; goesOn(); round += 1) {
        const each = visitor(scene, store, `P${index}`, { ttlMs: shortMs, waiterTtlMs: shortMs })
        let sentAt = clock.now()
        let entry = await each.enter()
        while (entry.status !== 'holds' && goesOn()) {
          await wait(2)
          sentAt = clock.now()
          entry = await each.enter()
        }
        if (entry.status !== 'holds') break
        // The window is what was given, not what was asked for.
        const belief = { from: clock.now(), to: sentAt + notBefore(store, entry.leftMs), token: entry.token }
        if (belief.to > belief.from) beliefs.push(belief)
        await wait(round % 3)
        belief.to = Math.min(belief.to, clock.now())
        // Every third dies where it stands.
        if ((round + index) % 3 !== 0) await each.leave()
      }
    })
    await Promise.all(work)
    const inOrder = beliefs.toSorted((a, b) => a.from - b.from)
    for (const [index, belief] of inOrder.entries()) {
      const before = inOrder[index - 1]
      if (before === undefined) continue
      assert.ok(before.to <= belief.from, `two believed at once, for ${before.to - belief.from} ms`)
      if (stores[0]?.traits.fencing === true) assert.ok(before.token < belief.token, 'tokens grow')
    }
    assert.ok(beliefs.length > 1, `only ${beliefs.length} ever held`)
  })

  test('a renewal takes nothing that it does not hold', ['queue'], async scene => {
    const store = await scene.store()
    const [a, b, stranger] = [visitor(scene, store, 'A'), visitor(scene, store, 'B'), visitor(scene, store, 'stranger')]
    lost(await stranger.renew())
    assert.equal(await store.inspect(KEY, IO), null)
    holds(await a.enter())
    waits(await b.enter())
    lost(await b.renew())
    waits(await b.enter())
  })
}

async function takenOverInTime(scene: Scene, here: Store, there: Store, ttlMs: number): Promise<void> {
  const sentAt = clock.now()
  holds(await visitor(scene, here, 'A', { ttlMs }).enter())
  await comesToHold(scene, visitor(scene, there, 'B', { queue: false }))
  const tookMs = clock.now() - sentAt
  assert.ok(tookMs >= notBefore(here, ttlMs), `taken over after ${tookMs} ms of ${ttlMs}`)
}
