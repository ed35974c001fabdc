/** The failover-durable experiment as users run it: a standby promoted, a leader of etcd killed. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { experimentNamed } from '../../src/lab/experiments/index.ts'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

describe.skipIf(experimentNamed('failover-durable')?.needs.obstacle() !== null)('with servers of its own', () => {
  test('a standby that copies later forgets the grant, one that copies first and a majority do not', async () => {
    const { code, verdict, broken } = await bench.judge('failover-durable')
    expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
    const both = ['first', 'second']
    const inTurn = { twoHolders: false, confirmed: both, refused: [], lost: [], refusedAtLast: true, exposed: 1 }
    expect(verdict['rounds']).toMatchObject([
      { way: 'asynchronous', twoHolders: true, confirmed: both, lost: ['second'], remembered: false, exposed: 1 },
      { way: 'fenced', twoHolders: true, refused: ['first'], lost: [], remembered: false, exposed: 1 },
      { way: 'synchronous', ...inTurn, confirmed: ['first'], remembered: true },
      { way: 'etcd', ...inTurn, remembered: null },
    ])
    expect(verdict.lessons).toHaveLength(4)
  })

  describeSabotage('failover-durable', {
    asynchronous: ['shows the problem, two holders and a lost entry', 'the grant is not on the standby'],
    fenced: ['no confirmed entry is lost', 'though there are two holders, the one that lost is refused'],
    synchronous: [
      'no confirmed entry is lost',
      'the promoted standby has the grant, and refuses the second',
      'where nothing can be confirmed nobody gets in, and is told so',
    ],
    etcd: ['no confirmed entry is lost', 'no two holders, and both get their turn'],
  })
})

test('without its servers on the PATH: one line that says what to install, and 69', async () => {
  const env = { PATH: '/nowhere', HOLDFAST_TOOLS_DIR: '/nowhere' }
  const { code, stdout, stderr } = await bench.site.holdfast(['lab', 'failover-durable'], { env })
  expect(stderr).toMatch(/is not on the PATH|is not there/)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect({ code, stdout }).toEqual({ code: 69, stdout: '' })
})
