/** Tokens: they grow, whatever happens in between, and no two tickets share one. */
import assert from 'node:assert/strict'
import { assertGrow, comesToHold, gone, holds, IO, KEY, refused, visitor, waits } from '../scene.ts'
import type { Register } from '../suite.ts'

export function tokenCases(test: Register): void {
  test('a token is a safe integer above zero, or zero where the store gives none', [], async scene => {
    const store = await scene.store()
    const { token } = holds(await visitor(scene, store, 'A').enter())
    if (!store.traits.fencing) return assert.equal(token, 0)
    assert.ok(Number.isSafeInteger(token) && token > 0, `the token is ${token}`)
  })

  test('the token grows after a release, from whatever process', ['fencing'], async scene => {
    const stores = [await scene.store(), await scene.store()]
    const tokens: number[] = []
    for (let round = 0; round < 6; round += 1) {
      for (const store of stores) {
        const each = visitor(scene, store, `P${round}`)
        tokens.push(holds(await each.enter()).token)
        assert.equal(await each.leave({ forbidMs: round % 2 === 0 ? 0 : scene.times.longMs }), 'held')
      }
    }
    assertGrow(tokens)
  })

  test('the token grows after an expiry', ['fencing'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A', { ttlMs: scene.times.tinyMs }), visitor(scene, store, 'B')]
    const first = holds(await a.enter()).token
    await gone(scene, store, a)
    assertGrow([first, (await comesToHold(scene, b)).token])
  })

  test('a retry gets the token of the first try, another id never', ['fencing'], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { token } = holds(await a.enter())
    assert.equal(holds(await a.enter()).token, token)
    await a.leave()
    assert.ok(holds(await visitor(scene, store, 'A').enter()).token > token)
  })

  test('who enters again after its ticket has expired starts anew, with a greater token', ['fencing'], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A', { ttlMs: scene.times.tinyMs })
    const { token } = holds(await a.enter())
    await gone(scene, store, a)
    assert.ok((await comesToHold(scene, a, { ttlMs: scene.times.longMs })).token > token)
  })

  test(
    'the tokens of those who wait grow in the order in which they will be served',
    ['fencing', 'queue'],
    async scene => {
      const [here, there] = [await scene.store(), await scene.store()]
      const crowd = Array.from({ length: 12 }, (_, index) =>
        visitor(scene, index % 2 === 0 ? here : there, `P${index}`),
      )
      await Promise.all(crowd.map(each => each.enter()))
      const lock = await here.inspect(KEY, IO)
      const tokens = [...(lock?.holders ?? []), ...(lock?.waiters ?? [])].map(ticket => ticket.token)
      assert.equal(tokens.length, crowd.length)
      assertGrow(tokens)
      assert.equal(lock?.token, tokens.at(-1))
    },
  )

  test('the blocks of successive tickets never overlap', ['blocks'], async scene => {
    const store = await scene.store()
    const most = Math.min(store.traits.maxTokens, 1_000)
    let end = 0
    for (const tokens of [most, 1, 2, most, most, 1]) {
      const each = visitor(scene, store, 'A', { tokens })
      const { token } = holds(await each.enter())
      assert.ok(token >= end, `the block of ${tokens} begins at ${token}, but the one before it ended at ${end}`)
      assert.equal((await store.inspect(KEY, IO))?.holders[0]?.tokens, tokens)
      end = token + tokens
      await each.leave()
    }
  })

  test('the blocks of tickets that wait or hold together never overlap either', ['blocks', 'queue'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const most = Math.min(here.traits.maxTokens, 32)
    const crowd = Array.from({ length: 8 }, (_, index) =>
      visitor(scene, index % 2 === 0 ? here : there, `P${index}`, { tokens: most }),
    )
    await Promise.all(crowd.map(each => each.enter()))
    const lock = await here.inspect(KEY, IO)
    let end = 0
    for (const ticket of [...(lock?.holders ?? []), ...(lock?.waiters ?? [])]) {
      assert.ok(ticket.token >= end, `the block at ${ticket.token} overlaps the one before it, which ended at ${end}`)
      end = ticket.token + ticket.tokens
    }
  })

  test('a ticket that waits may hold with the block it got on entering', ['blocks', 'queue'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A', { tokens: 8 }), visitor(scene, store, 'B', { tokens: 8 })]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    await a.leave()
    assert.equal(holds(await b.enter({ token })).token, token)
  })

  test('the token grows over a restart of the store', ['fencing', 'restart'], async scene => {
    const before = visitor(scene, await scene.store(), 'A')
    const { token } = holds(await before.enter())
    await before.leave()
    await scene.closeAll()
    await scene.hooks.restart?.()
    assert.ok((await comesToHold(scene, visitor(scene, await scene.store(), 'B'))).token > token)
  })

  test('the token grows even if the store has lost all its data', ['fencing', 'wipe'], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { token } = holds(await a.enter())
    await scene.hooks.wipe?.(scene.storage)
    assert.ok((await comesToHold(scene, visitor(scene, store, 'B'))).token > token)
    assert.equal((await a.renew()).status, 'lost')
  })

  test('a lease outlives a restart', ['durable', 'restart'], async scene => {
    const store = await scene.store()
    const a = visitor(scene, store, 'A')
    const { token } = holds(await a.enter())
    await scene.closeAll()
    await scene.hooks.restart?.()
    const back = await scene.store()
    refused(await visitor(scene, back, 'B', { queue: false }).enter())
    const again = visitor(scene, back, 'A', { id: a.id })
    assert.equal(holds(await again.enter({ token })).token, token)
  })
}
