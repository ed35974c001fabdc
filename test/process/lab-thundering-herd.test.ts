/** The thundering herd as users run it: crowds of three sizes behind one holder, and what they ask of the store. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

test('who tries, or is told with all others, asks more the more there are; who is told by name does not', async () => {
  const { code, verdict, broken } = await bench.judge('thundering-herd')
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  expect(verdict['rounds']).toMatchObject(['poll', 'told-to-all', 'named'].map(way => ({ way, exposed: 3 })))
  expect(verdict.lessons).toHaveLength(3)
})

describeSabotage('thundering-herd', {
  poll: 'shows the problem, the questions grow with the crowd',
  'told-to-all': 'shows the problem, the questions grow with the crowd',
  named: 'a handover asks no more, however many wait',
})
