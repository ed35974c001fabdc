/**
 * Random stories told to a store and to the rule, which must answer alike. In three lines for any store:
 *
 *     modelTest('mine', storage => mineStore(client, { namespace: storage }))
 *
 * A failing story is printed with its seed. HOLDFAST_MODEL_SEED and HOLDFAST_MODEL_PATH tell it again,
 * HOLDFAST_MODEL_RUNS tells more of them.
 */
import { randomInt, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Store } from '../../src/store/contract.ts'
import { stories } from './commands.ts'
import type { ManualClock } from './manual-clock.ts'
import { listen, play } from './play.ts'

export interface ModelOptions {
  /** Stories, unless HOLDFAST_MODEL_RUNS says otherwise. Default 30. */
  readonly runs?: number
  /** The longest story, in commands. Default 40. */
  readonly length?: number
  /** The clock that the stores were given, if it can be moved. */
  readonly clock?: ManualClock
  /** Where time is real: how long a call may take, and how late an expiry may be. Default 60. */
  readonly marginMs?: number
}

export function modelTest(name: string, make: (storage: string) => Promise<Store>, options: ModelOptions = {}): void {
  const { clock = null, length = 40 } = options
  const runs = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? options.runs ?? 30)
  const seed = Number(process.env['HOLDFAST_MODEL_SEED'] ?? randomInt(2 ** 31))
  const path = process.env['HOLDFAST_MODEL_PATH']

  test(
    `${name} answers as the rule does, whatever happens (${runs} stories, seed ${seed})`,
    { timeout: 600_000 },
    async () => {
      const storage = `model-${randomUUID()}`
      const stores = [await make(storage), await make(storage)] as const
      const marginMs = clock ? 0 : (options.marginMs ?? 60)
      const shortMs = Math.max(clock ? 300 : 3 * marginMs, stores[0].traits.minTtlMs)
      const news = await listen(stores)
      let inconclusive = 0
      const property = fc.asyncProperty(stories(stores[0].traits, length), async story => {
        if ((await play(story, { stores, clock, marginMs, shortMs, news })) === 'inconclusive') inconclusive += 1
      })
      try {
        await fc.assert(property, {
          ...{ numRuns: runs, seed, interruptAfterTimeLimit: 300_000 },
          ...(path === undefined ? {} : { path }),
          reporter: details => {
            if (!details.failed) return
            const again = `HOLDFAST_MODEL_SEED=${details.seed} HOLDFAST_MODEL_PATH=${details.counterexamplePath ?? ''} npx vitest run -t '${name} answers'`
            throw new Error(`${fc.defaultReportMessage(details)}\n\nThe same story again: ${again}`, {
              cause: details.errorInstance,
            })
          },
        })
      } finally {
        await Promise.all(stores.map(store => store.close()))
      }
      if (inconclusive > 0)
        console.log(
          `${name}: ${inconclusive} of ${runs} stories ended without a verdict, since a call took over ${marginMs} ms`,
        )
      expect(inconclusive).toBeLessThan(Math.max(2, runs / 2))
    },
  )
}
