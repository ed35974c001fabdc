// Compiles src into dist from nothing, so that no file of an earlier layout is left behind, and makes the command executable.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, rmSync } from 'node:fs'

const compiler = new URL('../node_modules/typescript/bin/tsc', import.meta.url).pathname
const dist = new URL('../dist/', import.meta.url).pathname
rmSync(dist, { recursive: true, force: true })
execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { stdio: 'inherit', cwd: new URL('..', import.meta.url).pathname })
for (const program of ['cli/main.js']) if (existsSync(dist + program)) chmodSync(dist + program, 0o755)
