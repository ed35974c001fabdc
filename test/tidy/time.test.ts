/** Time and timers have one home, so that a test or the simulation can put its own clock in. */
import { expect, test } from 'vitest'
import { codeOnly, importsOf, librarySources, linesThat } from './sources.ts'

const HOME = 'src/base/clock.ts'
const TIME = /\b(setTimeout|setInterval|Date\.now|performance\.now|process\.hrtime)\b|\bnew Date\(\)/

const code = librarySources().map(({ path, text }) => ({ path, text: codeOnly(text) }))

test('timers and clocks are used in base/clock.ts alone', () => {
  expect(linesThat(code, TIME).some(line => line.startsWith(`${HOME}:`))).toBe(true)
  expect(linesThat(code, TIME).filter(line => !line.startsWith(`${HOME}:`))).toEqual([])
})

test('nobody imports timers from Node', () => {
  const modules = ['node:timers', 'node:timers/promises', 'node:perf_hooks', 'timers', 'timers/promises', 'perf_hooks']
  const wrong = librarySources().filter(
    ({ path, text }) => path !== HOME && importsOf(text).some(({ specifier }) => modules.includes(specifier)),
  )
  expect(wrong.map(({ path }) => path)).toEqual([])
})
