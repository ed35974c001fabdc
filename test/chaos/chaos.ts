/**
 * Chaos: workers under SIGSTOP and kill -9, networks that lose and hold back, aborts, revokes and close() at any
 * moment. Meanwhile the store is asked again and again who holds. In the end every belief is compared with every other
 * and with what the store has shown, and nothing may stay locked.
 */
import { randomUUID } from 'node:crypto'
import { hostClock, sleep } from '../../src/base/clock.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import type { FaultProxy } from '../../src/lab/faults/proxy.ts'
import { openStore } from '../../src/open.ts'
import type { Store } from '../../src/store/contract.ts'
import { chanceOf } from '../sim/chance.ts'
import type { Chance } from '../sim/chance.ts'
import { crewOf } from './crew.ts'
import type { Crew } from './crew.ts'
import { createLedger } from './ledger.ts'
import type { Ledger } from './ledger.ts'
import { placeAt } from './places.ts'
import { KEYS, LONGEST_TTL_MS, TAKEN } from './worker.ts'

export interface ChaosOptions {
  readonly store: string
  readonly forMs: number
  readonly seed: number
  readonly workers: number
  readonly sabotage: boolean
  readonly stopped: AbortSignal
}

export interface Found {
  readonly counts: ReadonlyMap<string, number>
  readonly violations: readonly string[]
}

const IO = { timeoutMs: 5_000 }
const LOOK_EVERY_MS = 20
/** A leave that was lost is sent again, or the ticket dies: by then nothing may be locked any more. */
const FREE_MS = LONGEST_TTL_MS + 15_000
/** Longer than any window is from its end when it is most likely to be found out. */
const SABOTAGE_MS = 500

export async function chaos(options: ChaosOptions): Promise<Found> {
  const { seed, workers, stopped } = options
  const ledger = createLedger()
  const namespace = `chaos-${randomUUID()}`
  const place = await placeAt(options.store, seed)
  const store =
    place.direct === 'memory:' ? memoryStore({ storage: namespace }) : await openStore(place.direct, namespace)
  const sabotageMs = options.sabotage ? SABOTAGE_MS : 0
  const crew = crewOf({ workers, seed, address: place.address, namespace, sabotageMs, ledger })
  const over = new AbortController()
  const until = AbortSignal.any([stopped, over.signal])
  const looking = look(store, ledger, until)
  const hurting = hurt({ chance: chanceOf(seed), crew, proxies: place.proxies, store, ledger, until })
  try {
    await sleep(hostClock, options.forMs, { signal: stopped })
    over.abort()
    await Promise.all([looking, hurting])
    for (const proxy of place.proxies) proxy.clear()
    await crew.end()
    await nothingStays(store, ledger)
    return { violations: ledger.judge(store.traits.fencing), counts: ledger.counts }
  } finally {
    over.abort()
    await store.close()
    await place.close()
  }
}

/** Asks the store, past every proxy, who holds what. */
async function look(store: Store, ledger: Ledger, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    for (const key of KEYS) {
      const askedMs = hostClock.now()
      try {
        const holders = (await store.inspect(key, IO))?.holders ?? []
        ledger.shown({ key, askedMs, answeredMs: hostClock.now(), holders })
      } catch {
        ledger.did('look without an answer')
      }
    }
    await sleep(hostClock, LOOK_EVERY_MS, { signal: until })
  }
}

interface Hurting {
  readonly chance: Chance
  readonly crew: Crew
  readonly proxies: readonly FaultProxy[]
  readonly store: Store
  readonly ledger: Ledger
  readonly until: AbortSignal
}

/** One thing after the other, each for a while of its own, several at a time. */
async function hurt(at: Hurting): Promise<void> {
  const { chance, ledger, until } = at
  const underWay = new Set<Promise<void>>()
  while (!until.aborted) {
    const done: Promise<void> = strike(at)
      .catch(error => ledger.did(`strike that failed: ${error instanceof Error ? error.name : String(error)}`))
      .finally(() => underWay.delete(done))
    underWay.add(done)
    await sleep(hostClock, chance.spread(20, 800), { signal: until })
  }
  await Promise.all(underWay)
}

async function strike(at: Hurting): Promise<void> {
  const { chance, crew, proxies, ledger } = at
  const [first, ...others] = crew.children ?? []
  if (first !== undefined && chance.of(0.5)) {
    const child = chance.pick([first, ...others])
    const kills = chance.of(0.25)
    ledger.did(kills ? 'kill -9' : 'SIGSTOP')
    if (kills) return crew.replace(child)
    await child.pause()
    await sleep(hostClock, chance.spread(20, 3_000))
    return child.resume()
  }
  const [proxy, ...more] = proxies
  if (proxy !== undefined && chance.of(0.7)) return disturb(chance.pick([proxy, ...more]), at)
  await order(at)
}

async function disturb(proxy: FaultProxy, { chance, ledger }: Hurting): Promise<void> {
  const forMs = chance.spread(20, 2_000)
  const what = chance.pick(['cut', 'hold', 'lose requests', 'lose replies', 'delay', 'half-open', 'repeat'])
  ledger.did(`network: ${what}`)
  if (what === 'cut') return proxy.cut()
  if (what === 'hold') proxy.set({ both: { hold: true } })
  if (what === 'lose requests') proxy.set({ toServer: { drop: true } })
  if (what === 'lose replies') proxy.set({ toClient: { drop: true } })
  if (what === 'delay') proxy.set({ both: { delayMs: chance.spread(1, 300), jitterMs: 50 } })
  if (what === 'half-open') proxy.set({ halfOpen: true })
  if (what === 'repeat') proxy.set({ repeat: { chance: 0.2, afterMs: chance.spread(1, 100) } })
  await sleep(hostClock, forMs)
  proxy.clear()
}

/** An operator revokes; held tickets are taken of one key only, since that breaks exclusion by order. */
async function order({ chance, store, ledger }: Hurting): Promise<void> {
  const key = chance.pick(KEYS)
  const now = key === TAKEN && chance.of(0.5)
  const [holder] = (await store.inspect(key, IO))?.holders ?? []
  const tickets = chance.pick<'holders' | 'all' | number>(['holders', 'all', holder?.token ?? 'all'])
  if (now) ledger.taken(key, hostClock.now())
  await store.revoke(key, { tickets, reason: 'chaos', now }, IO)
  ledger.did(now ? 'revoke now' : 'revoke')
}

async function nothingStays(store: Store, ledger: Ledger): Promise<void> {
  const end = hostClock.now() + FREE_MS
  for (const key of KEYS) {
    for (;;) {
      const lock = await store.inspect(key, IO)
      if (lock === null) break
      if (hostClock.now() > end) {
        ledger.violation(`${key} is still locked ${FREE_MS} ms after everybody has gone: ${JSON.stringify(lock)}`)
        break
      }
      await sleep(hostClock, 50)
    }
  }
}
