/** Who holds: the rule as a store must say it. */
import assert from 'node:assert/strict'
import type { Mode } from '../../store/contract.ts'
import { holding } from '../../store/queue.ts'
import { held, holds, IO, KEY, refused, visitor, wait, waits } from '../scene.ts'
import type { Register } from '../suite.ts'

export function holdingCases(test: Register): void {
  test('a free lock is held by the first who enters', [], async scene => {
    const store = await scene.store()
    const entry = holds(await visitor(scene, store, 'A').enter())
    assert.equal(entry.waiters, 0)
    assert.ok(entry.leftMs > 0 && entry.leftMs <= scene.times.longMs, `leftMs is ${entry.leftMs}`)
  })

  test('while one holds, another process is refused and told by whom', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    holds(await visitor(scene, here, 'A').enter())
    const entry = refused(await visitor(scene, there, 'B', { queue: false }).enter())
    assert.deepEqual(
      entry.holders.map(ticket => ticket.holder),
      ['A'],
    )
    assert.ok(entry.retryMs > 0 && entry.retryMs <= scene.times.longMs, `retryMs is ${entry.retryMs}`)
  })

  test('who was refused leaves nothing behind', [], async scene => {
    const store = await scene.store()
    const [a, b, c] = [
      visitor(scene, store, 'A'),
      visitor(scene, store, 'B', { queue: false }),
      visitor(scene, store, 'C', { queue: false }),
    ]
    holds(await a.enter())
    refused(await b.enter())
    assert.deepEqual((await store.inspect(KEY, IO))?.waiters, [])
    assert.equal(await b.leave(), 'absent')
    assert.equal(await a.leave(), 'held')
    holds(await c.enter())
  })

  test('of many who enter at the same moment exactly one holds', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const crowd = Array.from({ length: 16 }, (_, index) => visitor(scene, index % 2 === 0 ? here : there, `P${index}`))
    const entries = await Promise.all(crowd.map(each => each.enter()))
    assert.equal(entries.filter(entry => entry.status === 'holds').length, 1)
    assert.equal((await here.inspect(KEY, IO))?.holders.length, 1)
  })

  test('of many who leave at the same moment nobody stays', ['queue'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const crowd = Array.from({ length: 12 }, (_, index) => visitor(scene, index % 2 === 0 ? here : there, `P${index}`))
    for (const each of crowd) await each.enter()
    const left = await Promise.all(crowd.map(each => each.leave()))
    assert.deepEqual(left.includes('absent'), false)
    assert.equal(await here.inspect(KEY, IO), null)
  })

  test('many who renew at the same moment are all prolonged', ['shared'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const { steadyMs, longMs } = scene.times
    const crowd = Array.from({ length: 8 }, (_, index) =>
      visitor(scene, index % 2 === 0 ? here : there, `P${index}`, { mode: 'shared', ttlMs: 2 * steadyMs }),
    )
    for (const entry of await Promise.all(crowd.map(each => each.enter()))) holds(entry)
    for (const renewal of await Promise.all(crowd.map(each => each.renew(longMs)))) held(renewal)
    await wait(2.5 * steadyMs)
    assert.equal((await here.inspect(KEY, IO))?.holders.length, crowd.length)
  })

  test('two keys know nothing of each other', [], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A', { key: 'one' }), visitor(scene, store, 'B', { key: 'two' })]
    holds(await a.enter())
    holds(await b.enter())
    assert.equal(await a.leave(), 'held')
    assert.equal((await store.inspect('two', IO))?.holders[0]?.holder, 'B')
  })

  test('shared tickets hold together, and keep a writer out', ['shared'], async scene => {
    const store = await scene.store()
    const readers = ['R1', 'R2', 'R3'].map(name => visitor(scene, store, name, { mode: 'shared' }))
    for (const reader of readers) holds(await reader.enter())
    refused(await visitor(scene, store, 'W', { queue: false }).enter())
    for (const reader of readers) assert.equal(await reader.leave(), 'held')
    holds(await visitor(scene, store, 'W', { queue: false }).enter())
    refused(await visitor(scene, store, 'R4', { mode: 'shared', queue: false }).enter())
  })

  test('as many hold a semaphore as its limit says, no more and no fewer', ['limit'], async scene => {
    const store = await scene.store()
    const permit = { mode: 'shared', limit: 3, queue: false } as const
    const [a, b, c, d] = [
      visitor(scene, store, 'A', permit),
      visitor(scene, store, 'B', permit),
      visitor(scene, store, 'C', permit),
      visitor(scene, store, 'D', permit),
    ]
    for (const each of [a, b, c]) holds(await each.enter())
    refused(await d.enter())
    assert.equal(await b.leave(), 'held')
    holds(await d.enter())
    refused(await visitor(scene, store, 'E', permit).enter())
  })

  test('a writer that waits is not overtaken by readers', ['queue', 'shared'], async scene => {
    const store = await scene.store()
    const [early, writer, late] = [
      visitor(scene, store, 'R1', { mode: 'shared' }),
      visitor(scene, store, 'W'),
      visitor(scene, store, 'R2', { mode: 'shared' }),
    ]
    holds(await early.enter())
    waits(await writer.enter())
    waits(await late.enter())
    refused(await visitor(scene, store, 'R3', { mode: 'shared', queue: false }).enter())
    await early.leave()
    holds(await writer.enter())
    waits(await late.enter())
    await writer.leave()
    holds(await late.enter())
  })

  test('a limit may be as great as numbers go', ['limit'], async scene => {
    const store = await scene.store()
    for (const limit of [2 ** 31 - 1, Number.MAX_SAFE_INTEGER]) {
      const key = `limit ${limit}`
      for (const name of ['A', 'B']) holds(await visitor(scene, store, name, { key, mode: 'shared', limit }).enter())
      assert.deepEqual(
        (await store.inspect(key, IO))?.holders.map(ticket => ticket.limit),
        [limit, limit],
      )
    }
  })

  test('readers-writer queues are served by the rule, ticket by ticket', ['queue', 'shared'], async scene => {
    for (const [index, queue] of ['rrwr', 'wrrw', 'rwrw', 'rrrr', 'wwrr'].entries())
      await servesByTheRule(scene, `rw${index}`, queue)
  })

  test(
    'mixed limits in one queue are served by the rule, ticket by ticket',
    ['queue', 'shared', 'limit'],
    async scene => {
      for (const [index, queue] of ['222r', 'r2r3', '1r23', '32w2', 'rr2r', '3331r', 'w12r'].entries())
        await servesByTheRule(scene, `limits${index}`, queue)
    },
  )
}

/**
 * Lets tickets enter as spelled (w: exclusive, r: shared, digit: shared with that limit), then takes them out from the
 * front, and compares each state with the rule.
 */
async function servesByTheRule(
  scene: Parameters<Parameters<Register>[2]>[0],
  key: string,
  spelled: string,
): Promise<void> {
  const store = await scene.store()
  const tickets = [...spelled].map((letter, index) => {
    const mode: Mode = letter === 'w' ? 'exclusive' : 'shared'
    return visitor(scene, store, `${letter}${index}`, { key, mode, limit: /\d/.test(letter) ? Number(letter) : null })
  })
  for (const [index, ticket] of tickets.entries()) {
    const expected = holding(tickets.slice(0, index + 1).map(each => each.request)) > index ? 'holds' : 'waits'
    assert.equal((await ticket.enter()).status, expected, `ticket ${index} of ${spelled} on entering`)
  }
  for (let first = 0; first < tickets.length; first += 1) {
    const left = tickets.slice(first)
    const count = holding(left.map(each => each.request))
    const lock = await store.inspect(key, IO)
    const names = left.map(each => each.request.holder)
    assert.deepEqual(
      lock?.holders.map(ticket => ticket.holder),
      names.slice(0, count),
      `holders of ${spelled} when ${first} have left`,
    )
    assert.deepEqual(
      lock?.waiters.map(ticket => ticket.holder),
      names.slice(count),
      `waiters of ${spelled} when ${first} have left`,
    )
    assert.equal(await left[0]?.leave(), 'held')
  }
  assert.equal(await store.inspect(key, IO), null)
}
