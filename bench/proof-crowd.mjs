// Dozens of processes on one SQLite file, from all of which each wants something at the same moment.
//
//   npm run proof:crowd [-- --processes 60]
//
// Four crowds. `holdfast run KEY -- true` with a key for each process: what starting and ending so many costs on this
// machine, whatever they do. The same with one key for all: each must come to hold and exit 0, in at most 1.5 times
// that time. One holder and a crowd of waiters behind it: what their waiting takes of the processors, read from /proc.
// And a crowd that opens the store as a library and takes one lock each: nobody may be refused.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { open } from '../dist/index.js'
import { judge, onStore, start, tell, told } from './proving.mjs'

const MOST_TIMES = 1.5
const MOST_OF_A_CORE = 0.2
/** Linux counts a process's time in hundredths of a second. */
const TICKS_PER_SECOND = 100
const SETTLE_MS = 5_000
const WATCHED_MS = 10_000

const holdfast = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const program = fileURLToPath(import.meta.url)
const [role, ...words] = process.argv.slice(2)
if (role === 'wait') await wait(...words)
else if (role === 'open') await openOnce(...words)
else await main()

async function main() {
  const { values } = parseArgs({ options: { processes: { type: 'string', default: '60' } } })
  const indices = Array.from({ length: Number(values.processes) }, (_, index) => index)
  await onStore(undefined, async store => {
    const apart = await runAll(store, indices, index => `proof:${index}`)
    const together = await runAll(store, indices, () => 'proof:one')
    const share = await waitAll(store, indices)
    const refused = await openAll(store, indices)
    const ratio = together.ms / apart.ms
    judge([
      [`as many keys as processes: all exit 0${failures(apart)}`, apart.failed.length === 0],
      [`one key for all: all exit 0${failures(together)}`, together.failed.length === 0],
      [`one key takes ${ratio.toFixed(2)} times as long, at most ${MOST_TIMES}`, ratio <= MOST_TIMES],
      [
        `waiting takes ${(share * 100).toFixed(1)} % of a core, under ${MOST_OF_A_CORE * 100} %`,
        share < MOST_OF_A_CORE,
      ],
      [`as a library all come to hold: ${refused} do not`, refused === 0],
    ])
  })
}

async function runAll(store, indices, keyOf) {
  const startedAt = performance.now()
  const ended = await Promise.all(indices.map(index => run(store, keyOf(index))))
  const ms = performance.now() - startedAt
  const keys = new Set(indices.map(keyOf)).size
  const load = loadavg()[0].toFixed(1)
  console.log(`${indices.length} times holdfast run, keys: ${keys}: ${Math.round(ms)} ms (load of the machine ${load})`)
  return { ms, failed: ended.filter(({ code }) => code !== 0) }
}

/** One `holdfast run KEY -- true`; what it said, too, if it failed. */
function run(store, key) {
  const child = spawn(process.execPath, [holdfast, 'run', '--store', store, key, '--', 'true'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', piece => (said += piece))
  return new Promise(resolve => child.once('close', code => resolve({ code, said })))
}

function failures({ failed }) {
  return failed.map(({ code, said }) => `\n  exit ${code}: ${said.trim()}`).join('')
}

/** The part of a core that all of them take together while they wait. */
async function waitAll(store, indices) {
  const holder = await open(store)
  const lease = await holder.acquire('proof:held')
  const waiters = indices.map(() => start(program, ['wait', store]))
  await Promise.all(waiters.map(child => child.next('waiting')))
  await setTimeout(SETTLE_MS)
  const before = cpuSeconds(waiters)
  await setTimeout(WATCHED_MS)
  const share = ((cpuSeconds(waiters) - before) * 1_000) / WATCHED_MS
  await lease.release()
  await Promise.all(waiters.map(child => child.ended))
  await holder.close()
  return share
}

function cpuSeconds(children) {
  const ticks = children.map(({ pid }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  })
  return ticks.reduce((sum, count) => sum + count, 0) / TICKS_PER_SECOND
}

async function openAll(store, indices) {
  const crowd = indices.map(() => start(program, ['open', store]))
  await Promise.all(crowd.map(child => child.next('ready')))
  const results = Promise.all(crowd.map(child => child.next('result')))
  for (const child of crowd) child.say('go')
  const refused = (await results).filter(({ error }) => error !== null)
  for (const { error } of refused) console.log(error)
  return refused.length
}

async function wait(store) {
  const locks = await open(store)
  locks.on('waiting', () => void tell({ type: 'waiting' }))
  await locks.run('proof:held', () => {})
  await locks.close()
  process.disconnect()
}

async function openOnce(store) {
  await tell({ type: 'ready' })
  await told('go')
  const error = await open(store)
    .then(locks => locks.run(`proof:${process.pid}`, () => {}).then(() => locks.close()))
    .then(
      () => null,
      cause => String(cause),
    )
  await tell({ type: 'result', error })
  process.disconnect()
}
