/** The tour: what it says of a guess, and what it recommends. */
import { describe, expect, test } from 'vitest'
import { advise, TYPICAL } from '../../src/lab/advice.ts'
import type { Answers } from '../../src/lab/advice.ts'
import { experimentNamed } from '../../src/lab/experiments/index.ts'
import { compared, STEPS } from '../../src/lab/tour-steps.ts'

describe('a guess', () => {
  test.each([
    ['10000', '10000'],
    ['10,000', '10000'],
    ['Yes', 'yes'],
    ['y', 'yes'],
    ['950', '985.4 ms'],
    ['1000 ms', '985.4 ms'],
  ])('%s is right for %s', (guess, answer) => {
    expect(compared(guess, answer)).toEqual([`You said ${guess}, and so it was.`])
  })

  test.each([
    ['5000', '10000'],
    ['no', 'yes'],
    ['0', '985.4 ms'],
    ['never', '985.4 ms'],
    ['79', '40'],
  ])('%s is not right for %s', (guess, answer) => {
    expect(compared(guess, answer)).toEqual([`You said ${guess}: it was ${answer}.`])
  })

  test('that was not made is not told', () => {
    expect(compared('', '10000')).toEqual([])
  })
})

test.each(STEPS.map(step => [step.experiment, step] as const))('%s is there, with its ways', (name, { ways }) => {
  expect(Object.keys(experimentNamed(name)?.ways ?? {})).toEqual(expect.arrayContaining([...ways]))
  expect(experimentNamed(name)?.needs.told).toBe('nothing')
})

describe('what it recommends', () => {
  const figure = (way: string, column: string): string => `<${way} ${column}>`
  const said = (change: Partial<Answers>): string => advise({ ...TYPICAL, ...change }, figure).join('\n')

  test('says what was lost on this machine, whatever it recommends', () => {
    for (const change of [{}, { breaks: false }, { distributed: false }, { patient: false }])
      expect(said(change)).toContain('<none lost> of <none succeeded>')
  })

  test('nothing, where wrong data breaks nothing', () => {
    expect(said({ breaks: false })).toContain('Leave it out.')
    expect(said({ contended: false, hidden: false, survives: true })).toContain('Leave it out.')
    expect(said({})).not.toContain('Leave it out.')
  })

  test('a row lock to who can wait, a version to who cannot, with what they cost here', () => {
    expect(said({})).toContain('row lock. An update took <row-lock average>')
    expect(said({ patient: false })).toContain('<version errors> of <version attempted> were refused')
  })

  test('no server to one process, a lock for what goes beyond a database, a fence where it must hold', () => {
    expect(said({ distributed: false })).toContain("open('memory:')")
    expect(said({})).toContain('take a lock: <mutex average>')
    expect(said({})).toContain('fence()')
    expect(said({ hidden: false, survives: true })).not.toContain('fence()')
  })
})
