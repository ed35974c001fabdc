/** The suite can fail: each defect is found by the cases that name it, and those cases pass without it. */
import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import type { Runner } from '../../src/conformance/index.ts'
import { brokenStores } from './broken-store.ts'
import type { Words } from './broken-store.ts'
import { DEFECTS } from './defects.ts'

/** Collects the cases instead of running them. A lock-level sentence is there for both kinds of fairness. */
function casesOf(words: Partial<Words>): Map<string, (() => Promise<void>)[]> {
  const cases = new Map<string, (() => Promise<void>)[]>()
  const runner: Runner = {
    describe: (_name, body) => body(),
    test: (name, body) => void cases.set(name, [...(cases.get(name) ?? []), () => body()]),
    beforeAll() {},
    afterAll() {},
  }
  describeStore('broken', brokenStores(words), runner, { patienceMs: 700 })
  return cases
}

const right = casesOf({})

for (const { name: defect, words, caughtBy } of DEFECTS) {
  test(`a store that ${defect} is found`, async () => {
    const cases = casesOf(words)
    for (const name of caughtBy) {
      const found = cases.get(name) ?? []
      expect(found.length, `there is no case "${name}"`).toBeGreaterThan(0)
      for (const run of found) await expect(run(), name).rejects.toBeInstanceOf(AssertionError)
      for (const run of right.get(name) ?? []) await run()
    }
  })
}
