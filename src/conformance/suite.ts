/**
 * One suite for every store, yours included: what the library relies on, each point as a sentence about locks that can
 * be true or false. It runs in any test runner that has `describe` and `test`.
 *
 * A case that a store cannot run (it has no queue, say) is skipped with its reason, where the runner knows skipping,
 * and all such reasons are printed at the end. What a store cannot do it must say in its traits; the suite believes
 * them.
 */
import { randomUUID } from 'node:crypto'
import { UnsupportedError } from '../base/errors.ts'
import { sleep, systemClock } from '../base/clock.ts'
import type { Store } from '../store/contract.ts'
import { openScene, timesFor } from './scene.ts'
import type { Hooks, MakeStore, Scene } from './scene.ts'
import { sideBySide } from './side-by-side.ts'
import type { Work } from './side-by-side.ts'

/**
 * What the suite needs of a test runner: vitest has it, and `node:test` with `before` and `after` as beforeAll and
 * afterAll.
 */
export interface Runner {
  describe(name: string, body: () => void): unknown
  test(name: string, body: (context?: unknown) => Promise<void>, timeoutMs?: number): unknown
  beforeAll(body: () => Promise<void>): unknown
  afterAll(body: () => Promise<void>): unknown
}

/**
 * What a case needs beyond an exclusive lease. `list` and `revoke` have no trait: a store without them throws
 * UnsupportedError.
 */
export type Need =
  | 'queue'
  | 'shared'
  | 'limit'
  | 'keep'
  | 'fencing'
  | 'blocks'
  | 'listen'
  | 'list'
  | 'revoke'
  | 'durable'
  | 'restart'
  | 'wipe'
  | 'hold'

export type Register = (name: string, needs: readonly Need[], body: (scene: Scene) => Promise<void>) => void
export type Group = (test: Register) => void

/** Longer than any case takes on any store: the suite's own guard is shorter and says more. */
const RUNNER_TIMEOUT_MS = 600_000

/** Why the case did not run; null: it ran. */
type Outcome = string | null

/** Registers the groups of cases for one store. */
export function registerGroups(
  name: string,
  groups: Readonly<Record<string, Group>>,
  make: MakeStore,
  runner: Runner,
  hooks: Hooks,
): void {
  const works: Work<Outcome>[] = []
  const { outcome, idle } = sideBySide(works, () => atOnce)
  const skipped: string[] = []
  let ran = 0
  let atOnce = hooks.atOnce ?? 1

  async function runCase(needs: readonly Need[], body: (scene: Scene) => Promise<void>): Promise<Outcome> {
    const storage = `conformance-${randomUUID()}`
    const store = await make(storage)
    const times = timesFor(store.traits, hooks)
    atOnce = hooks.atOnce ?? times.atOnce
    const reason = needs.map(need => missing(need, store, hooks)).find(found => found !== null) ?? null
    if (reason !== null) {
      await store.close()
      return reason
    }
    const scene = openScene(store, storage, make, hooks)
    try {
      await guarded(body(scene), times.guardMs)
      return null
    } catch (error) {
      if (!(error instanceof UnsupportedError) || !(needs.includes('list') || needs.includes('revoke'))) throw error
      return error.message
    } finally {
      await scene.closeAll()
    }
  }

  function register(title: string): Register {
    return (sentence, needs, body) => {
      const alone = needs.includes('restart') || needs.includes('wipe')
      const work = { alone, start: () => runCase(needs, body) }
      works.push(work)
      runner.test(sentence, async context => tell(title, sentence, await outcome(work), context), RUNNER_TIMEOUT_MS)
    }
  }

  function tell(title: string, sentence: string, reason: Outcome, context: unknown): void {
    if (reason === null) return void (ran += 1)
    skipped.push(`${title}: ${sentence} [not applicable: ${reason}]`)
    if (canSkip(context)) context.skip(`not applicable: ${reason}`)
  }

  runner.describe(`${name} keeps the contract of a store`, () => {
    for (const [title, group] of Object.entries(groups)) runner.describe(title, () => group(register(title)))
    runner.afterAll(async () => {
      await idle()
      if (skipped.length === 0) return
      process.stdout.write(
        [`${name}: ${ran} cases ran, ${skipped.length} did not:`, ...skipped.map(line => `  ${line}`), ''].join('\n'),
      )
    })
  })
}

/** Of what has a trait: why the suite leaves cases out for this store. */
export function lackingOf(store: Pick<Store, 'traits' | 'listen'>): readonly string[] {
  const ofTraits = ['queue', 'shared', 'limit', 'keep', 'fencing', 'blocks', 'listen', 'durable'] as const
  return ofTraits.flatMap(need => missing(need, store, {}) ?? [])
}

function missing(need: Need, store: Pick<Store, 'traits' | 'listen'>, hooks: Hooks): string | null {
  const { traits } = store
  const there: Readonly<Record<Need, boolean>> = {
    queue: traits.queue,
    shared: traits.shared,
    limit: traits.limit,
    keep: traits.keep,
    fencing: traits.fencing,
    blocks: traits.fencing && traits.maxTokens > 1,
    listen: store.listen !== undefined,
    list: true,
    revoke: true,
    durable: ['durable', 'consensus', 'quorum'].includes(traits.guarantee),
    restart: hooks.restart !== undefined,
    wipe: hooks.wipe !== undefined,
    hold: hooks.hold !== undefined,
  }
  return there[need] ? null : REASONS[need]
}

const REASONS: Readonly<Record<Need, string>> = {
  queue: 'the store keeps no queue',
  shared: 'the store has no shared tickets',
  limit: 'the store has no limits',
  keep: 'the store keeps no ticket beyond its owner',
  fencing: 'the store gives no tokens',
  blocks: 'a ticket of this store has one token',
  listen: 'the store does not push',
  list: 'the store cannot list',
  revoke: 'the store cannot revoke',
  durable: 'the store promises nothing over a restart',
  restart: 'no hook `restart` was given',
  wipe: 'no hook `wipe` was given',
  hold: 'no hook `hold` was given: the store has no lock of a record, or cannot be made to keep it',
}

function canSkip(context: unknown): context is { skip(reason: string): void } {
  // vitest's context is a function with properties.
  return (
    ((typeof context === 'object' && context !== null) || typeof context === 'function') &&
    'skip' in context &&
    typeof context.skip === 'function'
  )
}

/** A promise that never settles must not look like a suite that is merely slow. */
async function guarded(work: Promise<void>, guardMs: number): Promise<void> {
  const done = new AbortController()
  const late = sleep(systemClock, guardMs, { signal: done.signal, idle: false }).then(() => {
    if (!done.signal.aborted) throw new Error(`The case did not end within ${guardMs} ms.`)
  })
  try {
    await Promise.race([work, late])
  } finally {
    done.abort()
  }
}
