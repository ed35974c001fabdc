import { describe, expect, test } from 'vitest'
import { loadMutant, MUTANTS } from './mutants.ts'
import { simulate } from './simulate.ts'

/** Every mutant must be found within so many seeds. */
const SEEDS = 2_000
/** So many seeds of an unpatched copy find nothing: what convicts the mutants is their bug, not the copying. */
const CONTROL = 100

describe('the simulation finds each bug that is put in', () => {
  test('and none in a copy without one', async () => {
    const modules = await loadMutant({ name: 'none', patches: [] })
    for (let seed = 1; seed <= CONTROL; seed += 1) expect((await simulate(seed, modules)).violation).toBeNull()
  })

  test.each(MUTANTS)('$name', async mutant => {
    const modules = await loadMutant(mutant)
    const { near = 1 } = mutant
    for (let told = 0; told < SEEDS; told += 1) {
      const seed = ((near - 1 + told) % SEEDS) + 1
      const { violation } = await simulate(seed, modules)
      if (violation === null) continue
      console.log(`found by seed ${seed}: ${violation.split('\n')[0]}`)
      return
    }
    expect.fail(`${SEEDS} seeds did not find it: the simulation is too kind`)
  })
})
