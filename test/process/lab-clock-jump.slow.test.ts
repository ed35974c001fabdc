/** The clock-jump experiment as users run it: real servers, whose clocks are set forward under a lease. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NEEDS_CLOCKS } from '../../src/lab/experiments/clock-jump/servers.ts'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

describe.skipIf(NEEDS_CLOCKS.obstacle() !== null)('with servers of its own', () => {
  test('a clock that is set forward gives the lock away and loses an entry; a fence refuses the loser', async () => {
    const { code, verdict, broken } = await bench.judge('clock-jump', '--rounds', '1')
    expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
    const both = ['first', 'second']
    const naive = { twoHolders: true, confirmed: both, refused: [], lost: ['second'], exposed: 1 }
    const fenced = { twoHolders: true, confirmed: ['second'], refused: ['first'], lost: [], exposed: 1 }
    expect(verdict['rounds']).toMatchObject([
      { way: 'redis', ...naive },
      { way: 'redis-fenced', ...fenced },
      { way: 'postgres', ...naive },
      { way: 'postgres-fenced', ...fenced },
      { way: 'unstepped', twoHolders: false, confirmed: both, refused: [], lost: [], exposed: 1 },
    ])
    expect(verdict.lessons).toHaveLength(5)
  })

  const notStepped = [
    'shows the problem, the lock is given away too early, and an entry is lost',
    "the server's own time tells of the step",
  ]
  const notFenced = ['no confirmed entry is lost', 'though there are two holders, the one that lost is refused']
  describeSabotage('clock-jump', {
    redis: notStepped,
    'redis-fenced': notFenced,
    postgres: notStepped,
    'postgres-fenced': notFenced,
    unstepped: ['no confirmed entry is lost', 'no two holders, and both get their turn'],
  })
})

test('without its servers on the PATH: one line that says what to install, and 69', async () => {
  const { code, stdout, stderr } = await bench.site.holdfast(['lab', 'clock-jump'], { env: { PATH: '/nowhere' } })
  expect(stderr).toContain('redis-server is not on the PATH')
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect({ code, stdout }).toEqual({ code: 69, stdout: '' })
})
