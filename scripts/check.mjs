// What must hold before each commit: form, types, arrows, quick tests, and the package as a user would get it.
//
//   npm run check                every step; all of them run, and what failed is shown at the end
//   npm run check -- --static    without the tests
//   npm run check -- lint knip   only these steps
//
// A checker that finds nothing to check says "no problems" too. So each step has a `checked`, which reads from the
// output how much was looked at, and a step that looked at nothing has failed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { name, version, exports, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entrypoints = Object.keys(exports).filter(path => path !== './package.json')

const scratch = mkdtempSync(join(tmpdir(), 'holdfast-check-'))
const tarball = join(scratch, `${name}-${version}.tgz`)
/**
 * A script of package.json, where formatter and linter are told their folders: left to themselves they would walk
 * through node_modules.
 */
const script = (title, ...more) => [...scripts[title].split(' '), ...more]
const number = pattern => output => Number(pattern.exec(output)?.[1] ?? 0)
const count = pattern => output => output.match(pattern)?.length ?? 0

const STEPS = [
  { step: 'format', command: script('format', '--check'), checked: number(/on (\d+) files/) },
  { step: 'lint', command: script('lint'), checked: number(/on (\d+) files/) },
  {
    step: 'types',
    command: ['tsc', '-p', 'tsconfig.json', '--listFiles'],
    checked: count(/^(?!.*node_modules).*\.ts$/gm),
    quiet: /^\/.*\.m?ts\n/gm,
  },
  {
    step: 'knip',
    command: [
      'knip',
      '--no-progress',
      '--treat-config-hints-as-errors',
      '--reporter',
      'symbols',
      '--reporter',
      './scripts/knip-count.mjs',
    ],
    checked: number(/(\d+) files read/),
  },
  {
    step: 'build',
    command: [process.execPath, 'scripts/build.mjs'],
    checked: () => count(/\.js"/g)(JSON.stringify(Object.values(exports))),
  },
  {
    step: 'pack',
    command: ['npm', 'pack', '--ignore-scripts', '--pack-destination', scratch, '--json'],
    checked: count(/"path": "dist\/.*\.js"/g),
    quiet: /^[^]*$/,
  },
  { step: 'publint', command: ['publint', 'run', '--strict', tarball], checked: count(/All good!/g) },
  {
    step: 'attw',
    command: [
      'attw',
      tarball,
      '--profile',
      'esm-only',
      '--format',
      'table-flipped',
      '--no-color',
      '--no-emoji',
      '--entrypoints',
      ...entrypoints,
    ],
    checked: output => (entrypoints.every(path => output.includes(`"${join(name, path)}"`)) ? entrypoints.length : 0),
  },
  {
    step: 'tests',
    command: ['vitest', 'run', '--project', 'quick', '--allowOnly=false'],
    checked: number(/Tests .*?(\d+) passed/),
  },
]

function run({ step, command, checked, quiet }) {
  const [program, ...rest] = command
  const began = performance.now()
  const environment = {
    ...process.env,
    NO_COLOR: '1',
    PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`,
  }
  delete environment.FORCE_COLOR
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    cwd: root,
    env: environment,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  const output = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`
  const amount = checked(output)
  const good = status === 0 && amount > 0
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  console.log(
    `${good ? 'ok  ' : 'FAIL'} ${step.padEnd(8)} ${String(amount).padStart(5)} checked ${seconds.padStart(6)} s`,
  )
  if (good) return []
  const shown = status === 0 ? '' : output.replace(quiet ?? /^$/, '').trim()
  return [`--- ${step}: ${status === 0 ? 'it succeeded, but found nothing to check' : `exit ${status}`}\n${shown}`]
}

const words = process.argv.slice(2)
const named = words.filter(word => !word.startsWith('--'))
const unknown = [
  ...named.filter(word => !STEPS.some(({ step }) => step === word)),
  ...words.filter(word => word.startsWith('--') && word !== '--static'),
]
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(' ')}. Steps: ${STEPS.map(({ step }) => step).join(' ')}; or --static`)
  process.exit(2)
}
const chosen = STEPS.filter(
  ({ step }) => (named.length === 0 || named.includes(step)) && !(words.includes('--static') && step === 'tests'),
)
const failures = chosen.flatMap(run)
rmSync(scratch, { recursive: true, force: true })
for (const failure of failures) console.log(`\n${failure}`)
console.log(`\n${chosen.length - failures.length} steps passed, ${failures.length} failed`)
process.exitCode = failures.length === 0 ? 0 : 1
