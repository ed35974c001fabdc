/** Nested locks as users run them: three real processes, and two invariants. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

test('each of the two locks guards an invariant of its own, and only that, every time', async () => {
  const { code, verdict, broken } = await bench.judge('nested', '--free', '2')
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const rounds = (way: string, outcome: object): unknown[] =>
    Array.from({ length: 3 }, () => ({ way, ...outcome, exposed: 1 }))
  expect(verdict['rounds']).toEqual([
    ...rounds('rows', { total: 240, lost: 0 }),
    ...rounds('process', { total: 220, lost: 1 }),
    ...rounds('both', { total: 220, lost: 0 }),
  ])
  expect(verdict.lessons).toHaveLength(3)
})

test('a database on which its ways would show something else is refused, and nothing is asked of it', async () => {
  const { code, stderr } = await bench.run('nested', '--db', 'postgres://somebody:secret@127.0.0.1:1/staff')
  expect({ code, stderr }).toEqual({
    code: 64,
    stderr: expect.stringContaining(
      '"postgres://somebody@127.0.0.1:1/staff" is a server; this experiment works on SQLite',
    ),
  })
})

describeSabotage('nested', {
  rows: 'shows the problem, two batches exceed the budget',
  process: 'shows the problem, a row loses a change from elsewhere',
  both: ['the budget holds', 'no row loses a change'],
})
