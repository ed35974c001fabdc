/** The failover experiment as users run it: real processes, real servers, killed. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { REDIS } from '../../src/servers/redis.ts'
import { skipWithout } from '../support/stores.ts'
import { createBench } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

describe('with servers of its own', () => {
  beforeEach(context => {
    skipWithout(REDIS, context)
  })

  test('a lock alone loses an entry, a fence refuses the loser, a majority has no second holder', async () => {
    const { code, verdict, broken } = await bench.judge('failover')
    expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
    const each = (round: object): object[] => [round, round]
    expect(verdict['rounds']).toEqual([
      ...each({
        way: 'redis',
        twoHolders: true,
        confirmed: ['first', 'second'],
        refused: [],
        lost: ['second'],
        refusedWithoutMajority: null,
        exposed: 1,
      }),
      ...each({
        way: 'fenced',
        twoHolders: true,
        confirmed: ['second'],
        refused: ['first'],
        lost: [],
        refusedWithoutMajority: null,
        exposed: 1,
      }),
      ...each({
        way: 'redlock',
        twoHolders: false,
        confirmed: ['first', 'second'],
        refused: [],
        lost: [],
        refusedWithoutMajority: true,
        exposed: 1,
      }),
    ])
    expect(verdict.lessons).toHaveLength(3)
  })

  test.each([
    ['redis', ['redis: shows the problem']],
    ['fenced', ['fenced: no confirmed entry is lost', 'fenced: though there are two holders']],
    ['redlock', ['redlock: no confirmed entry is lost', 'redlock: no two holders']],
  ])('with the repair of %s taken out it says so and exits 1', async (way, claims) => {
    const { code, broken, verdict } = await bench.judge('failover', '--rounds', '1', '--sabotage', way)
    expect(verdict['sabotage']).toBe(way)
    expect(broken).toEqual(claims.map(claim => expect.stringContaining(claim)))
    expect(code).toBe(1)
  })

  test('for people: a timeline of each way, a table, what to learn, and a verdict', async () => {
    const { code, stdout } = await bench.run('failover', '--rounds', '1')
    for (const part of [
      'Antonio Alexander',
      'the replica promoted',
      'wants to write, and is REFUSED',
      'three of the five are down',
      'side by side',
      'What to learn',
      'Verdict',
    ]) {
      expect(stdout).toContain(part)
    }
    expect(code).toBe(0)
  })

  test('Ctrl-C ends it after the round, with neither processes nor files left', async () => {
    const { finished, started, leftOver } = await bench.interrupt('list     a row', 'failover', '--rounds', '50')
    expect(started).toBeGreaterThanOrEqual(2)
    expect({ code: finished.code, leftOver, leftBehind: bench.leftBehind() }).toEqual({
      code: 130,
      leftOver: [],
      leftBehind: [],
    })
    expect(finished.stdout).not.toContain('Verdict')
  })
})

test('without redis-server on the PATH: one line that says what to install, and 69', async () => {
  const { code, stdout, stderr } = await bench.site.holdfast(['lab', 'failover'], { env: { PATH: '/nowhere' } })
  expect(stderr).toContain('redis-server is not on the PATH')
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect({ code, stdout }).toEqual({ code: 69, stdout: '' })
})
