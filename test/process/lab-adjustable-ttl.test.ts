/** Lengths of locks as users run them: real processes, two of them killed in each round, and both sides judged. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

// So far apart that a busy machine does not take one for the other, and a renewal comes in time.
const APART = ['--short', '1500ms', '--long', '7s']

test('short for all lets two in, long for all makes the next one wait; a length for each kind and renewal do neither', async () => {
  const { code, verdict, broken } = await bench.judge('adjustable-ttl', ...APART)
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  expect(verdict['rounds']).toMatchObject([
    { way: 'short', overlapped: true },
    { way: 'long', overlapped: false },
    { way: 'per-kind', overlapped: false },
    { way: 'renewed', overlapped: false },
  ])
  expect(verdict.lessons).toHaveLength(4)
})

describeSabotage(
  'adjustable-ttl',
  {
    short: 'shows the problem, two are at work, since the lease ends before the task',
    long: 'shows the problem, after the crash of a quick task the next one waits as for an intensive one',
    'per-kind': 'an intensive task is alone to its end',
    renewed: 'an intensive task is alone to its end',
  },
  APART,
)

test('a long lock that is hardly longer than a short one is refused', async () => {
  const { code, stdout, stderr } = await bench.run('adjustable-ttl', '--short', '1s', '--long', '2s')
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain('--long must be at least four times --short')
})
