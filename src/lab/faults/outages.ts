/**
 * Servers of Redis that can lose a grant: whoever is in charge is killed, together with what it had confirmed and
 * nobody else knows of.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { REDIS_DURABLE, replicaOf } from '../../servers/redis.ts'
import type { Closable } from '../declaration.ts'
import { startProxy } from './proxy.ts'
import { addressOf, openRaw, ownRedis } from '../redis.ts'

export interface Servers extends Closable {
  /** Where one locks before the fault. */
  readonly before: string
  /** Where one does after it. */
  readonly after: string
  /** What the fault is, for people. */
  readonly fault: string
  /** Before the grant that is to be lost. */
  prepare(): void
  /** After it. */
  strike(): Promise<void>
  /** Leaves no majority. null: there is none to lose. */
  readonly strikeMajority: (() => Promise<void>) | null
}

/**
 * A primary and a replica, as Redis copies: after the primary has answered, when it gets to it. `prepare` lets the copy
 * lag, `strike` kills the primary (-9) and promotes the replica, as Sentinel or an operator would. `insync`: the copy
 * does not lag.
 */
export function startPair({ insync }: { readonly insync: boolean }): Promise<Servers> {
  return closingIfFails(async (use, close) => {
    const primary = use(await ownRedis())
    const copying = use(await startProxy({ port: primary.port }))
    // It serves once it has copied.
    const replica = use(await ownRedis({ kind: replicaOf(copying.port) }))
    const raw = use(openRaw(addressOf(replica)))
    return {
      before: addressOf(primary),
      after: addressOf(replica),
      fault: 'the primary is killed with the grant that it had not copied, and the replica promoted',
      prepare() {
        if (!insync) copying.set({ toClient: { hold: true } })
      },
      async strike() {
        if (insync) await sleep(systemClock, 100)
        await primary.kill()
        await raw.ask('REPLICAOF', 'NO', 'ONE')
      },
      strikeMajority: null,
      close,
    }
  })
}

const NODES = 5

/**
 * Five servers that know nothing of each other. `strike` kills two of them, with all that they had granted.
 * `alone`: only the first of them is asked, as if it were the one server; it is started again, empty.
 */
export function startNodes({ alone }: { readonly alone: boolean }): Promise<Servers> {
  return closingIfFails(async (use, close) => {
    const start = async (): ReturnType<typeof ownRedis> => use(await ownRedis({ kind: REDIS_DURABLE }))
    const first = await start()
    const nodes = [first, ...(await Promise.all(Array.from({ length: NODES - 1 }, start)))]
    const kill = async (amount: number): Promise<void> => {
      await Promise.all(nodes.slice(0, amount).map(node => node.kill()))
    }
    const all = `redlock://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`
    const address = alone ? addressOf(first) : all
    return {
      before: address,
      after: address,
      fault: 'two of the five are killed, with all that they had granted',
      prepare() {},
      async strike() {
        await kill(2)
        if (alone) await first.restart({ empty: true })
      },
      strikeMajority: () => kill(3),
      close,
    }
  })
}

/** What was started before something failed must not stay. */
export async function closingIfFails<Made>(
  make: (use: <Thing extends Closable>(thing: Thing) => Thing, close: () => Promise<void>) => Promise<Made>,
): Promise<Made> {
  const things: Closable[] = []
  const close = async (): Promise<void> => {
    for (const thing of things.toReversed()) await thing.close()
  }
  try {
    return await make(thing => {
      things.push(thing)
      return thing
    }, close)
  } catch (cause) {
    await close()
    throw cause
  }
}
