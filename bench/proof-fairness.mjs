// Four processes of eight tasks each on one key, in arrival order over all (`fair: 'strict'`).
//
//   npm run proof:fairness [-- --store URL --seconds 10]
//
// Each section reads a number from a file, lets others run, and writes the number plus one: what two at once would lose
// is lost. Every section's beginning and end are taken from the clock that all processes of a host share. Judged: no
// two sections overlap, no update is lost, tokens grow in the order of the sections, and the most fortunate task has
// had at most 1.25 times what the least fortunate had. Printed beside: waits, and the longest stall of an event loop,
// with that of a process that does nothing, since a busy machine stalls everybody.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { open } from '../dist/index.js'
import { hostNow, judge, onStore, quantile, start, tell, told } from './proving.mjs'

const PROCESSES = 4
const TASKS = 8
const MOST_TO_FEWEST = 1.25
const STALL_GOAL_MS = 100
const PROBE_MS = 5
const KEY = 'proof:fairness'

const program = fileURLToPath(import.meta.url)
const [role, ...words] = process.argv.slice(2)
if (role === 'worker') await worker(...words)
else if (role === 'idle') await idle()
else await main()

async function main() {
  const { values } = parseArgs({ options: { store: { type: 'string' }, seconds: { type: 'string', default: '10' } } })
  await onStore(values.store, async (store, directory) => {
    const file = join(directory, 'number')
    writeFileSync(file, '0')
    const workers = Array.from({ length: PROCESSES }, () => start(program, ['worker', store, file]))
    const control = start(program, ['idle'])
    await Promise.all([...workers, control].map(child => child.next('ready')))
    for (const child of [...workers, control]) child.say('go')
    await setTimeout(Number(values.seconds) * 1_000)
    const results = Promise.all(workers.map(child => child.next('result')))
    const idleResult = control.next('result')
    for (const child of [...workers, control]) child.say('stop')
    report(await results, (await idleResult).stallMs, Number(readFileSync(file, 'utf8')), Number(values.seconds), store)
  })
}

function report(results, idleStallMs, number, seconds, store) {
  const sections = results.flatMap(({ sections }) => sections).toSorted((a, b) => a.from - b.from)
  const counts = results.flatMap(({ counts }) => counts)
  const waits = sections.map(({ waitedMs }) => waitedMs)
  const pairs = sections.slice(1).map((section, index) => [sections[index], section])
  const overlaps = pairs.filter(([before, after]) => after.from < before.to).length
  const shrinking = pairs.filter(([before, after]) => after.token <= before.token).length
  const ratio = Math.max(...counts) / Math.min(...counts)
  const stallMs = Math.max(...results.map(result => result.stallMs))

  console.log(`${PROCESSES} processes x ${TASKS} tasks on one key for ${seconds} s, strict, ${store.split(':')[0]}`)
  console.log(`sections  ${sections.length}, ${Math.round(sections.length / seconds)} a second`)
  console.log(
    `waits     median ${quantile(waits, 0.5).toFixed(1)} ms, p99 ${quantile(waits, 0.99).toFixed(1)} ms, longest ${Math.max(...waits).toFixed(1)} ms`,
  )
  console.log(
    `longest stall of an event loop  ${stallMs.toFixed(1)} ms, of an idle process meanwhile ${idleStallMs.toFixed(1)} ms (goal: under ${STALL_GOAL_MS} ms)`,
  )
  judge([
    [`no two sections overlap: ${overlaps} do`, overlaps === 0 && sections.length > 0],
    [`no update is lost: ${sections.length - number} of ${sections.length} are`, number === sections.length],
    [`tokens grow from section to section: ${shrinking} do not`, shrinking === 0],
    [
      `most : fewest sections of a task ${Math.max(...counts)} : ${Math.min(...counts)} = ${ratio.toFixed(3)}, at most ${MOST_TO_FEWEST}`,
      ratio < MOST_TO_FEWEST,
    ],
  ])
}

async function worker(store, file) {
  const locks = await open(store, { fair: 'strict', wait: '60s' })
  let stopped = false
  const sections = []
  await tell({ type: 'ready' })
  await told('go')
  const stall = watchStalls()
  void told('stop').then(() => (stopped = true))
  const counts = await Promise.all(
    Array.from({ length: TASKS }, async () => {
      let count = 0
      while (!stopped) {
        const asked = hostNow()
        await locks.run(KEY, async lease => {
          const from = hostNow()
          const number = Number(readFileSync(file, 'utf8'))
          await setImmediate()
          writeFileSync(file, String(number + 1))
          sections.push({ from, to: hostNow(), token: lease.token, waitedMs: from - asked })
        })
        count += 1
      }
      return count
    }),
  )
  await locks.close()
  await tell({ type: 'result', sections, counts, stallMs: stall() })
  process.disconnect()
}

async function idle() {
  await tell({ type: 'ready' })
  await told('go')
  const stall = watchStalls()
  await told('stop')
  await tell({ type: 'result', stallMs: stall() })
  process.disconnect()
}

/** How much later than asked for a timer came, at most; the call ends the watching. */
function watchStalls() {
  let longest = 0
  let last = hostNow()
  const timer = setInterval(() => {
    const now = hostNow()
    longest = Math.max(longest, now - last - PROBE_MS)
    last = now
  }, PROBE_MS)
  return () => {
    clearInterval(timer)
    return longest
  }
}
