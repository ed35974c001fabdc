/** The rules that keep an experiment from lying: the judge must be able to say no, in every direction. */
import { describe, expect, test } from 'vitest'
import { lanesOf } from '../../src/lab/acts.ts'
import type { Act } from '../../src/lab/acts.ts'
import { tally } from '../../src/lab/attempts.ts'
import { holds, shows } from '../../src/lab/experiment.ts'
import { exposureOf } from '../../src/lab/exposure.ts'
import { judgeWay } from '../../src/lab/judge.ts'
import { optional, readOptions, some, span, storeOption, whole } from '../../src/lab/options.ts'

const danger = { opens: 'read', closes: ['wrote', 'refused'] }

function acts(...told: readonly (readonly [who: string, type: string, at: number])[]): readonly Act[] {
  return told.map(([who, type, at]) => ({ who, type, at, fields: {} }))
}

describe('exposure', () => {
  const first = [
    ['A', 'works', 0],
    ['A', 'read', 1],
    ['A', 'wrote', 16],
    ['A', 'leaves', 17],
  ] as const

  test.each([
    ['a rival that asks inside the window', [['B', 'asks', 10]], 1],
    ['a rival that asked before and still waits', [['B', 'asks', 0]], 1],
    ['a rival that works inside the window', [['B', 'works', 10]], 1],
    ['a rival that comes when all is over', [['B', 'works', 25]], 0],
    [
      'a rival that had left before',
      [
        ['B', 'works', -9],
        ['B', 'leaves', -1],
      ],
      0,
    ],
    ['nobody', [], 0],
    ['the same worker once more', [['A', 'asks', 18]], 0],
  ] as const)('%s', (_what, rival, exposed) => {
    expect(exposureOf(acts(...first, ...rival), danger)).toEqual({ windows: 1, exposed })
  })

  test('a window that nobody closed, as Ctrl-C leaves it, lasts to the end', () => {
    const cut = acts(['A', 'works', 0], ['A', 'read', 1], ['B', 'asks', 2])
    expect(exposureOf(cut, danger)).toEqual({ windows: 1, exposed: 1 })
  })

  test('counts only the window and the rival that are named', () => {
    const both = acts(...first, ['B', 'asks', 10], ['C', 'asks', 30])
    expect(exposureOf(both, { ...danger, of: 'A', rival: 'C' }).exposed).toBe(0)
    expect(exposureOf(both, { ...danger, of: 'B' })).toEqual({ windows: 0, exposed: 0 })
  })
})

describe('the judge', () => {
  const round = (wrong: boolean, exposed = 1): Parameters<typeof judgeWay<{ wrong: boolean }>>[2][number] => ({
    way: 'x',
    outcome: { wrong },
    acts: [],
    exposed,
  })
  const repaired = [holds<{ wrong: boolean }>('nothing is lost', ({ wrong }) => !wrong)]
  const broken = [shows<{ wrong: boolean }>('something is lost', ({ wrong }) => wrong)]
  const passes = (...given: Parameters<typeof judgeWay<{ wrong: boolean }>>): boolean =>
    judgeWay(...given).every(finding => finding.holds)

  test('is content with a repaired way that held while it was tried, and a broken one that showed its problem', () => {
    expect(passes('lock', repaired, [round(false), round(false)])).toBe(true)
    expect(passes('none', broken, [round(true, 0)])).toBe(true)
  })

  test.each([
    ['a repaired way that failed once', repaired, [round(false), round(true)]],
    ['a repaired way that was not tried in one round', repaired, [round(false), round(false, 0)]],
    ['a broken way that did not show its problem once', broken, [round(true), round(false)]],
    ['a way without a round', repaired, []],
    ['a broken way without a round', broken, []],
  ])('refuses %s', (_what, claims, rounds) => {
    expect(passes('x', claims, rounds)).toBe(false)
  })

  test('says what "not once" is worth, and never "never"', () => {
    const told = judgeWay('lock', repaired, [round(false, 60)]).map(({ found }) => found)
    expect(told.join()).toContain('at most 5.0 % (3 in 60)')
    expect(
      judgeWay('lock', repaired, [round(false, 2)])
        .map(({ found }) => found)
        .join(),
    ).toContain('too few')
  })
})

test('a lock for a time is drawn as over when that time has passed', () => {
  const told = acts(['A', 'asks', 0], ['A', 'holds', 5], ['A', 'leaves', 40])
  const [, held] = told
  const limited = told.map(act => (act === held ? { ...act, fields: { forMs: 20 } } : act))
  expect(lanesOf(limited, { holds: 'has it' })).toEqual([
    {
      name: 'A',
      spans: [
        { kind: 'waiting', from: 0, to: 5 },
        { kind: 'held', from: 5, to: 25 },
        { kind: 'stale', from: 25, to: 40 },
      ],
      marks: [{ at: 5, text: 'has it', kind: 'moment' }],
    },
  ])
})

test('counts attempts, successes and errors apart, and measures only what succeeded', () => {
  const attempt = (fields: Act['fields']): Act => ({ who: 'A', type: 'leaves', at: 0, fields })
  expect(
    tally([
      attempt({ outcome: 'written', tookMs: 18 }),
      attempt({ outcome: 'refused', tookMs: 99 }),
      attempt({ outcome: 'failed', tookMs: 99, problem: 'the disk is full' }),
    ]),
  ).toEqual({
    attempted: 3,
    succeeded: 1,
    errors: 2,
    refused: 1,
    averageMs: 18,
    p99Ms: 18,
    problem: 'the disk is full',
  })
})

describe('options', () => {
  const options = {
    workers: whole({ default: '2', min: 2, max: 64, help: '', why: 'One alone has nobody to collide with.' }),
    thinkMs: span({ default: '15ms', max: 60_000, help: '' }),
    ways: some(['none', 'lock'], ''),
    store: storeOption(''),
    db: optional('url', ''),
  }
  const given = { workers: '2', think: '15ms', ways: 'none,lock' }

  test('a name that ends in Ms is a length of time, and its flag has no such ending', () => {
    expect(readOptions(options, { ...given, think: '2s', db: 'x.db' })).toEqual({
      workers: 2,
      thinkMs: 2_000,
      ways: ['none', 'lock'],
      store: null,
      db: 'x.db',
    })
  })

  test.each([
    [{ workers: '1' }, 'nobody to collide with'],
    [{ workers: '65' }, '--workers'],
    [{ workers: '2.5' }, '--workers'],
    [{ think: '10' }, 'no unit'],
    [{ think: '-1ms' }, '--think'],
    [{ think: 'Infinity' }, '--think'],
    [{ think: '2m' }, '--think'],
    [{ ways: 'none,luck' }, '"luck" is none of'],
    [{ ways: '' }, '--ways'],
    [{ store: 'MEMORY:' }, 'cannot cross processes'],
  ])('%o is refused', (change, message) => {
    expect(() => readOptions(options, { ...given, ...change })).toThrow(message)
  })
})
