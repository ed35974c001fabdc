// What the benches of stores with a recipe of their own share: holdfast beside that recipe, through the same transport,
// one task on one key. They take turns in short rounds, and the medians are judged. Before that many tasks at once warm
// each up: at the pace of what is measured the compiler would take half a minute to come to all of it. Then the queue
// beside what else there is in Node (lock-queues.mjs).
import { parseArgs } from 'node:util'
import { startServer } from '../dist/servers/start.js'
import { besideThePeer } from './lock-queues.mjs'

const GOAL = 0.85
const QUEUE = { rounds: 3, times: 4 }
const WARM_UP = { tasks: 32, ms: 4_000, rounds: 1 }

/**
 * `ways(address)`: sections to run, by name, `recipe` among them, each with the key of a lock, and how to close.
 * `goal`: of the recipe's rate.
 */
export async function besideTheRecipe(kind, ways, { goal = GOAL } = {}) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '15' },
      seconds: { type: 'string', default: '1' },
      only: { type: 'string', default: 'solo,queue' },
    },
    allowPositionals: true,
  })
  const only = values.only.split(',')
  const settings = { rounds: Number(values.rounds), ms: Number(values.seconds) * 1_000 }
  // No connection of a store keeps a process alive.
  const alive = setInterval(() => {}, 1_000)
  const server = await startServer(kind)
  try {
    if (only.includes('solo')) await solo(kind, await ways(server.address), { ...settings, goal })
    const queues = { rounds: QUEUE.rounds, ms: QUEUE.times * settings.ms }
    if (only.includes('queue')) await besideThePeer(kind, server.address, queues)
  } finally {
    clearInterval(alive)
    await server.close()
  }
}

async function solo(kind, { sections, close }, { rounds, ms, goal }) {
  const rates = new Map(Object.keys(sections).map(name => [name, []]))
  try {
    for (const section of Object.values(sections)) {
      const tasks = Array.from({ length: WARM_UP.tasks }, (_, index) => `warm-${index}`)
      await Promise.all(tasks.map(key => perSecond(() => section(key), WARM_UP.ms)))
    }
    for (let round = 0; round < WARM_UP.rounds + rounds; round += 1) {
      for (const [name, section] of Object.entries(sections)) {
        const rate = await perSecond(() => section('solo'), ms)
        if (round >= WARM_UP.rounds) rates.get(name).push(rate)
      }
    }
  } finally {
    await close()
  }
  console.log(`${kind.name}: one task, one key; ${rounds} rounds`)
  for (const [name, of] of rates) {
    const ratio = median(of.map((rate, index) => rate / rates.get('recipe')[index]))
    const told = name === 'recipe' ? '' : `  ratio ${ratio.toFixed(2)}`
    console.log(`  ${name.padEnd(10)} ${Math.round(median(of))} sections a second${told}`)
  }
  const ratio = median(rates.get('holdfast').map((rate, index) => rate / rates.get('recipe')[index]))
  const holds = ratio >= goal
  console.log(`${holds ? 'holds' : 'BROKEN'}  holdfast does at least ${goal} of the recipe's sections`)
  if (!holds) process.exitCode = 1
}

/** The same section of a store, without what stands on it. */
export function driverSection(store) {
  const io = { timeoutMs: 5_000 }
  let next = 0
  return async key => {
    const id = String((next += 1)).padStart(22, '0')
    const wants = { mode: 'exclusive', limit: null, queue: true, tokens: 1, holder: 'bench', meta: {} }
    await store.enter({ key: `driver/${key}`, id, ttlMs: 15_000, waiterTtlMs: 10_000, ...wants }, io)
    await store.leave({ key: `driver/${key}`, id, keepMs: 0, forbidMs: 0 }, io)
  }
}

async function perSecond(section, ms) {
  const since = performance.now()
  let count = 0
  while (performance.now() - since < ms) {
    await section()
    count += 1
  }
  return (count * 1_000) / (performance.now() - since)
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
}
