// Puts bugs into the core, the rule and the lease sets, one at a time, and tells which of them no test notices. Not
// part of `npm test`: it takes about half an hour on two cores, and what survives wants a person to judge it.
//
//   npm run mutants                             all of it
//   npm run mutants -- src/core/window.ts       some files; a range of lines: src/core/lease.ts:60-90
//   npm run mutants -- FILE... --concurrency 1  options of StrykerJS come last
//
// The simulation (`npm run sim`) is too long to run against each; it has mutants of its own (test/sim/mutants.ts).
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tool = `${root}scripts/mutants/node_modules/@stryker-mutator/core/bin/stryker.js`

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

// Its vitest is the one of the root: a second one would not find the tests of the first.
if (!existsSync(tool))
  run('npm', ['ci', '--prefix', 'scripts/mutants', '--legacy-peer-deps', '--no-audit', '--no-fund'])
const words = process.argv.slice(2)
const end = words.findIndex(word => word.startsWith('-'))
const files = end < 0 ? words : words.slice(0, end)
const only = files.length === 0 ? [] : ['--mutate', files.join(',')]
run(process.execPath, [tool, 'run', 'scripts/mutants/stryker.config.json', ...only, ...words.slice(files.length)])
