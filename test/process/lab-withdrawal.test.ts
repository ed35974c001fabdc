/** The withdrawal as users run it: two real processes, one account, judged by the cash that left. */
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../support/holdfast.ts'
import { createBench, describeSabotage } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

test('without a lock both are paid and the balance does not tell, every time; otherwise one is paid, not once both', async () => {
  const { code, verdict, broken } = await bench.judge('withdrawal')
  expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
  const rounds = (way: string, outcome: object): unknown[] =>
    Array.from({ length: 5 }, () => ({ way, balance: 0, exposed: expect.any(Number), ...outcome }))
  expect(verdict['rounds']).toEqual([
    ...rounds('none', { paid: 10_000, declined: 0 }),
    ...['lock', 'row-lock', 'version'].flatMap(way => rounds(way, { paid: 5_000, declined: 1 })),
  ])
  expect(verdict.lessons).toHaveLength(4)
})

describeSabotage('withdrawal', {
  none: 'shows the problem, twice the balance is paid out',
  lock: 'one is paid, the other declined',
  'row-lock': 'one is paid, the other declined',
  version: 'one is paid, the other declined',
})

test('the way that goes wrong is also left to chance, as often as asked, and nothing depends on what comes of it', async () => {
  const { code, verdict } = await bench.judge('withdrawal', '--rounds', '1', '--ways', 'none,lock', '--free', '7')
  expect(verdict['chances']).toEqual([{ way: 'none', rounds: 7, shown: expect.any(Number) }])
  expect({ code, claims: verdict.findings.filter(({ claim }) => claim.includes('chance')) }).toEqual({
    code: 0,
    claims: [],
  })
  const without = await bench.judge('withdrawal', '--rounds', '1', '--ways', 'none', '--free', '0')
  expect({ code: without.code, chances: without.verdict['chances'] }).toEqual({ code: 0, chances: undefined })
})

test('for people: what each sees, pays and is told, what to learn, and a verdict', async () => {
  const { code, stdout, stderr } = await bench.run('withdrawal', '--rounds', '1')
  for (const part of ['Lock It or Lose It', 'sees a balance of 5000', 'declines', 'What to learn', 'Verdict'])
    expect(stdout).toContain(part)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

test('Ctrl-C in the middle of a round ends it, judges nothing, and leaves neither processes nor files', async () => {
  const args = ['withdrawal', '--rounds', '1000', '--ways', 'none']
  const { finished, started, leftOver } = await bench.interrupt('sees a balance', ...args)
  expect(started).toBe(2)
  expect({ code: finished.code, leftOver, left: bench.leftBehind() }).toEqual({ code: 130, leftOver: [], left: [] })
  expect(finished.stdout).toContain('Ended early by SIGINT')
  expect(finished.stdout).not.toContain('Verdict')
})

describe('what had to be seen and does not come', () => {
  test('is not shown: whatever was measured before, it exits with 1', async () => {
    const args = ['lab', 'withdrawal', '--rounds', '1000', '--ways', 'none', '--patience', '1s']
    const running = bench.site.start(args)
    let stdout = ''
    running.child.stdout?.on('data', piece => (stdout += String(piece)))
    await until('a round', () => stdout.includes('sees a balance'))
    const [worker = ''] = execFileSync('pgrep', ['-P', String(running.pid)], { encoding: 'utf8' }).split('\n')
    process.kill(Number(worker), 'SIGSTOP')
    const finished = await running.finished
    expect(finished.stdout).toMatch(/FAIL +none: what had to be seen was seen \(not shown: .*--patience\)/)
    expect(finished.stdout).toContain('The experiment did NOT show what it must.')
    expect({ code: finished.code, stderr: finished.stderr }).toEqual({ code: 1, stderr: '' })
  })
})

describe('the namespace is that of the option, else of the address, else of the environment', () => {
  const lock = ['--rounds', '1', '--ways', 'lock', '--json']

  test.each([
    ['option', ['--namespace', 'a'], '?namespace=b', 'a'],
    ['address', [], '?namespace=b', 'b'],
    ['environment', [], '', 'c'],
  ])('%s', async (_who, option, query, namespace) => {
    const store = `${bench.site.store}${query}`
    const args = ['lab', 'withdrawal', ...lock, ...option, '--store', store]
    const { code, stdout } = await bench.site.holdfast(args, { env: { HOLDFAST_NAMESPACE: 'c' } })
    expect(JSON.parse(stdout)).toMatchObject({
      passed: true,
      conditions: { lock: expect.stringContaining(`namespace ${namespace} `) },
    })
    expect(code).toBe(0)
  })
})
