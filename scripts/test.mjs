// Runs the tests.
//
//   npm test                                what needs no server: memory, SQLite, the simulation, processes
//   npm run test:all                        that, and all stores that can run on this machine, started for the run
//   npm run test:all -- redis postgres      that, and the tests of these drivers (or stores), which must run
//   npm run test:all -- --stores-only ...   without what needs no server
//   npm run test:all -- --insist            every store that `scripts/stores install` can get must run
//
// More arguments, such as `test/cli` or `-t words`, go to vitest. Stores that do not run are listed with the reason.
// They run in a directory and on ports of this run, and are gone when it ends; whatever `scripts/stores up` has started
// elsewhere is not touched. A store whose HOLDFAST_TEST_..._URL is set already is used as it is.
//
//   HOLDFAST_TEST_REPORT   a file for the figures of the run, as JSON
//   HOLDFAST_TEST_AGAIN    with a report: who failed, and then passes so many times alone, does not fail the run
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { again } from './again.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs'), '--if-stale'], { stdio: 'inherit' })
const { createFleet, variable } = await import('../dist/servers/fleet.js')
const { canBeHad } = await import('../dist/servers/find.js')
const { isFree } = await import('../dist/servers/ports.js')

const SERVERLESS = ['quick', 'sim', 'process']
const WITH_STORES = ['suites', 'slow']
const OPTIONS = ['--all', '--stores-only', '--insist']

const words = process.argv.slice(2)
const [all, storesOnly, insist] = OPTIONS.map(option => words.includes(option))
const environment = { ...process.env }
const given = name => ['URL', 'URLS'].some(ending => environment[variable(name, ending)] !== undefined)

/** The first of 200 ports in a row that nobody listens on, below those that the system gives to clients. */
async function freePorts() {
  const bases = Array.from({ length: 60 }, (_, index) => 20_400 + 200 * index)
  for (const base of bases.toSorted(() => Math.random() - 0.5)) {
    const free = await Promise.all(Array.from({ length: 200 }, (_, offset) => isFree(base + offset)))
    if (free.every(Boolean)) return base
  }
  throw new Error('no 200 free ports in a row between 20400 and 32400')
}

/** A driver has tests if a file is called after it: NAME.* or NAME-* in one of these folders. */
function testsOf(driver) {
  return ['test/drivers', 'test/model', 'test/sql'].flatMap(folder =>
    readdirSync(join(root, folder))
      .filter(file => new RegExp(`^${driver}[.-].*slow\\.test\\.ts$`).test(file))
      .map(file => `${folder}/${file}`),
  )
}

const home = join(tmpdir(), `holdfast-test-${randomUUID()}`)
const fleet = createFleet({
  folder: home,
  base: all ? await freePorts() : 0,
  say: () => {},
  complain: line => console.error(line),
})
const drivers = [...new Set(fleet.stores.map(({ driver }) => driver))]
const tested = drivers.filter(driver => testsOf(driver).length > 0)
/** Of a driver, a group or a store. */
const storesOf = name =>
  drivers.includes(name) ? fleet.stores.filter(({ driver }) => driver === name) : fleet.chosen([name])

/** Words that could be names, and no values of options: `-t words`. */
const isName = (word, index) => /^[a-z][\w-]*$/.test(word) && !/^-\w/.test(words[index - 1] ?? '')
const names = all ? words.filter(isName) : []
const forVitest = words.filter(word => !names.includes(word) && !OPTIONS.includes(word))
for (const name of names) {
  if (storesOf(name).some(({ driver }) => tested.includes(driver))) continue
  console.error(`There are no tests for ${name}. Drivers with tests on stores: ${tested.join(', ')}.`)
  process.exit(2)
}

/** What tests ask for: a group by its name, and a store that is in none. */
function namesOf(stores) {
  const groupOf = name => fleet.groups.find(({ members }) => members.includes(name))?.name ?? name
  return [...new Set(stores.map(({ name }) => groupOf(name)))]
}

/** Starts what is not given by address. What must run and does not is in the answer. */
async function startStores() {
  const wanted = (names.length > 0 ? names : tested).flatMap(storesOf)
  const missing = wanted.filter(({ name }) => !namesOf([{ name }]).some(given))
  const reasons = Object.fromEntries(
    missing.flatMap(store => (fleet.obstacle(store) === null ? [] : [[namesOf([store])[0], fleet.obstacle(store)]])),
  )
  await fleet.up(fleet.chosen(missing.map(({ name }) => name)).filter(store => fleet.obstacle(store) === null))
  Object.assign(environment, fleet.variables())
  const absent = namesOf(wanted).filter(name => !given(name))
  for (const name of absent) reasons[name] ??= 'it did not start'
  const elsewhere = namesOf(fleet.stores.filter(store => !wanted.includes(store)))
  for (const name of elsewhere) reasons[name] ??= names.length > 0 ? 'it was not asked for' : 'no test needs it'
  console.log(`Stores: ${namesOf(wanted).filter(given).join(', ')}`)
  for (const reason of new Set(Object.values(reasons))) {
    const those = Object.keys(reasons).filter(name => reasons[name] === reason && !given(name))
    if (those.length > 0) console.log(`Not run: ${those.join(', ')}: ${reason}`)
  }

  const must = names.length > 0 ? wanted : insist ? fleet.stores.filter(({ kind }) => canBeHad(kind)) : []
  environment.HOLDFAST_TEST_INSISTED = namesOf(must).join(',')
  environment.HOLDFAST_TEST_NOT_RUN = JSON.stringify(reasons)
  return absent.filter(name => namesOf(must).includes(name))
}

// Ctrl-C reaches vitest by itself; this process stays to take the stores down.
let running = null
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    interrupted = true
    if (signal !== 'SIGINT') running?.kill(signal)
  })

/** Resolves with the exit code. */
async function tests(projects, ...files) {
  // A file that is named is in one of the two runs.
  const named = all && forVitest.length > 0 ? ['--passWithNoTests'] : []
  const chosen = projects.flatMap(project => ['--project', project])
  const code = await vitest([...chosen, ...named, ...files, ...forVitest])
  const { HOLDFAST_TEST_REPORT: report, HOLDFAST_TEST_AGAIN: times } = process.env
  if (code === 0 || report === undefined || times === undefined) return code
  const alone = ({ file, name }, own) =>
    vitest([...chosen, file, '-t', `^${literally(name)}$`], { ...environment, HOLDFAST_TEST_REPORT: own })
  return (await again(report, Number(times), alone)) ? 0 : code
}

/** A pattern that is this text and no other. */
const literally = text => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)

/** Resolves with the exit code. */
function vitest(words, env = environment) {
  if (interrupted) return 130
  const program = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const child = spawn(process.execPath, [program, 'run', '--allowOnly=false', ...words], {
    stdio: 'inherit',
    env,
    cwd: root,
  })
  running = child
  child.on('error', error => console.error(error.message))
  return new Promise(resolve => child.on('exit', (code, signal) => resolve(signal === null ? code : 1)))
}

async function withStores() {
  const missing = await startStores()
  for (const name of missing) console.error(`${name} must run, and does not: see above`)
  const files =
    names.length === 0 ? [] : [...new Set(names.flatMap(storesOf).map(({ driver }) => driver))].flatMap(testsOf)
  const code = await tests(WITH_STORES, ...files)
  return missing.length > 0 ? 1 : code
}

try {
  const codes = [storesOnly ? 0 : await tests(SERVERLESS), all ? await withStores() : 0]
  process.exitCode = Math.max(...codes)
} finally {
  if (all) await fleet.down(fleet.stores)
  rmSync(home, { recursive: true, force: true })
}
