/** The paused writer as users run it: a real process that is stopped in the middle, judged by the data. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

// Longer than a busy machine keeps a process waiting for its renewal.
const ONCE = ['--rounds', '1', '--ttl', '1500ms', '--free', '0']

test('only a fence before the read, a transaction, or a holder that still runs loses nothing in either order', async () => {
  const { code, verdict, broken } = await bench.judge('paused-writer', ...ONCE)
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const round = (way: string, wrote: object, read: object): object => ({
    way,
    wrote: { lost: 0, refused: [], ...wrote },
    read: { lost: 0, refused: [], ...read },
    exposed: 2,
  })
  const lost = (way: string): object => round(way, { lost: 10 }, { lost: 100 })
  const first = { refused: ['first'] }
  const successor = { refused: ['successor'] }
  expect(verdict['rounds']).toEqual([
    lost('lease'),
    lost('assert-held'),
    lost('unique-id'),
    round('matches-latest', successor, successor),
    round('on-write', first, { lost: 100 }),
    round('fence', first, first),
    round('transaction', {}, {}),
    lost('cut-off'),
    round('cut-off-heeded', first, first),
  ])
  expect(verdict.lessons).toHaveLength(9)
})

const LOST = 'shows the problem, an update is lost in either order'
describeSabotage(
  'paused-writer',
  {
    lease: LOST,
    'assert-held': LOST,
    'unique-id': LOST,
    'matches-latest': 'shows the problem, the rightful holder is refused, whose token the resource has not seen',
    'on-write':
      'shows the problem, nothing is lost if the successor has written, and an update is lost if it has only read',
    fence: 'nothing is lost in either order, and the one that was paused is refused',
    transaction: 'the successor waits for the row, and nothing is lost',
    'cut-off': LOST,
    'cut-off-heeded': 'it stops by itself, and nothing is lost',
  },
  ['--ttl', '1s'],
)

test('a pause at a random moment is tried too, and judged by nobody', async () => {
  const args = ['--ways', 'lease', '--rounds', '1', '--ttl', '500ms', '--free', '2']
  const { code, verdict } = await bench.judge('paused-writer', ...args)
  expect(verdict['chances']).toEqual([{ way: 'lease', rounds: 2, shown: expect.any(Number) }])
  expect(code).toBe(0)
})

test('Ctrl-C while the first is stopped leaves neither processes nor files', async () => {
  const args = ['paused-writer', '--ways', 'lease', '--ttl', '10s', '--rounds', '1000', '--patience', '60s']
  const { finished, started, leftOver } = await bench.interrupt('lease  ', ...args)
  expect(started).toBe(2)
  expect({ code: finished.code, leftOver, left: bench.leftBehind() }).toEqual({ code: 130, leftOver: [], left: [] })
})
