/** Pushes: they name those who hold, nobody else, and cost nobody anything when they are lost. */
import assert from 'node:assert/strict'
import type { Store } from '../../store/contract.ts'
import { gone, holds, IO, KEY, refused, until, visitor, wait, waits } from '../scene.ts'
import type { Scene } from '../scene.ts'
import type { Register } from '../suite.ts'

interface News {
  /** Every token named so far, in order. */
  readonly holds: number[]
  readonly revoked: { readonly token: number; readonly reason: string }[]
  stop(): Promise<void>
}

/** Listens as one process does; a key other than the case's must never be named. */
export async function listen(store: Store): Promise<News> {
  const news = { holds: new Array<number>(), revoked: new Array<{ token: number; reason: string }>() }
  const listening = await store.listen?.({
    holds(key, tokens) {
      if (key === KEY) news.holds.push(...tokens)
      else news.holds.push(Number.NaN)
    },
    revoked(key, token, reason) {
      news.revoked.push(key === KEY ? { token, reason } : { token: Number.NaN, reason: `of another key: ${key}` })
    },
    gap() {},
  })
  return { ...news, stop: async () => listening?.[Symbol.asyncDispose]() }
}

/**
 * Waits until `own` has named every token, then a little longer: nothing else may come, to anybody, but what was named
 * `before`.
 */
export async function namesExactly(
  scene: Scene,
  news: readonly News[],
  own: News,
  tokens: readonly number[],
  before: readonly number[] = [],
): Promise<void> {
  await until(scene, `a push names ${tokens.join(', ')}`, async () => tokens.every(token => own.holds.includes(token)))
  await wait(scene.times.tinyMs)
  for (const each of news) {
    const others = each.holds.filter(token => !tokens.includes(token) && !before.includes(token))
    assert.deepEqual(others, [], 'a push named tokens that do not hold')
  }
}

export function pushCases(test: Register): void {
  test('a release names the next in line, and nobody else', ['queue', 'listen'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const news = [await listen(here), await listen(there)] as const
    const [a, b, c] = [visitor(scene, here, 'A'), visitor(scene, there, 'B'), visitor(scene, here, 'C')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    const last = waits(await c.enter()).token
    await a.leave()
    await namesExactly(scene, news, news[1], [token])
    await b.leave()
    await namesExactly(scene, news, news[0], [last], [token])
  })

  test(
    'a release names all readers that now hold, and not the writer behind them',
    ['queue', 'listen', 'shared'],
    async scene => {
      const store = await scene.store()
      const news = await listen(store)
      const a = visitor(scene, store, 'A')
      holds(await a.enter())
      const readers = [
        waits(await visitor(scene, store, 'R1', { mode: 'shared' }).enter()),
        waits(await visitor(scene, store, 'R2', { mode: 'shared' }).enter()),
      ]
      waits(await visitor(scene, store, 'W').enter())
      waits(await visitor(scene, store, 'R3', { mode: 'shared' }).enter())
      await a.leave()
      await namesExactly(
        scene,
        [news],
        news,
        readers.map(reader => reader.token),
      )
    },
  )

  test(
    'a waiter that leaves lets those behind it hold, and they are told',
    ['queue', 'listen', 'shared'],
    async scene => {
      const store = await scene.store()
      const news = await listen(store)
      const [writer, reader] = [visitor(scene, store, 'W'), visitor(scene, store, 'R2', { mode: 'shared' })]
      holds(await visitor(scene, store, 'R1', { mode: 'shared' }).enter())
      waits(await writer.enter())
      // A store that is looked at has looked at the line by then, and may wait for what the reader does not wait for.
      await wait(scene.times.shortMs)
      const { token } = waits(await reader.enter())
      await wait(scene.times.shortMs)
      assert.equal(await writer.leave(), 'waiting')
      await namesExactly(scene, [news], news, [token])
    },
  )

  test(
    'the removal of an expired ticket by somebody else names who holds since then',
    ['queue', 'listen'],
    async scene => {
      const store = await scene.store()
      const news = await listen(store)
      const [a, b] = [visitor(scene, store, 'A', { ttlMs: scene.times.shortMs }), visitor(scene, store, 'B')]
      holds(await a.enter())
      const { token } = waits(await b.enter())
      await gone(scene, store, a)
      refused(await visitor(scene, store, 'passer-by', { queue: false }).enter())
      await namesExactly(scene, [news], news, [token])
    },
  )

  test('a release that lets nobody hold names nobody', ['queue', 'listen', 'shared'], async scene => {
    const store = await scene.store()
    const news = await listen(store)
    const [r1, r2] = [visitor(scene, store, 'R1', { mode: 'shared' }), visitor(scene, store, 'R2', { mode: 'shared' })]
    holds(await r1.enter())
    holds(await r2.enter())
    waits(await visitor(scene, store, 'W').enter())
    await r1.leave()
    await wait(scene.times.shortMs)
    await namesExactly(scene, [news], news, [])
  })

  test('news of one storage do not reach another', ['queue', 'listen'], async scene => {
    const [here, elsewhere] = [await scene.store(), await scene.store(`${scene.storage}-other`)]
    const [news, others] = [await listen(here), await listen(elsewhere)]
    const [a, b] = [visitor(scene, here, 'A'), visitor(scene, here, 'B')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    await a.leave()
    await namesExactly(scene, [news], news, [token])
    assert.deepEqual(others.holds, [])
  })

  test('who no longer listens is told nothing, and the queue goes on', ['queue', 'listen'], async scene => {
    const store = await scene.store()
    const news = await listen(store)
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B')]
    holds(await a.enter())
    waits(await b.enter())
    await news.stop()
    await a.leave()
    await wait(scene.times.tinyMs)
    assert.deepEqual(news.holds, [])
    holds(await b.enter())
    assert.equal((await store.inspect(KEY, IO))?.holders[0]?.holder, 'B')
  })
}
