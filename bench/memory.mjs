// What a waiting task costs in memory, and what a section costs that nobody contends for: by acquire and release, and
// by run(); and what it costs in a crowd, whose lease passes from task to task. Over the memory store, whose tickets
// are counted too.
//
//   npm run bench -- memory [--tasks 20000] [--sections 50000]
import { parseArgs } from 'node:util'
import { memoryStore } from '../dist/drivers/memory.js'
import { createLocks } from '../dist/index.js'

const { values } = parseArgs({
  options: { tasks: { type: 'string', default: '20000' }, sections: { type: 'string', default: '50000' } },
})
const tasks = Number(values.tasks)
const sections = Number(values.sections)
const KEYS = 200
const GOAL_BYTES = 4_096
const CROWD = 200

if (globalThis.gc === undefined)
  throw new Error('Start it by npm run bench -- memory: without a collection first, the heap says nothing.')

for (const fair of ['strict', 'cohort']) {
  const bytes = await bytesOfWaiting(fair)
  const verdict = fair === 'strict' ? ` (at most ${GOAL_BYTES}: ${bytes <= GOAL_BYTES ? 'kept' : 'MISSED'})` : ''
  if (fair === 'strict' && bytes > GOAL_BYTES) process.exitCode = 1
  console.log(`${fair}: ${bytes} bytes for each task that waits${verdict}`)
}
for (const fair of ['strict', 'cohort']) {
  const locks = createLocks(memoryStore(), { fair })
  // By hand first: once run() has kept its call chain, every promise of the process costs a little more.
  const byHand = await microseconds(async () => (await locks.acquire('k')).release())
  const byRun = await microseconds(() => locks.run('k', () => 1))
  console.log(`${fair}: acquire and release ${byHand.toFixed(1)} us of CPU, run ${byRun.toFixed(1)} us`)
  await locks.close()
}
console.log(`cohort: ${(await microsecondsInCrowd()).toFixed(1)} us of CPU for each of ${CROWD} tasks that take turns`)
process.exit()

async function bytesOfWaiting(fair) {
  const locks = createLocks(memoryStore(), { fair })
  for (let index = 0; index < KEYS; index += 1) await locks.acquire(`k${index}`)
  const before = await heapUsed()
  const waiting = Array.from({ length: tasks }, (_, index) => locks.acquire(`k${index % KEYS}`, { wait: Infinity }))
  const after = await heapUsed()
  return Math.round((after - before) / waiting.length)
}

async function heapUsed() {
  await new Promise(resolve => setTimeout(resolve, 1_000))
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

async function microseconds(section) {
  for (let index = 0; index < sections / 10; index += 1) await section()
  const start = process.cpuUsage()
  for (let index = 0; index < sections; index += 1) await section()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / sections
}

async function microsecondsInCrowd() {
  const locks = createLocks(memoryStore())
  const task = async () => {
    for (let index = 0; index < sections / CROWD; index += 1) await (await locks.acquire('k')).release()
  }
  const crowd = () => Promise.all(Array.from({ length: CROWD }, task))
  await crowd()
  const start = process.cpuUsage()
  await crowd()
  const { user, system } = process.cpuUsage(start)
  await locks.close()
  return (user + system) / sections
}
