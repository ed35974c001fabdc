/** The alert as users run it: two real processes, and writes that become slower and slower. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

// A step of the ramp is then longer than a busy machine makes one wait.
const SLOW = ['--lease', '2s']

test('the event comes before two are at work, an alert on the average does not, and renewal keeps them apart', async () => {
  const { code, verdict, broken } = await bench.judge('ttl-at-risk', ...SLOW)
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const moment = expect.any(Number)
  expect(verdict['rounds']).toMatchObject([
    { way: 'average', alert: null, overlap: moment },
    { way: 'p99', alert: moment, overlap: moment },
    { way: 'renewed', overlap: null },
  ])
  expect(verdict.lessons).toHaveLength(3)
})

describeSabotage(
  'ttl-at-risk',
  {
    average: 'shows the problem, two are at work before the average tells',
    p99: 'the alert comes before two are at work',
    renewed: 'a write that outlasts the ttl is alone',
  },
  SLOW,
)
