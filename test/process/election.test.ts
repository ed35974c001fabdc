import { afterAll, test } from 'vitest'
import { holdElection } from '../support/election.ts'
import { createSite } from '../support/holdfast.ts'

const site = createSite()
afterAll(() => site.clear())

test('a leader that stands still is replaced, and what it does when it goes on is refused: sqlite', () =>
  holdElection(site.store, { ttlMs: 2_000 }))
