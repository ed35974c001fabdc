/** Deadlocks as users run them: real processes that wait for each other. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

// Longer than a busy machine lets one wait for a lock that is free.
const TWO = ['--workers', '2', '--wait', '2s', '--free', '0']

test('in opposite orders they wait for each other until a wait ends; in one order, or all at once, not once', async () => {
  const { code, verdict, broken } = await bench.judge('deadlock', ...TWO)
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const alone = { timeouts: 0, done: 2, blocked: false }
  expect(verdict['rounds']).toMatchObject([
    { way: 'for-ever', blocked: true },
    { way: 'at-once' },
    { way: 'fixed' },
    { way: 'random' },
    { way: 'mixed', done: 2 },
    { way: 'ordered', ...alone },
    { way: 'together', ...alone },
  ])
  expect(verdict.lessons).toHaveLength(7)
})

const MEET = 'shows the problem, they wait for each other until a wait ends'
const APART = 'nobody waits in vain, and all come to their end'
describeSabotage(
  'deadlock',
  {
    'for-ever': 'shows the problem, they wait for each other, and nobody ends it',
    'at-once': MEET,
    fixed: MEET,
    random: MEET,
    mixed: MEET,
    ordered: APART,
    together: APART,
  },
  ['--workers', '2', '--wait', '2s'],
)
