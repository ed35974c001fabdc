// Compiles src into dist.
//
//   node scripts/build.mjs             compile
//   node scripts/build.mjs --if-stale  compile only if something in src is newer than dist
//
// The compiler writes beside dist, then each changed file is moved in whole: a program that runs from dist, another
// build included, never meets half a file or an empty folder. Files of an earlier layout are removed. With type errors
// the output is complete all the same (tests may want it), and the exit code is 1.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const PROGRAMS = ['cli/main.js']

const everything = folder => readdirSync(folder, { recursive: true }).map(name => join(folder, name))
const changedAt = path => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** dist carries the time at which its compilation began, so that what was saved meanwhile counts as newer. */
function isStale() {
  const sources = [
    join(root, 'src'),
    ...everything(join(root, 'src')),
    join(root, 'tsconfig.json'),
    join(root, 'tsconfig.build.json'),
  ]
  return sources.some(path => changedAt(path) >= changedAt(dist))
}

function build() {
  const began = new Date()
  const fresh = join(root, 'node_modules', '.cache', `holdfast-build-${process.pid}`)
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', fresh], {
    stdio: 'inherit',
    cwd: root,
  })
  if (!existsSync(fresh)) throw new Error('the compiler wrote nothing')

  const files = readdirSync(fresh, { recursive: true }).filter(name => statSync(join(fresh, name)).isFile())
  for (const name of files) moveIn(join(fresh, name), join(dist, name), PROGRAMS.includes(name) ? 0o755 : 0o644)
  const wanted = new Set(files.map(name => join(dist, name)))
  for (const path of everything(dist))
    if (statSync(path, { throwIfNoEntry: false })?.isFile() && !wanted.has(path)) rmSync(path, { force: true })
  rmSync(fresh, { recursive: true })
  utimesSync(dist, began, began)
  return status ?? 1
}

function moveIn(from, to, mode) {
  if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) return
  mkdirSync(dirname(to), { recursive: true })
  chmodSync(from, mode)
  renameSync(from, to)
}

process.exitCode = process.argv.includes('--if-stale') && existsSync(dist) && !isStale() ? 0 : build()
