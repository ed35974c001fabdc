/** The suite can fail: each defect is found by the cases that name it, and those cases pass without it. */
import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { clockCases } from '../../src/conformance/cases/clock.ts'
import { holdingCases } from '../../src/conformance/cases/holding.ts'
import { registerGroups } from '../../src/conformance/suite.ts'
import type { MakeStore, Runner } from '../../src/conformance/index.ts'
import { brokenStores } from './broken-store.ts'
import { DEFECTS } from './defects.ts'
import { sqlLike } from './sql-like.ts'
import type { Mistake } from './sql-like.ts'

const whole = (make: MakeStore): Cases => casesOf(runner => describeStore('broken', make, runner, { patienceMs: 700 }))

/** Collects the cases instead of running them. A lock-level sentence is there for both kinds of fairness. */
type Cases = Map<string, (() => Promise<void>)[]>

function casesOf(register: (runner: Runner) => void): Cases {
  const cases: Cases = new Map()
  const runner: Runner = {
    describe: (_name, body) => body(),
    test: (name, body) => void cases.set(name, [...(cases.get(name) ?? []), () => body()]),
    beforeAll() {},
    afterAll() {},
  }
  register(runner)
  return cases
}

async function found(cases: Cases, right: Cases, caughtBy: readonly string[]): Promise<void> {
  for (const name of caughtBy) {
    const found = cases.get(name) ?? []
    expect(found.length, `there is no case "${name}"`).toBeGreaterThan(0)
    for (const run of found) {
      const failure = await run().then(
        () => null,
        (error: unknown) => error,
      )
      expect(failure, `"${name}" let it pass`).toBeInstanceOf(AssertionError)
    }
    for (const run of right.get(name) ?? []) await run()
  }
}

const right = whole(brokenStores({}))

for (const { name: defect, words, caughtBy } of DEFECTS) {
  test(`a store that ${defect} is found`, async () => {
    await found(whole(brokenStores(words)), right, caughtBy)
  })
}

const TOGETHER = [
  'of many who enter at the same moment exactly one holds',
  'of many who leave at the same moment nobody stays',
  'many who renew at the same moment are all prolonged',
]
const LATE = [
  'a step that waits for the lock until a ticket has run out takes its place',
  'a renewal that waits for the lock until its ticket has run out is lost',
  'a heartbeat that waits for the lock until its ticket has run out finds it gone',
  'a leave that waits for the lock until its ticket has run out leaves nothing',
]
const MISTAKES: readonly (readonly [Mistake, readonly string[]])[] = [
  ['no row lock', TOGETHER],
  ['no compare in the swap', TOGETHER],
  ['clock before the lock', LATE],
]

/** Only cases of the store alone: what fails above it leaves tasks behind that still wait. */
function ofRows(mistake: Mistake | null): Cases {
  const { make, hold } = sqlLike(mistake)
  const groups = { 'who holds': holdingCases, 'the clock after the lock': clockCases }
  return casesOf(runner => registerGroups('rows', groups, make, runner, { patienceMs: 700, hold }))
}

const rightRows = ofRows(null)

for (const [mistake, caughtBy] of MISTAKES) {
  test(`a store over rows with ${mistake} is found by three cases at least`, async () => {
    await found(ofRows(mistake), rightRows, caughtBy)
  })
}
