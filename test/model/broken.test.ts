/** The model-based test can fail: it finds by chance, within so many stories, what is wrong with a store. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import type { Runner } from '../../src/conformance/index.ts'
import { brokenStores } from '../conformance/broken-store.ts'
import { DEFECTS } from '../conformance/defects.ts'
import { stories } from '../../src/conformance/model/stories.ts'
import { manualClock } from './manual-clock.ts'
import { listen, play } from '../../src/conformance/model/play.ts'

/** What no story tells of: prefixes, odd keys, other storages, and the clock that makes tokens. */
const UNTOLD = ['matches', 'name', 'now']
/** Nor of great limits and odd texts. */
const UNTOLD_DEFECTS = ['keeps limits in 32 bits', 'ends what people wrote at its NUL']

for (const { name, words } of DEFECTS.filter(
  defect => !UNTOLD_DEFECTS.includes(defect.name) && !Object.keys(defect.words).some(word => UNTOLD.includes(word)),
)) {
  test(`a store that ${name} does not answer as the rule does`, async () => {
    const clock = manualClock()
    const make = brokenStores(words, clock)
    const stores = [await make('broken'), await make('broken')] as const
    const news = await listen(stores)
    const property = fc.asyncProperty(
      stories(fc, { traits: stores[0].traits, list: true, revoke: true, length: 40 }),
      async story => {
        await play(story, { stores, clock, marginMs: 0, lateness: 0, shortMs: 300, news })
      },
    )
    const details = await fc.check(property, { numRuns: 1_000, seed: 1, endOnFailure: true })
    expect(details.failed, `${name}: not found in 1,000 stories`).toBe(true)
  })
}

test('the test of a broken driver fails with its shortest story, and says how to tell it again', async () => {
  const clock = manualClock()
  const words = DEFECTS.find(defect => defect.name === 'serves the newest first')?.words ?? {}
  const registered: (() => Promise<void>)[] = []
  const runner: Pick<Runner, 'test'> = { test: (_name, body) => void registered.push(body) }
  modelTest('broken', brokenStores(words, clock), { ...runner, clock, runs: 1_000 })
  await expect(registered[0]?.()).rejects.toThrow(/Counterexample[^]*HOLDFAST_MODEL_SEED=\d+ HOLDFAST_MODEL_PATH=\S+/)
})
