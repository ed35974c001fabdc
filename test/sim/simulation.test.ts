import { describe, expect, test } from 'vitest'
import { MUTANTS } from './mutants.ts'
import { REGRESSIONS } from './regressions.ts'
import { simulate } from './simulate.ts'

const SEEDS = 2_000
const AT_A_TIME = 250
/** What must have come about, else nothing was tried. */
const KINDS = [
  'acquired by store',
  'acquired by push',
  'acquired by cohort',
  'released',
  'lost',
  'suspect',
  'revoked',
  'timed-out',
  'store-error',
  'stalled',
]

describe('the core in virtual time', () => {
  test.each(REGRESSIONS)('seed $seed, which found: $bug', async ({ seed, mutant }) => {
    expect((await simulate(seed)).violation).toBeNull()
    expect(MUTANTS.map(({ name }) => name)).toContain(mutant)
  })

  const tally = new Map<string, number>()
  for (let first = 1; first <= SEEDS; first += AT_A_TIME) {
    const last = Math.min(SEEDS, first + AT_A_TIME - 1)
    test(`seeds ${first} to ${last} keep every promise`, async () => {
      for (let seed = first; seed <= last; seed += 1) {
        const outcome = await simulate(seed)
        if (outcome.violation !== null)
          expect.fail(`seed ${seed}: ${outcome.violation}\nReplay it: npm run sim -- --seed ${seed}`)
        for (const [kind, count] of outcome.tally) tally.set(kind, (tally.get(kind) ?? 0) + count)
      }
    })
  }

  test('in them, everything that can happen has happened often', () => {
    expect(KINDS.filter(kind => (tally.get(kind) ?? 0) < SEEDS / 10)).toEqual([])
  })

  test('a seed goes the same way each time', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const [once, again] = [
        await simulate(seed, undefined, { record: true }),
        await simulate(seed, undefined, { record: true }),
      ]
      expect(again.trace).toEqual(once.trace)
      expect(again.hash).toBe(once.hash)
    }
  })
})
