// npm run bench -- NAME... [OPTIONS]: builds, and runs bench/NAME.mjs, one after the other.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MEASURED = ['consul', 'etcd', 'memcached', 'memory', 'mysql', 'postgres', 'redis', 'sqlite', 'zookeeper']
const words = process.argv.slice(2)
const end = words.findIndex(word => !MEASURED.includes(word))
const names = end < 0 ? words : words.slice(0, end)
const options = end < 0 ? [] : words.slice(end)
if (names.length === 0 || options[0]?.startsWith('-') === false) {
  console.error(`What is measured: ${MEASURED.join(', ')}. For example: npm run bench -- redis --only solo,spread`)
  process.exit(64)
}
const at = path => fileURLToPath(new URL(path, import.meta.url))
const run = (...args) => spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
const built = run(at('../scripts/build.mjs'), '--if-stale')
if (built !== 0 || !existsSync(at('../dist/index.js'))) process.exitCode = 1
else for (const name of names) process.exitCode = run('--expose-gc', at(`${name}.mjs`), ...options) || process.exitCode
