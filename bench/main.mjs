// npm run bench -- NAME [OPTIONS]: builds, and runs bench/NAME.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MEASURED = ['memory', 'postgres', 'redis', 'sqlite']
const [name = '', ...options] = process.argv.slice(2)
if (!MEASURED.includes(name)) {
  console.error(`What is measured: ${MEASURED.join(', ')}. For example: npm run bench -- redis --only solo,spread`)
  process.exit(64)
}
const at = path => fileURLToPath(new URL(path, import.meta.url))
const run = (...words) => spawnSync(process.execPath, words, { stdio: 'inherit' }).status ?? 1
const built = run(at('../scripts/build.mjs'), '--if-stale')
process.exitCode =
  built !== 0 || !existsSync(at('../dist/index.js')) ? 1 : run('--expose-gc', at(`${name}.mjs`), ...options)
