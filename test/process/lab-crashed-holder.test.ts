/** The crashed holder as users run it: real processes that are killed, and the wait that follows. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

// Longer than a busy machine keeps a process waiting for its renewal.
const TTL_MS = 3_000
const ONCE = ['--rounds', '1', '--ttl', `${TTL_MS}ms`]

test('blocked for good without a timeout, or by a task that throws by hand; otherwise the next one gets in', async () => {
  const { code, verdict, broken } = await bench.judge('crashed-holder', ...ONCE)
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const blocked = { gotIn: false, waitedMs: null, apartMs: null, listed: 'first', outlived: false }
  const freed = { gotIn: true, waitedMs: expect.any(Number), apartMs: expect.any(Number), outlived: false }
  expect(verdict['rounds']).toMatchObject([
    { way: 'no-timeout', ...blocked },
    { way: 'ttl', ...freed },
    { way: 'renewed', ...freed, outlived: true },
    { way: 'by-hand', ...blocked },
    { way: 'run', ...freed },
  ])
  expect(verdict.lessons).toHaveLength(5)
})

describeSabotage(
  'crashed-holder',
  {
    'no-timeout': 'shows the problem, the next one is blocked for good by a holder that is dead',
    ttl: 'the next one gets in, and not before the lease is over',
    renewed: 'it is held for longer than its ttl, and the next one gets in after the crash all the same',
    'by-hand': 'shows the problem, the next one is blocked for good by a holder whose task is over',
    run: 'the next one gets in though the lock would have lasted for days',
  },
  ['--ttl', '1s'],
)

test('for people: what ls says of a dead holder, how it is ended, and how long the others waited', async () => {
  const { code, stdout, stderr } = await bench.run('crashed-holder', '--ways', 'no-timeout,run', ...ONCE)
  for (const part of ['is killed (-9)', 'says: held by first, 720 h left, 1 waiter', 'revoked', 'wait on average'])
    expect(stdout).toContain(part)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
