/** What kind of world a seed makes: its size, its pace, its weather. */
import type { Chance } from './chance.ts'
import type { Weather } from './network.ts'

export interface Plan {
  readonly processes: number
  readonly tasksEach: number
  readonly keys: readonly Key[]
  readonly strict: readonly boolean[]
  /** So many ask for nothing special, so that they can share a ticket. */
  readonly plain: number
  readonly ttlsMs: readonly [number, ...number[]]
  readonly storeTimeoutMs: number
  /** Between two things that a task does. */
  readonly thinkMs: number
  /** How long a task mostly holds. */
  readonly holdMs: number
  readonly longestHoldMs: number
  /** Then everything heals. */
  readonly faultsUntilMs: number
  /** On average so long between two faults; Infinity: none. */
  readonly faultEveryMs: number
  /** The longest pause, cut or outage. */
  readonly faultMs: number
  readonly weather: Weather
}

/** How a key is used: by all in the same way, or by everybody as he likes. */
export interface Key {
  readonly name: string
  readonly use: 'exclusive' | 'readers' | 'semaphore' | 'mixed'
  readonly limit: number
}

export const FINE: Weather = {
  leastMs: 0.1,
  mostMs: 2,
  slow: 0,
  slowMs: 2,
  loseRequest: 0,
  loseReply: 0,
  repeat: 0,
  hang: 0,
  unknown: 0,
  loseInspect: 0,
  losePush: 0,
  repeatPush: 0,
}

export function planOf(chance: Chance): Plan {
  const pace = chance.pick(['busy', 'tiny', 'waiters', 'waiters', 'mixed'])
  const calm = chance.of(0.15)
  const keys = Array.from({ length: chance.pick([1, 1, 2, 3]) }, (_, index): Key => ({
    name: `k${index}`,
    use: chance.pick(['exclusive', 'exclusive', 'readers', 'semaphore', 'mixed']),
    limit: chance.whole(1, 3),
  }))
  const size = { processes: chance.whole(2, 4), tasksEach: chance.whole(1, 3), keys }
  const strict = Array.from({ length: 8 }, () => chance.of(0.35))
  const weather = calm ? FINE : stormy(chance)
  const common = { ...size, strict, weather, plain: pace === 'busy' ? 0.85 : 0.35 }
  const faults = (faultEveryMs: number): number => (calm ? Infinity : faultEveryMs)
  if (pace === 'busy') {
    // Many tasks of few processes on one key, hardly a pause between: handover inside a process.
    return {
      ...{
        ...common,
        tasksEach: chance.whole(3, 6),
        keys: keys.slice(0, 1),
        ttlsMs: [chance.pick([300, 2_000, 15_000])],
        storeTimeoutMs: chance.pick([500, 5_000]),
      },
      ...{
        thinkMs: chance.pick([0, 2, 10]),
        holdMs: chance.spread(3, 25),
        longestHoldMs: 150,
        faultsUntilMs: 1_500,
        faultEveryMs: faults(400),
        faultMs: 600,
      },
    }
  }
  if (pace === 'tiny') {
    // Leases that hardly outlive a round trip.
    return {
      ...{
        ...common,
        ttlsMs: [chance.spread(20, 60), chance.spread(30, 200)],
        storeTimeoutMs: chance.pick([50, 300, 5_000]),
      },
      ...{
        thinkMs: 40,
        holdMs: chance.spread(5, 60),
        longestHoldMs: 300,
        faultsUntilMs: 2_500,
        faultEveryMs: faults(250),
        faultMs: 300,
      },
    }
  }
  if (pace === 'waiters') {
    // Slow work and long faults: tickets of waiters run out.
    return {
      ...{
        ...common,
        ttlsMs: [chance.spread(500, 4_000), chance.pick([2_000, 15_000])],
        storeTimeoutMs: chance.pick([300, 1_000, 5_000]),
      },
      ...{
        thinkMs: chance.spread(50, 1_500),
        holdMs: chance.spread(200, 2_000),
        longestHoldMs: 4_000,
        faultsUntilMs: 30_000,
        faultEveryMs: faults(3_500),
        faultMs: 12_000,
      },
    }
  }
  return {
    ...{
      ...common,
      ttlsMs: [chance.spread(50, 500), chance.spread(300, 3_000), 15_000],
      storeTimeoutMs: chance.pick([100, 1_000, 5_000]),
    },
    ...{
      thinkMs: 200,
      holdMs: chance.spread(20, 1_000),
      longestHoldMs: 3_000,
      faultsUntilMs: 12_000,
      faultEveryMs: faults(1_500),
      faultMs: 8_000,
    },
  }
}

function stormy(chance: Chance): Weather {
  const some = (most: number): number => (chance.of(0.4) ? 0 : chance.between(0, most))
  return {
    ...{ leastMs: 0.1, mostMs: chance.spread(1, 20), slow: some(0.15), slowMs: chance.spread(50, 20_000) },
    ...{
      loseRequest: some(0.08),
      loseReply: some(0.08),
      repeat: some(0.1),
      hang: some(0.02),
      unknown: some(0.1),
      loseInspect: some(0.8),
      losePush: some(0.3),
      repeatPush: some(0.3),
    },
  }
}
