/** The judge of the employee experiment: it must be able to say no, in every direction. */
import { describe, expect, test } from 'vitest'
import { judge } from '../../src/lab/employee/judge.ts'
import { lessons, showComparison, showRound } from '../../src/lab/employee/report.ts'
import { decodeAttempt, encodeMutation, hasShown, lostUpdates, tally } from '../../src/lab/employee/rounds.ts'
import type { Attempt, Round } from '../../src/lab/employee/rounds.ts'
import { OPTIONS, settingsOf } from '../../src/lab/employee/settings.ts'
import type { Way } from '../../src/lab/employee/ways.ts'
import { allHold } from '../../src/lab/judge.ts'

const mutation = { startedAt: 1_000, admittedAt: 1_001, readAt: 1_002, wroteAt: 1_017, endedAt: 1_018, read: 7 }
const right: Attempt = { worker: 0, tick: 0, outcome: 'written', ...mutation, written: 8 }
const inconsistent: Attempt = { worker: 1, tick: 0, outcome: 'written', ...mutation, written: 9 }
const refused: Attempt = { worker: 1, tick: 0, outcome: 'refused', ...mutation, written: null }
const failed: Attempt = { worker: 1, tick: 0, outcome: 'failed', problem: 'the disk is full' }

function round(way: Way, attempts: readonly Attempt[], applied: number, kind: Round['kind'] = 'test'): Round {
  return { way, kind, attempts, applied, extended: 0 }
}

const given = { workers: '2', duration: '10s', interval: '1s', think: '15ms', ways: 'none,mutex,row-lock,version' }
const settings = settingsOf(given)

describe('the judge', () => {
  test('is content when each way shows what it is about', () => {
    const rounds = [
      round('none', [right, inconsistent], 1),
      round('mutex', [right, right], 2),
      round('mutex', [right], 1, 'benchmark'),
      round('row-lock', [right], 1),
      round('version', [right, refused], 1),
      round('version', [right, refused], 1, 'benchmark'),
    ]
    expect(judge(rounds).filter(finding => !finding.holds)).toEqual([])
    expect(allHold(judge(rounds))).toBe(true)
  })

  test.each([
    ['none that shows nothing', round('none', [right, right], 2)],
    ['none with errors', round('none', [inconsistent, failed], 1)],
    ['a mutex with an inconsistency', round('mutex', [right, inconsistent], 2)],
    ['a mutex with an update lost', round('mutex', [right, right], 1)],
    ['a mutex with an error', round('mutex', [right, failed], 1)],
    ['a row lock with an inconsistency', round('row-lock', [inconsistent], 1)],
    ['a version check that refused nothing', round('version', [right, right], 2)],
    ['a version check that failed for another reason', round('version', [right, refused, failed], 1)],
    ['a version check with an inconsistency', round('version', [right, inconsistent, refused], 2)],
    ['a benchmark of something wrong', round('mutex', [right, inconsistent], 1, 'benchmark')],
    ['a round in which nothing was tried', round('mutex', [], 0)],
  ])('refuses %s', (_what, broken) => {
    expect(allHold(judge([broken]))).toBe(false)
  })

  test('does not take nothing for a success', () => {
    expect(allHold(judge([]))).toBe(false)
  })
})

test('counts attempts, successes, inconsistencies and errors apart, and measures only what succeeded', () => {
  expect(tally([right, inconsistent, refused, failed])).toEqual({
    attempted: 4,
    succeeded: 2,
    inconsistencies: 1,
    errors: 2,
    averageMs: 18,
    p99Ms: 18,
  })
  expect(lostUpdates(round('none', [right, inconsistent], 1))).toBe(1)
})

test('a round is run on only while its way has not shown its problem', () => {
  expect(hasShown('none', 'test', [right])).toBe(false)
  expect(hasShown('none', 'test', [inconsistent])).toBe(true)
  expect(hasShown('version', 'test', [right, failed])).toBe(false)
  expect(hasShown('version', 'test', [refused])).toBe(true)
  expect(hasShown('mutex', 'test', [])).toBe(true)
  expect(hasShown('version', 'benchmark', [right])).toBe(true)
})

test('what a worker sends is what the parent gets; a message that is not one is refused by the name of its field', () => {
  expect(decodeAttempt(encodeMutation(3, { ...mutation, written: 8 }), 1)).toEqual({ ...right, worker: 1, tick: 3 })
  expect(decodeAttempt(encodeMutation(0, { ...mutation, written: null }), 1)).toEqual(refused)
  expect(decodeAttempt({ outcome: 'failed', tick: 0, problem: 'the disk is full' }, 1)).toEqual(failed)
  expect(() => decodeAttempt({ ...encodeMutation(0, { ...mutation, written: 8 }), read: '7' }, 1)).toThrow('read')
})

test('the report says only what was measured', () => {
  const rounds = [round('none', [right, inconsistent], 1), round('version', [right, refused], 1)]
  const [none, version] = lessons(rounds, settings)
  expect(none).toContain('1 of 2 updates (50 %)')
  expect(none).toContain('0 errors')
  expect(version).toContain('refused 1 of 2 attempts (50 %)')
  expect(lessons(rounds, settings)).toHaveLength(2)
  expect(showComparison(rounds).join('\n')).toMatch(/none +2 +2 +1 +1 +0 +18\.0 ms/)
  expect(showRound(round('none', [right, inconsistent], 1), settings).join('\n')).toContain(
    'wrote version 9, but had read 7',
  )
})

describe('options', () => {
  test('the defaults are those of the source', () => {
    const defaults = Object.fromEntries(
      OPTIONS.filter(option => option.default !== undefined).map(option => [
        /^--(\w+)/.exec(option.flags)?.[1],
        option.default,
      ]),
    )
    expect(settingsOf(defaults)).toMatchObject({
      workers: 2,
      durationMs: 10_000,
      intervalMs: 1_000,
      thinkMs: 15,
      ways: ['none', 'mutex', 'row-lock', 'version'],
    })
  })

  test.each([
    [{ workers: '1' }, 'nobody to collide with'],
    [{ workers: '65' }, '--workers'],
    [{ workers: '2.5' }, '--workers'],
    [{ duration: '10' }, 'no unit'],
    [{ duration: '500ms' }, '--interval'],
    [{ interval: '0s' }, '--interval'],
    [{ think: '-1ms' }, '--think'],
    [{ think: 'Infinity' }, '--think'],
    [{ ways: 'none,lock' }, '"lock" is none of'],
    [{ ways: '' }, '--ways'],
    [{ store: 'memory:' }, 'cannot cross processes'],
    [{ store: 'MEMORY:' }, 'cannot cross processes'],
    [{ sabotage: 'everything' }, '--sabotage'],
  ])('%o is refused', (change, message) => {
    expect(() => settingsOf({ ...given, ...change })).toThrow(message)
  })
})
