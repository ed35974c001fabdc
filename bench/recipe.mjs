// What the benches of stores with a recipe of their own share: holdfast beside that recipe, through the same transport,
// one task on one key. They take turns in short rounds, and the medians are judged.
import { parseArgs } from 'node:util'
import { startServer } from '../dist/servers/start.js'

const GOAL = 0.85
const WARM_UP = 3

/** `ways(address)`: sections to run, by name, `recipe` among them, and how to close. `goal`: of the recipe's rate. */
export async function besideTheRecipe(kind, ways, { goal = GOAL } = {}) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '15' }, seconds: { type: 'string', default: '1' } },
    allowPositionals: true,
  })
  const rounds = Number(values.rounds)
  // No connection of a store keeps a process alive.
  const alive = setInterval(() => {}, 1_000)
  const server = await startServer(kind)
  const { sections, close } = await ways(server.address)
  const rates = new Map(Object.keys(sections).map(name => [name, []]))
  try {
    for (let round = 0; round < WARM_UP + rounds; round += 1) {
      for (const [name, section] of Object.entries(sections)) {
        const rate = await perSecond(section, Number(values.seconds) * 1_000)
        if (round >= WARM_UP) rates.get(name).push(rate)
      }
    }
  } finally {
    clearInterval(alive)
    await close()
    await server.close()
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
  return async () => {
    const id = String((next += 1)).padStart(22, '0')
    const wants = { mode: 'exclusive', limit: null, queue: true, tokens: 1, holder: 'bench', meta: {} }
    await store.enter({ key: 'driver', id, ttlMs: 15_000, waiterTtlMs: 10_000, ...wants }, io)
    await store.leave({ key: 'driver', id, keepMs: 0, forbidMs: 0 }, io)
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
