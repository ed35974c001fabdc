/** The lock of a unique index as users run it: real processes that die, are late, and share an id. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

const SLOW_SWEEP = ['--sweep', '6s']

test('a dead holder blocks until a sweep, and a late unlock removes what is not its own; with holdfast neither', async () => {
  const { code, verdict, broken } = await bench.judge('ttl-index', ...SLOW_SWEEP)
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const round = (way: string, late: object): object => ({
    way,
    blockedMs: expect.any(Number),
    sweepMs: 6_000,
    ...late,
    exposed: 2,
  })
  expect(verdict['rounds']).toEqual([
    round('as-written', { lateOther: true, lateOwn: true, behind: true }),
    round('own-only', { lateOther: false, lateOwn: true, behind: true }),
    round('holdfast', { lateOther: false, lateOwn: false, behind: null }),
  ])
  expect(verdict.lessons).toHaveLength(3)
})

describeSabotage(
  'ttl-index',
  {
    'as-written': [
      'shows the problem, a dead holder blocks until the next sweep',
      'shows the problem, a late unlock lets a third one in',
      'shows the problem, somebody gets in beside a client whose clock is behind',
    ],
    'own-only': 'shows the problem, two tasks of one instance unlock each other',
    holdfast: [
      'a dead holder blocks for its ttl, and not until a sweep',
      "a late release removes nobody's lock, not that of its own instance either",
    ],
  },
  SLOW_SWEEP,
)

test('a sweep as short as the lock is refused: nobody would see what a sweeper costs', async () => {
  const { code, stdout, stderr } = await bench.run('ttl-index', '--ttl', '1s', '--sweep', '1s')
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain('--sweep must be at least twice --ttl')
})
