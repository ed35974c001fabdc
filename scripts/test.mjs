// Runs all tests, with the real stores that can run on this machine.
//
//   npm test                         starts what it can, lists what it cannot with the reason
//   STORES=redis,sentinel npm test   the same, but those named must run
//   npm test -- test/cli             arguments go to vitest
//
// The stores run in a directory and on ports of this run, and are gone when it ends; whatever `scripts/stores up` has
// started elsewhere is not touched. A store whose HOLDFAST_TEST_..._URL is set already is used as it is.
//
//   HOLDFAST_TEST_REPORT   a file for the figures of the run, as JSON
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the tests use, as `scripts/stores` calls it. */
const USED = ['redis', 'redis-aof', 'redis-password', 'redis-tls', 'redlock', 'pair', 'cluster', 'sentinel', 'valkey']
/** Always there. */
const EMBEDDED = ['memory', 'sqlite']

const root = fileURLToPath(new URL('..', import.meta.url))
const insisted = (process.env.STORES ?? '').split(',').filter(name => name !== '' && !EMBEDDED.includes(name))
/** A pair of servers has no address as a whole, only those of its members. */
const given = (name, variables) =>
  ['URL', 'URLS'].some(
    ending => variables[`HOLDFAST_TEST_${name.toUpperCase().replaceAll('-', '_')}_${ending}`] !== undefined,
  )

const unknown = insisted.filter(name => !USED.includes(name))
if (unknown.length > 0) {
  console.error(
    `STORES names ${unknown.join(', ')}, for which there are no tests. Known: ${[...EMBEDDED, ...USED].join(', ')}.`,
  )
  process.exit(2)
}

const home = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
const environment = { ...process.env, HOLDFAST_STORES_DIR: home, HOLDFAST_STORES_BASE: String(await freePorts()) }
const stores = (...words) => spawnSync(join(root, 'scripts', 'stores'), words, { env: environment, encoding: 'utf8' })

/** The first of 200 ports in a row that nobody listens on, below those that the system gives to clients. */
async function freePorts() {
  const bases = Array.from({ length: 60 }, (_, index) => 20_400 + 200 * index)
  for (const base of bases.toSorted(() => Math.random() - 0.5)) {
    const free = await Promise.all(Array.from({ length: 200 }, (_, offset) => isFree(base + offset)))
    if (free.every(Boolean)) return base
  }
  throw new Error('no 200 free ports in a row between 20400 and 32400')
}

function isFree(port) {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Starts what is not given by address; names that cannot run, with the reason. */
function startStores() {
  const reasons = {}
  const wanted = USED.filter(name => !given(name, process.env))
  if (wanted.length === 0) return reasons
  const { stdout, stderr, error } = stores('up', ...wanted)
  for (const [, name, reason] of `${stdout}`.matchAll(/^not run: ([^:]+): (.*)$/gm)) reasons[name] = reason
  for (const line of stores('env').stdout.split('\n')) {
    const [, name, value] = /^([A-Z0-9_]+)=(.*)$/.exec(line) ?? []
    if (name !== undefined) environment[name] = value
  }
  const absent = wanted.filter(name => !given(name, environment))
  for (const name of absent)
    reasons[name] ??= error?.message ?? (`${stderr}`.trim().split('\n').at(-1) || 'it did not start')
  console.log(`Stores: ${[...EMBEDDED, ...USED.filter(name => !absent.includes(name))].join(', ')}`)
  for (const name of absent) console.log(`Not run: ${name}: ${reasons[name]}`)
  return reasons
}

function end() {
  stores('down')
  rmSync(home, { recursive: true, force: true })
}

function vitest() {
  const program = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const child = spawn(process.execPath, [program, 'run', '--allowOnly=false', ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: environment,
    cwd: root,
  })
  // Ctrl-C reaches vitest by itself; this process stays to take the stores down.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
  return new Promise(resolve => child.on('exit', (code, signal) => resolve(signal === null ? code : 1)))
}

try {
  const reasons = startStores()
  environment.HOLDFAST_TEST_NOT_RUN = JSON.stringify(reasons)
  const missing = insisted.filter(name => !given(name, environment))
  for (const name of missing) console.error(`STORES names ${name}, which does not run: ${reasons[name]}`)
  process.exitCode = missing.length > 0 ? 1 : await vitest()
} finally {
  end()
}
