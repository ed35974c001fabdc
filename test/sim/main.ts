/** `npm run sim`: many seeds, or one again with everything that happened. */
import { parseArgs } from 'node:util'
import { simulate } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    lines: { type: 'string', default: '200' },
    'keep-going': { type: 'boolean', default: false },
  },
})

async function replay(seed: number): Promise<boolean> {
  const outcome = await simulate(seed, undefined, { record: true })
  const again = await simulate(seed)
  for (const line of outcome.trace.slice(-Number(values.lines))) console.log(line)
  console.log(`seed ${seed}: ${outcome.violation ?? 'nothing went wrong'}`)
  const differs = again.hash === outcome.hash ? '' : `, but ${again.hash} the second time: not a function of its seed`
  console.log(`${outcome.events} events, hash ${outcome.hash}${differs}`)
  return outcome.violation === null && again.hash === outcome.hash
}

async function many(from: number, count: number): Promise<boolean> {
  const began = performance.now()
  let events = 0
  const tally = new Map<string, number>()
  let failed = 0
  let told = began
  for (let seed = from; seed < from + count; seed += 1) {
    const outcome = await simulate(seed)
    events += outcome.events
    for (const [kind, count] of outcome.tally) tally.set(kind, (tally.get(kind) ?? 0) + count)
    if (outcome.violation !== null) {
      failed += 1
      if (!values['keep-going']) return replay(seed)
      console.log(`seed ${seed}: ${outcome.violation.split('\n')[0]}`)
    }
    if (performance.now() - told > 5_000 || seed === from + count - 1) {
      told = performance.now()
      const done = seed - from + 1
      console.log(
        `${done} seeds, ${failed} failed, ${Math.round(done / ((told - began) / 1_000))} seeds a second, ${Math.round(events / done)} events a seed`,
      )
    }
  }
  console.log([...tally].map(([kind, count]) => `${kind}: ${count}`).join(', '))
  return failed === 0
}

const good =
  values.seed === undefined ? await many(Number(values.from), Number(values.seeds)) : await replay(Number(values.seed))
process.exitCode = good ? 0 : 1
