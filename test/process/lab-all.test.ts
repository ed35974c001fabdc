/** All experiments one after the other, on a machine that has nothing but Node: as somebody sees them who tries. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { experiments } from '../../src/lab/experiments/index.ts'
import { readOptions, presets } from '../../src/lab/options.ts'
import { createBench } from '../support/lab.ts'
import type { Bench, Verdict } from '../support/lab.ts'

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

interface Listed {
  readonly name: string
  readonly needs: string
  readonly missing: string | null
}

/** Without a PATH no server is found. */
function nothingButNode(): NodeJS.ProcessEnv {
  const path = bench.site.path('no-programs')
  mkdirSync(path, { recursive: true })
  return { PATH: path, HOLDFAST_TOOLS_DIR: path, TMPDIR: bench.site.path('tmp') }
}

test('the list has each with its question, its source, how long it takes and what it needs', async () => {
  const { code, stdout, stderr } = await bench.run()
  for (const { name, question, source, takesS, needs } of experiments) {
    expect(stdout).toContain(`${name} `)
    for (const part of [question, source, `${takesS} s, needs ${needs.told}`]) expect(stdout).toContain(part)
  }
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { experiments: listed } = JSON.parse((await bench.run('--json')).stdout)
  expect(listed.map(({ name }: Listed) => name)).toEqual(experiments.map(({ name }) => name))
  expect(listed[0]).toMatchObject({ takesS: expect.any(Number), ways: expect.any(Object), missing: null })
})

test('all that need no server are run, the others say what they need, and nothing is left behind', async () => {
  const report = bench.site.path('pages')
  const args = ['lab', '--all', '--json', '--report', report]
  const { code, stdout, stderr } = await bench.site.holdfast(args, { env: nothingButNode() })
  const all = JSON.parse(stdout)
  const as = (word: string): readonly string[] =>
    all.experiments.filter((one: { readonly as: string }) => one.as === word).map((one: Verdict) => one.experiment)
  const alone = experiments.filter(({ needs }) => needs.told === 'nothing').map(({ name }) => name)
  const failed = all.experiments.flatMap((one: Verdict) => (one.findings ?? []).filter(({ holds }) => !holds))
  expect(failed).toEqual([])
  expect(as('passed')).toEqual(alone)
  expect(as('not run')).toEqual(experiments.map(({ name }) => name).filter(name => !alone.includes(name)))
  for (const one of all.experiments.filter(({ as }: { as: string }) => as === 'not run'))
    expect(one.why).toMatch(/not on the PATH|not there/)
  expect({ code, stderr, passed: all.passed, left: bench.leftBehind() }).toEqual({
    code: 0,
    stderr: '',
    passed: true,
    left: [],
  })
  const index = readFileSync(join(report, 'index.html'), 'utf8')
  const linked = [...index.matchAll(/<a href="([\w-]+\.html)">/g)].map(([, page = '']) => page)
  expect(linked).toEqual(alone.map(name => `${name}.html`))
  for (const page of linked) expect(readFileSync(join(report, page), 'utf8')).toContain('showed what it must')
}, 900_000)

describe('a page of one experiment', () => {
  test('is refused before anything is run where it cannot be written', async () => {
    for (const path of [bench.site.folder, bench.site.path('nowhere/page.html')]) {
      const { code, stdout, stderr } = await bench.run('withdrawal', '--report', path)
      expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
      expect(stderr).toContain(`--report: "${path}" cannot be written`)
    }
  })

  test('is not written by a run that was ended early', async () => {
    const path = bench.site.path('page.html')
    const args = ['withdrawal', '--rounds', '1000', '--ways', 'none', '--report', path]
    const { finished } = await bench.interrupt('sees a balance', ...args)
    expect(finished.code).toBe(130)
    expect(readdirSync(bench.site.folder)).toEqual(['tmp'])
  })
})

test('Ctrl-C ends the one that runs, and all, and leaves neither processes nor files', async () => {
  const { finished, leftOver } = await bench.interrupt('ok', '--all')
  expect({ code: finished.code, leftOver, left: bench.leftBehind() }).toEqual({ code: 130, leftOver: [], left: [] })
  expect(finished.stdout).toContain('Ended early by SIGINT')
})

test('--full without --all is a mistake, and a mistyped name is answered with the one that was meant', async () => {
  expect(await bench.run('--report', 'x')).toMatchObject({ code: 64 })
  expect(await bench.run('--full')).toMatchObject({ code: 64, stderr: expect.stringContaining('goes with --all') })
  expect(await bench.run('withdrawl')).toMatchObject({ code: 64, stderr: expect.stringContaining('mean withdrawal?') })
  expect(await bench.run('--al')).toMatchObject({ code: 64, stderr: expect.stringContaining('mean --all?') })
})

describe.each(experiments.map(experiment => [experiment.name, experiment] as const))('%s', (_name, { options }) => {
  test('keeps the ratios of its times, in brief and in full', () => {
    const isScaled = ([name, { brief, full }]: (typeof all)[number]): boolean =>
      name.endsWith('Ms') && (brief !== undefined || full !== undefined)
    const all = Object.entries(options)
    const times = Object.fromEntries(all.filter(isScaled))
    const of = (pace: 'brief' | 'full'): readonly number[] =>
      Object.values(readOptions(times, presets(times, pace))).map(Number)
    const [brief, full] = [of('brief'), of('full')]
    const ratios = brief.map((short, index) => (full[index] ?? Number.NaN) / short)
    expect(new Set(ratios).size).toBeLessThanOrEqual(1)
  })
})
