/** The email group as users run it: real processes, one of them killed, judged by who is in the group. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

test('without a lock, or with one that ends too early, the group is mixed; a crash leaves half; all else holds', async () => {
  const { code, verdict, broken } = await bench.judge('email-group', '--free', '2')
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const rounds = (way: string, group: string, outcome: object): unknown[] => {
    const round = { way, group, refusedBy: null, mailed: null, exposed: 1, ...outcome }
    return [round, round]
  }
  expect(verdict['rounds']).toEqual([
    ...rounds('none', 'a mixture of both files', { reported: 2 }),
    ...rounds('expiring', 'a mixture of both files', { reported: 2 }),
    ...rounds('refused', 'the first file', { reported: 1, refusedBy: 'first' }),
    ...rounds('waited', 'the second file', { reported: 2 }),
    ...rounds('crashed', 'half of the first file', { reported: 0, mailed: 10_000 }),
    ...rounds('transaction', 'as it was before', { reported: 0, mailed: 1_000 }),
    ...rounds('staged', 'as it was before', { reported: 0, mailed: 1_000 }),
  ])
  expect(verdict.lessons).toHaveLength(7)
})

const MIXED = 'shows the problem, the group is a mixture, and both uploads report success'
const AS_BEFORE = 'after the crash the group is as it was before'
describeSabotage('email-group', {
  none: MIXED,
  expiring: MIXED,
  refused: ['the group is the first file', 'the second is refused before it removed anybody, and told who is at it'],
  waited: 'the group is the second file, and both report success',
  crashed: 'shows the problem, half a group is left under the lock',
  transaction: AS_BEFORE,
  staged: AS_BEFORE,
})

test('for people: who is refused and by whom, what a mail reaches after the crash, and a verdict', async () => {
  const { code, stdout, stderr } = await bench.run('email-group', '--rounds', '1', '--free', '2')
  for (const part of [
    'is refused: first has the lock',
    'is killed (-9)',
    'sends a mail to the group: it reaches 10000 users',
    'by chance',
    'Verdict',
  ])
    expect(stdout).toContain(part)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
