/** The double booking as users run it: two real processes, judged by the bookings and the confirmations. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

// Longer than a busy machine keeps a process waiting for its renewal.
const ONCE = ['--rounds', '1', '--lease', '1500ms', '--free', '0']

test('a lock that ends too early books twice, whatever is done to the lock; a rule in the database does not', async () => {
  const { code, verdict, broken } = await bench.judge('double-booking', ...ONCE)
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const round = (way: string, [bookings, confirmations, wasted]: readonly number[]): object => ({
    way,
    bookings,
    confirmations,
    wasted,
    race: [expect.arrayContaining(['first']), expect.arrayContaining(['second'])],
    exposed: 1,
  })
  expect(verdict['rounds']).toEqual([
    round('lease', [2, 2, 0]),
    round('longer', [2, 2, 0]),
    round('key-alone', [2, 2, 0]),
    round('confirm-first', [1, 2, 1]),
    round('paused', [2, 2, 0]),
    round('retry', [2, 2, 0]),
    round('snapshot', [1, 1, 1]),
    round('row-lock', [1, 1, 0]),
    round('unique', [1, 1, 1]),
    round('atomic', [1, 1, 1]),
    round('fence', [1, 1, 1]),
    round('renewed', [1, 1, 0]),
    round('seat', [1, 1, 0]),
    round('retry-key', [1, 2, 0]),
  ])
  expect(verdict.lessons).toHaveLength(14)
})

const TWICE = 'shows the problem, the room is booked twice, and both are confirmed'
const ONCE_ONLY = 'one booking and one confirmation'
describeSabotage('double-booking', {
  lease: TWICE,
  longer: TWICE,
  'key-alone': TWICE,
  'confirm-first': 'shows the problem, two are told that they have the one room',
  paused: TWICE,
  retry: 'shows the problem, one guest has booked twice',
  snapshot: ONCE_ONLY,
  'row-lock': ONCE_ONLY,
  unique: ONCE_ONLY,
  atomic: ONCE_ONLY,
  fence: ONCE_ONLY,
  renewed: ONCE_ONLY,
  seat: ONCE_ONLY,
  'retry-key': 'one booking, and both requests are told of it',
})

test('for people: the race put together again, and the four steps', async () => {
  const args = ['double-booking', '--rounds', '1', '--lease', '400ms', '--free', '1', '--ways', 'lease,snapshot']
  const { code, stdout, stderr } = await bench.run(...args)
  for (const part of ['acquired  sure until  committed  confirmed', 'Step 1', 'Step 2', 'by chance'])
    expect(stdout).toContain(part)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
