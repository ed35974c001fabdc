/** The chaos from the command line (scripts/chaos.mjs says how). */
import { parseArgs } from 'node:util'
import { randomInt } from 'node:crypto'
import { chaos } from './chaos.ts'

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'memory:' },
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    workers: { type: 'string', default: '6' },
    sabotage: { type: 'boolean', default: false },
  },
})
const { store, sabotage } = values
const [minutes, workers, seed] = [values.minutes, values.workers, values.seed ?? randomInt(2 ** 31)].map(Number)
if (![minutes, workers, seed].every(value => value !== undefined && Number.isFinite(value) && value > 0)) {
  console.error('--minutes, --workers and --seed must be numbers above 0.')
  process.exit(64)
}
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const shown = store.replace(/:\/\/[^@/]*@/, '://')
console.log(`Chaos on ${shown} for ${minutes} min: ${workers} workers, seed ${seed}${sabotage ? ', sabotaged' : ''}.`)
const { counts, violations } = await chaos({
  ...{ store, sabotage, stopped: stop.signal },
  ...{ forMs: (minutes ?? 1) * 60_000, workers: workers ?? 6, seed: seed ?? 1 },
})
for (const [what, count] of [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
  console.log(`${String(count).padStart(8)}  ${what}`)
}
for (const violation of violations.slice(0, 20)) console.log(`VIOLATION ${violation}`)
const compared = counts.get('belief compared with the store') ?? 0
if (compared === 0) console.log('Nobody was seen to hold anything: nothing was shown.')
console.log(
  violations.length === 0 ? 'No violation.' : `${violations.length} violations. The same choices again: --seed ${seed}`,
)
process.exitCode = violations.length > 0 || compared === 0 ? 1 : 0
