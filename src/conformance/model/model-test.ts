/**
 * The model-based test: random stories told to a store and to the rule, which must answer alike. In three lines for any
 * store, in any test runner:
 *
 *     modelTest('mine', async storage => mineStore(client, { namespace: storage }), { test })
 *
 * It finds what nobody thought of writing a case for. A failing story is shrunk to its shortest and printed with its
 * seed: HOLDFAST_MODEL_SEED and HOLDFAST_MODEL_PATH tell it again, HOLDFAST_MODEL_RUNS tells more of them.
 *
 * The stories are made and shrunk by the package fast-check, which is loaded here only, when the test runs.
 */
import assert from 'node:assert/strict'
import { randomInt, randomUUID } from 'node:crypto'
import { ConfigurationError, UnsupportedError } from '../../base/errors.ts'
import type { Store } from '../../store/contract.ts'
import { IO } from '../scene.ts'
import type { MakeStore } from '../scene.ts'
import type { Runner } from '../suite.ts'
import { stories } from './stories.ts'
import type { Abilities } from './stories.ts'
import { listen, play } from './play.ts'
import type { MovableClock } from './play.ts'

export interface ModelOptions {
  /** Stories, unless HOLDFAST_MODEL_RUNS says otherwise. Default 30. */
  readonly runs?: number
  /** The longest story, in commands. Default 40. */
  readonly length?: number
  /** The clock that the stores were given, if it can be moved: then no story takes time. */
  readonly clock?: MovableClock
  /** Where time is real: how long a call may take, and how late an expiry may be. Default 60. */
  readonly marginMs?: number
  /** How much longer than it was given a ticket may live, as a part of that: for a store that counts so. Default 0. */
  readonly lateness?: number
}

const RUNNER_TIMEOUT_MS = 600_000
/** No new story after this; what was told until then counts. */
const LIMIT_MS = 300_000

/**
 * Registers one test that tells random stories to two stores of one storage. Needs the package fast-check (4 or later)
 * where it runs.
 */
export function modelTest(
  name: string,
  make: MakeStore,
  { test, ...options }: ModelOptions & Pick<Runner, 'test'>,
): void {
  const runs = Number(process.env['HOLDFAST_MODEL_RUNS'] ?? options.runs ?? 30)
  const seed = Number(process.env['HOLDFAST_MODEL_SEED'] ?? randomInt(2 ** 31))
  const title = `${name} answers as the rule does, whatever happens (${runs} stories, seed ${seed})`
  test(title, () => tell(name, make, { ...options, runs, seed }), RUNNER_TIMEOUT_MS)
}

interface Telling extends ModelOptions {
  readonly runs: number
  readonly seed: number
}

async function tell(name: string, make: MakeStore, options: Telling): Promise<void> {
  const { clock = null, length = 40, lateness = 0, runs, seed } = options
  const fc = await fastCheck()
  const storage = `model-${randomUUID()}`
  const stores = [await make(storage), await make(storage)] as const
  const { traits } = stores[0]
  const marginMs = clock ? 0 : (options.marginMs ?? 60)
  const shortMs = Math.max(clock ? 300 : 3 * marginMs, traits.minTtlMs)
  const path = process.env['HOLDFAST_MODEL_PATH']
  let inconclusive = 0
  try {
    const news = await listen(stores)
    const able = await abilitiesOf(stores[0], storage)
    const property = fc.asyncProperty(stories(fc, { ...able, length }), async story => {
      if ((await play(story, { stores, clock, marginMs, lateness, shortMs, news })) === 'inconclusive')
        inconclusive += 1
    })
    const details = await fc.check(property, {
      ...{ numRuns: runs, seed, interruptAfterTimeLimit: LIMIT_MS },
      ...(path === undefined ? {} : { path }),
    })
    if (details.failed) {
      const again = `HOLDFAST_MODEL_SEED=${details.seed} HOLDFAST_MODEL_PATH=${details.counterexamplePath ?? ''}`
      const { errorInstance: cause } = details
      throw new assert.AssertionError({
        message: [
          cause instanceof Error ? cause.message : String(cause),
          fc.defaultReportMessage(details) ?? '',
          `${name}, the same story again: ${again}`,
        ].join('\n\n'),
      })
    }
  } finally {
    await Promise.all(stores.map(store => store.close()))
  }
  judged(name, { inconclusive, runs, marginMs })
}

/** `list` and `revoke` have no trait: a store without them throws UnsupportedError. */
async function abilitiesOf(store: Store, nobodys: string): Promise<Abilities> {
  const list = async (): Promise<void> => {
    for await (const lock of store.list(nobodys, IO)) assert.ok(lock.key.startsWith(nobodys))
  }
  const revoke = () => store.revoke(nobodys, { tickets: 'holders', reason: 'nobody', now: false }, IO)
  return { traits: store.traits, list: await can(list), revoke: await can(revoke) }
}

async function can(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (error instanceof UnsupportedError) return false
    throw error
  }
}

/** Stories without a verdict prove nothing: when half of them were, the test has not been one. */
function judged(name: string, told: { inconclusive: number; runs: number; marginMs: number }): void {
  const { inconclusive, runs, marginMs } = told
  if (inconclusive === 0) return
  const said = `${name}: ${inconclusive} of ${runs} stories ended without a verdict, since a call took over ${marginMs} ms`
  process.stdout.write(`${said}\n`)
  assert.ok(inconclusive < Math.max(2, runs / 2), `${said}. Raise marginMs.`)
}

async function fastCheck() {
  try {
    return (await import('fast-check')).default
  } catch (cause) {
    throw new ConfigurationError(
      'The model-based test makes its stories with the package fast-check. Install it: npm install --save-dev fast-check',
      { cause },
    )
  }
}
