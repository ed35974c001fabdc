/** The model-based test can fail: it finds by chance, within so many stories, what is wrong with a store. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { brokenStores } from '../conformance/broken-store.ts'
import { DEFECTS } from '../conformance/defects.ts'
import { stories } from './commands.ts'
import { manualClock } from './manual-clock.ts'
import { listen, play } from './play.ts'

/** What no story tells of: prefixes, odd keys, other storages, and the clock that makes tokens. */
const UNTOLD = ['matches', 'name', 'now']

for (const { name, words } of DEFECTS.filter(
  defect => !Object.keys(defect.words).some(word => UNTOLD.includes(word)),
)) {
  test(`a store that ${name} does not answer as the rule does`, async () => {
    const clock = manualClock()
    const make = brokenStores(words, clock)
    const stores = [await make('broken'), await make('broken')] as const
    const news = await listen(stores)
    const property = fc.asyncProperty(stories(stores[0].traits, 40), async story => {
      await play(story, { stores, clock, marginMs: 0, shortMs: 300, news })
    })
    const details = await fc.check(property, { numRuns: 1_000, seed: 1, endOnFailure: true })
    expect(details.failed, `${name}: not found in 1,000 stories`).toBe(true)
  })
}
