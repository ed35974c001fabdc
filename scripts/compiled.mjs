// Runs a program of the tests as node can: compiled, with the sources as they are, into a directory that goes again.
import { spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

/** Compiles `test/NAME` by its tsconfig.json, and runs its main.ts with the arguments of this process. */
export async function runCompiled(name) {
  const built = join(root, 'node_modules', '.cache', `holdfast-${name}-${process.pid}`)
  // Ctrl-C reaches the program by itself; this process stays to clean up.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child?.kill(signal))
  let child
  try {
    const compile = [compiler, '-p', `test/${name}/tsconfig.json`, '--outDir', built]
    const { status } = spawnSync(process.execPath, compile, { stdio: 'inherit', cwd: root })
    if (status !== 0) return 1
    const program = [join(built, 'test', name, 'main.js'), ...process.argv.slice(2)]
    child = spawn(process.execPath, program, { stdio: 'inherit' })
    return await new Promise(resolve => child.on('exit', code => resolve(code ?? 1)))
  } finally {
    rmSync(built, { recursive: true, force: true })
  }
}
