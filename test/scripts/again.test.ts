/** What CI makes of a test that failed: scripts/again.mjs. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/again.mjs', import.meta.url))

/** Each next try of the test that failed: what vitest exits with, and how many tests ran and passed. */
const PROGRAM = `
  const [script, path, tries] = process.argv.slice(1)
  const { again } = await import(script)
  const { writeFileSync } = await import('node:fs')
  const left = JSON.parse(tries)
  const good = await again(path, 3, (failure, own) => {
    const { code, passed } = left.shift()
    writeFileSync(own, JSON.stringify({ numPassedTests: passed }))
    return Promise.resolve(code)
  })
  console.log(JSON.stringify({ good, left: left.length }))
`
const PASSED = { code: 0, passed: 1 }
const FAILED = { code: 1, passed: 0 }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-again-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const failed = (fullName: string): object => ({ fullName, status: 'failed' })

/** A report of ten tests of one file, of which these failed, judged by what the next tries did. */
function judge(failures: readonly object[], tries: readonly object[]): { said: string; report: unknown } {
  const path = join(folder, 'report.json')
  const file = { name: 'some.test.ts', status: 'failed', assertionResults: failures }
  const figures = { numFailedTests: failures.length, numPassedTests: 10 - failures.length }
  writeFileSync(path, JSON.stringify({ ...figures, testResults: [file] }))
  const words = ['--input-type=module', '-e', PROGRAM, script, path, JSON.stringify(tries)]
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  return { said: stdout + stderr, report: JSON.parse(readFileSync(path, 'utf8')) }
}

describe('a test that failed', () => {
  test('and then passes three times alone is named, and counted as passed', () => {
    const { said, report } = judge([failed('of two > one')], [PASSED, PASSED, PASSED])
    expect(said).toContain('Failed once, and passed 3 times alone: of two > one')
    expect(said).toContain('{"good":true,"left":0}')
    expect(report).toMatchObject({ numFailedTests: 0, numPassedTests: 10 })
  })

  test('and fails again is a failure at once', () => {
    const { said, report } = judge([failed('one')], [PASSED, FAILED, PASSED])
    expect(said).toBe('{"good":false,"left":1}\n')
    expect(report).toMatchObject({ numFailedTests: 1, numPassedTests: 9 })
  })

  test('and is not found any more has not passed', () => {
    const { said } = judge([failed('one')], [{ code: 0, passed: 0 }])
    expect(said).toBe('{"good":false,"left":0}\n')
  })

  test('beside one that fails again does not save the run', () => {
    const { said, report } = judge([failed('one'), failed('two')], [PASSED, PASSED, PASSED, FAILED])
    expect(said).toContain('{"good":false,"left":0}')
    expect(report).toMatchObject({ numFailedTests: 1, numPassedTests: 9 })
  })

  test('with five others is not run again', () => {
    const { said } = judge(['1', '2', '3', '4', '5', '6'].map(failed), [PASSED])
    expect(said).toBe('{"good":false,"left":1}\n')
  })
})

test('a file that failed without a test that did is not run again', () => {
  expect(judge([], [PASSED]).said).toBe('{"good":false,"left":1}\n')
})
