// The simulation from the command line: compiles it, with the sources as they are, and runs it.
//
//   npm run sim                       2,000 seeds
//   npm run sim -- --seeds 20000      more
//   npm run sim -- --from 5001        other ones
//   npm run sim -- --seed 4711        one again, with its trace (--lines 200: its last so many lines)
//   npm run sim -- --keep-going       does not stop at the first that fails
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const built = join(root, 'node_modules', '.cache', `holdfast-sim-${process.pid}`)
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const compile = ['-p', 'test/sim/tsconfig.json', '--outDir', built]

try {
  const { status } = spawnSync(process.execPath, [compiler, ...compile], { stdio: 'inherit', cwd: root })
  process.exitCode =
    status === 0
      ? (spawnSync(process.execPath, [join(built, 'test', 'sim', 'main.js'), ...process.argv.slice(2)], {
          stdio: 'inherit',
        }).status ?? 1)
      : 1
} finally {
  rmSync(built, { recursive: true, force: true })
}
