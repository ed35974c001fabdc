/** The employee experiment as users run it: real worker processes, judged by its own verdict and its exit code. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSite } from '../support/holdfast.ts'
import type { Site } from '../support/holdfast.ts'

const QUICK = ['lab', 'employee', '--duration', '600ms', '--interval', '40ms'] as const

let site: Site
beforeEach(() => {
  site = createSite()
})
afterEach(() => site.clear())

interface Figures {
  readonly passed: boolean
  readonly compared: boolean
  readonly sabotage: string | null
  readonly conditions: Readonly<Record<string, string>>
  readonly rounds: readonly {
    readonly way: string
    readonly kind: string
    readonly extended: number
    readonly exposed: number
    readonly lost: number
    readonly attempted: number
    readonly succeeded: number
    readonly inconsistencies: number
    readonly errors: number
    readonly averageMs: number
    readonly p99Ms: number
    readonly workers: readonly Readonly<Record<string, number>>[]
  }[]
  readonly settings: Readonly<Record<string, unknown>>
  readonly findings: readonly { readonly claim: string; readonly holds: boolean; readonly found: string }[]
  readonly lessons: readonly string[]
}

const parse = (text: string): Figures => JSON.parse(text)

function childrenOf(pid: number): readonly number[] {
  return execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number)
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('no lock, or one in memory, loses updates, all other ways do not, and only versions give errors', async () => {
  const { code, stdout, stderr } = await site.holdfast([...QUICK, '--json'])
  expect(stderr).toBe('')
  const { passed, compared, sabotage, rounds, settings, conditions, findings, lessons } = parse(stdout)
  expect(findings.filter(finding => !finding.holds)).toEqual([])
  expect({ code, passed, compared, sabotage }).toEqual({ code: 0, passed: true, compared: true, sabotage: null })
  expect(settings).toMatchObject({ workers: 2, durationMs: 600, intervalMs: 40, thinkMs: 15 })
  expect(conditions['row lock']).toContain('BEGIN IMMEDIATE')
  expect(lessons).toHaveLength(6)
  expect(rounds.map(({ way, kind }) => `${way} ${kind}`)).toEqual([
    'none test',
    'memory test',
    'absolute test',
    'mutex test',
    'mutex benchmark',
    'row-lock test',
    'row-lock benchmark',
    'version test',
    'version benchmark',
  ])
  for (const round of rounds) {
    const { way, kind, lost, inconsistencies, workers } = round
    expect(workers).toHaveLength(2)
    for (const name of ['attempted', 'succeeded', 'inconsistencies', 'errors'] as const) {
      expect(workers.reduce((sum, worker) => sum + (worker[name] ?? Number.NaN), 0)).toBe(round[name])
    }
    expect(round.averageMs).toBeGreaterThan(14)
    expect(round.p99Ms).toBeGreaterThan(14)
    expect(round.exposed).toBeGreaterThan(0)
    if (way === 'none' || way === 'memory') expect(lost).toBeGreaterThan(0)
    else if (way === 'absolute') expect({ lost, met: inconsistencies > 0 }).toEqual({ lost: 0, met: true })
    else expect({ lost, inconsistencies }).toEqual({ lost: 0, inconsistencies: 0 })
    if (way !== 'version') expect(round.errors).toBe(0)
    else if (kind === 'test') expect(round.errors).toBeGreaterThan(0)
  }
})

test('for people: tables, a timeline, the ways side by side, what to learn, and a verdict', async () => {
  const { code, stdout } = await site.holdfast([...QUICK, '--workers', '3', '--ways', 'none,version'])
  for (const part of [
    'Antonio Alexander',
    'none: nobody takes turns',
    'but had read',
    'benchmark',
    'exposed',
    'The ways side by side',
    'What to learn',
    'Verdict',
    'worker 3',
  ])
    expect(stdout).toContain(part)
  expect(stdout).not.toContain('mutex: read')
  expect(code).toBe(0)
})

test('the mutex may be in a store of the user, the row in a database of the user, which is left without a trace', async () => {
  const database = site.path('own.db')
  const { code, stdout } = await site.holdfast([
    ...QUICK,
    '--ways',
    'mutex',
    '--store',
    site.store,
    '--db',
    database,
    '--json',
  ])
  expect(parse(stdout).findings.filter(finding => !finding.holds)).toEqual([])
  expect(code).toBe(0)
  expect(existsSync(database)).toBe(true)
  const ls = await site.holdfast(['ls', '--json'])
  expect(ls.stdout).not.toContain('holdfast-lab')
})

test('each worker writes a journal, from which the timeline tells who read and wrote while holding the lock', async () => {
  const folder = site.path('journals')
  const { code } = await site.holdfast([...QUICK, '--ways', 'mutex', '--journal', folder])
  expect(code).toBe(0)
  const { stdout } = await site.holdfast([
    'timeline',
    ...[1, 2].map(worker => join(folder, `worker-${worker}.journal`)),
  ])
  for (const told of [
    /worker 1 +acquired/,
    /worker 2 +read, version \d+/,
    /worker 1 +wrote, version \d+/,
    /worker 2 +released/,
  ])
    expect(stdout).toMatch(told)
})

describe('with the repair taken out it says so, in the verdict and in the output, and exits 1', () => {
  test.each([
    ['mutex', 'mutex: no data inconsistencies'],
    ['row-lock', 'row-lock: no data inconsistencies'],
    ['version', 'version: no data inconsistencies'],
    ['none', 'none: shows the problem'],
    ['memory', 'memory: shows the problem, data inconsistencies'],
    ['absolute', 'absolute: and the data is right, no update lost'],
  ])('%s', async (way, claim) => {
    const { code, stdout } = await site.holdfast([...QUICK, '--ways', way, '--sabotage', way, '--json'])
    const { findings, sabotage } = parse(stdout)
    const broken = findings.filter(finding => !finding.holds)
    expect(broken.map(finding => finding.claim).join('\n')).toContain(claim)
    expect({ code, sabotage }).toEqual({ code: 1, sabotage: way })
  })

  test('for people', async () => {
    const { code, stdout } = await site.holdfast([...QUICK, '--ways', 'mutex', '--sabotage', 'mutex'])
    expect(stdout.match(/SABOTAGED: "mutex"/g)).toHaveLength(2)
    expect(code).toBe(1)
  })
})

describe('a way that holds passes only if its rival asked inside the danger window', () => {
  // So far apart that a busy machine does not bring them together.
  const LATE = ['lab', 'employee', '--duration', '1s', '--interval', '600ms', '--ways', 'mutex', '--late', '300ms']

  test.each([
    ['with the mutex', []],
    ['without it', ['--sabotage', 'mutex']],
  ])('a second worker that is late proves nothing, %s', async (_what, more) => {
    const { code, stdout } = await site.holdfast([...LATE, ...more, '--json'])
    const broken = parse(stdout).findings.filter(finding => !finding.holds)
    expect(broken.map(({ claim }) => claim)).toContain(
      'mutex: the rival asked inside the danger window, in every round',
    )
    expect(code).toBe(1)
  })
})

test('one way alone was compared with nothing, and it says so', async () => {
  const json = await site.holdfast([...QUICK, '--ways', 'mutex', '--json'])
  expect(parse(json.stdout).compared).toBe(false)
  const { code, stdout } = await site.holdfast([...QUICK, '--ways', 'mutex'])
  expect(stdout).toContain('Nothing was compared')
  expect(code).toBe(0)
})

test('Ctrl-C prints what has been measured, judges nothing, and leaves neither processes nor files', async () => {
  const running = site.start(['lab', 'employee', '--duration', '60s', '--interval', '30ms'])
  let seen = ''
  const started = new Promise<void>(resolve => {
    running.child.stdout?.on('data', piece => {
      seen += String(piece)
      if (seen.includes('row lock')) resolve()
    })
  })
  // Whatever ends it earlier must fail the test, not make it wait.
  await Promise.race([started, running.finished])
  expect(seen).toContain('row lock')
  const directory = /sqlite:(\S+)\/locks\.db/.exec(seen)?.[1] ?? ''
  expect(existsSync(directory)).toBe(true)
  await new Promise(resolve => setTimeout(resolve, 1_500))
  const workers = childrenOf(running.pid)
  expect(workers).toHaveLength(2)
  running.child.kill('SIGINT')
  const { code, stdout } = await running.finished
  expect(code).toBe(130)
  expect(stdout).toMatch(/all +[1-9]/)
  expect(stdout).toContain('The ways side by side')
  expect(stdout).toContain('Ended early by SIGINT')
  expect(stdout).not.toContain('Verdict')
  expect(existsSync(directory)).toBe(false)
  expect(workers.filter(isRunning)).toEqual([])
})

describe('a mistake is answered with one line and 64', () => {
  test.each([
    [['--workers', '1'], 'nobody to collide with'],
    [['--duration', '30'], '30s or 30ms?'],
    [['--interval', '20s'], '--duration must be at least as long'],
    [['--ways', 'none,luck'], '"luck"'],
    [['--ways', 'row-lok'], 'Did you mean row-lock?'],
    [['--store', 'memory:'], 'cannot cross processes'],
    [['--store', 'nonsense:'], 'not an address'],
    [['--db', 'postgres://localhost/x'], 'postgres'],
    [['--db', '/nowhere/at/all.db'], 'cannot be used'],
    [['--journal', '/dev/null/x'], '--journal'],
    [['--speed', '9'], "unknown option '--speed'"],
  ])('%o', async (args, message) => {
    const { code, stdout, stderr } = await site.holdfast(['lab', 'employee', ...args])
    expect(stderr).toContain(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  })

  test('an experiment that is not there', async () => {
    const { code, stderr } = await site.holdfast(['lab', 'employe'])
    expect(stderr).toMatch(/"employe".*Did you mean employee\?$/m)
    expect(code).toBe(64)
  })
})

test('a store that is not reached: 69', async () => {
  const { code } = await site.holdfast(['lab', 'employee', '--store', 'redis://127.0.0.1:1'])
  expect(code).toBe(69)
})

test('the list names every experiment with its question and its source', async () => {
  const { code, stdout } = await site.holdfast(['lab'])
  expect(stdout).toMatch(/employee +What happens to one row/)
  expect(code).toBe(0)
})
