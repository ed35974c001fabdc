/**
 * One seed, from the beginning of its world to the end.
 *
 * First work and faults together. Then everything heals, and the tasks start nothing new: now every call must settle.
 * Then a process that knows nothing of all this gets each key, as soon as what the dead have left has run out. Then all
 * close, and nothing of theirs may be left in the store.
 */
import { real } from './modules.ts'
import type { Modules } from './modules.ts'
import { createNetwork, short } from './network.ts'
import { createOracle } from './oracle.ts'
import { FINE, planOf } from './plan.ts'
import type { Plan } from './plan.ts'
import { createMember, ELECTION } from './workload.ts'
import type { Member, Membership } from './workload.ts'
import { createWorld } from './world.ts'
import type { World } from './world.ts'

export interface Outcome {
  readonly seed: number
  /** null: nothing went wrong. */
  readonly violation: string | null
  /** Two runs of one seed have the same. */
  readonly hash: number
  readonly events: number
  /** How often each kind of event of the library came. */
  readonly tally: ReadonlyMap<string, number>
  /** What happened, if it was asked for. */
  readonly trace: readonly string[]
}

/** Healthy, everything that waits gets its turn within this. */
const SETTLE_MS = 300_000
/** What a waiter may be late, since nobody tells it that the dead in front of it have gone: its own heartbeat. */
const HEARTBEAT_MS = 5_000 / 3
/** Leaves that had failed are tried again within a second. */
const TIDY_MS = 2_000
/** The last message is under way for so long at most. */
const FLUSH_MS = 25_000
/** Longest ttl and minHold, with room. */
const FORGOTTEN_MS = 60_000

export async function simulate(
  seed: number,
  modules: Modules = real,
  options: { readonly record?: boolean } = {},
): Promise<Outcome> {
  const world = createWorld(seed, { record: options.record ?? false })
  const plan = planOf(world.chance)
  const restore = catchRejections(error =>
    world.fail(`unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`),
  )
  try {
    const tally = await play(world, plan, modules)
    return { seed, violation: world.violation, hash: world.hash, events: world.events, tally, trace: world.trace }
  } finally {
    restore()
  }
}

async function play(world: World, plan: Plan, modules: Modules): Promise<ReadonlyMap<string, number>> {
  const { chance } = world
  const network = createNetwork(world, modules, plan.weather, { taken: (key, upTo) => oracle.taken(key, upTo) })
  const oracle = createOracle(world, network.seen, { calm: plan.faultEveryMs === Infinity })
  world.onEvent(oracle.check)
  const members: Member[] = []

  function join(name: string, ttlMs: number): Membership {
    const process = world.spawn(name)
    const fair = plan.strict[members.length % plan.strict.length] === true ? 'strict' : 'cohort'
    const locks = modules.createLocksOn(process.clock, network.connect(process), {
      holder: name,
      ttl: ttlMs,
      storeTimeout: plan.storeTimeoutMs,
      fair,
    })
    return { process, locks, ttlMs, fair }
  }

  const hire = (): void =>
    void members.push(createMember(world, oracle, plan, join(`p${members.length + 1}`, chance.pick(plan.ttlsMs))))

  const keys = [...plan.keys.map(key => key.name), ELECTION]
  const living = (): readonly Member[] => members.filter(({ process }) => process.state !== 'dead')

  for (let count = 0; count < plan.processes; count += 1) hire()
  if (plan.faultEveryMs !== Infinity) strike()

  /** Something bad happens, again and again. */
  function strike(): void {
    world.after(chance.between(0, 2) * plan.faultEveryMs, () => {
      if (world.now >= plan.faultsUntilMs) return
      strike()
      const candidates = living()
      const victim = candidates[chance.whole(0, candidates.length - 1)]
      if (victim === undefined) return
      const { process } = victim
      const lengthMs = chance.spread(5, plan.faultMs)
      const what = chance.unit()
      if (what < 0.45) {
        process.pause()
        world.after(lengthMs, () => process.resume())
      } else if (what < 0.65) {
        network.cut(process)
        world.after(lengthMs, () => network.heal(process))
      } else if (what < 0.75) {
        network.down()
        world.after(lengthMs / 4, () => network.up())
      } else if (what < 0.8) {
        process.setWall(chance.between(-2_000, 2_000))
      } else if (what < 0.88 && candidates.length > 1) {
        process.kill()
        hire()
      } else if (what < 0.96 && candidates.length > 1 && !victim.closedEarly) {
        void closeEarly(victim)
        hire()
      }
    })
  }

  async function closeEarly(member: Member): Promise<void> {
    const { process } = member
    network.closing(process)
    await member.close(chance.pick([0, plan.holdMs, 10_000]))
    for (const id of network.waiting(process)) world.fail(`${process.name} has closed, and still waits with ${id}`)
  }

  await world.run(plan.faultsUntilMs)

  world.note('everything heals')
  network.weather(FINE)
  network.up()
  for (const { process } of members) network.heal(process)
  for (const member of living()) {
    member.process.resume()
    member.stop()
  }
  const settled = (): boolean => living().every(({ open }) => open.size === 0)
  await world.run(world.now + SETTLE_MS, settled)
  if (!settled())
    world.fail(
      `never settled: ${living()
        .flatMap(({ open }) => [...open])
        .join(', ')}`,
    )

  await nobodysTickets()
  await newcomer()
  await leaveAll()
  return oracle.tally

  /**
   * Everything has settled: whoever is still there holds nothing and waits for nothing, as soon as what was under way
   * has come through.
   */
  async function nobodysTickets(): Promise<void> {
    await world.run(world.now + plan.storeTimeoutMs * 1.2 + TIDY_MS)
    const orderly = living().filter(member => !member.closedEarly)
    for (const { process } of orderly) {
      for (const id of network.owing(process))
        world.fail(`${process.name} has forgotten ${id}: it has entered it, and never left`)
    }
    const names = new Set(orderly.map(({ process }) => process.name))
    for (const key of keys) {
      for (const ticket of network.tickets(key)) {
        if (!names.has(ticket.holder) || ticket.meta['kept'] !== undefined) continue
        world.fail(
          `${ticket.holder} has no use for it any more, and still stands in "${key}" with ${short(ticket.token)} for ${ticket.leftMs} ms`,
        )
      }
    }
  }

  /** Gets each key. */
  async function newcomer(): Promise<void> {
    if (world.violation !== null) return
    const { process, locks } = join('newcomer', 1_000)
    /** An operator's word may come late, and hit him. */
    async function take(key: string): Promise<void> {
      try {
        const lease = await locks.acquire(key, { wait: Infinity })
        oracle.began(process, lease, {
          mode: 'exclusive',
          limit: null,
          ttlMs: 1_000,
          maxHoldMs: Infinity,
          minHoldMs: 0,
          autoRenew: true,
        })
        oracle.ended(lease)
        await lease.release()
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'LeaseLostError') throw error
        await take(key)
      }
    }
    for (const name of keys) {
      const others = (): readonly number[] =>
        network.tickets(name).flatMap(({ holder, leftMs }) => (holder === process.name ? [] : [leftMs]))
      const since = world.now
      let done = false
      take(name).then(
        () => (done = true),
        (error: unknown) => world.fail(`the newcomer did not get "${name}": ${String(error)}`),
      )
      // What the dead had sent may still come through, and lengthen what they have left.
      do await world.run(world.now + Math.max(0, ...others()) + HEARTBEAT_MS + 1_000, () => done)
      while (!done && others().length > 0 && world.now < since + FORGOTTEN_MS && world.violation === null)
      if (!done) world.fail(`the newcomer did not get "${name}" within ${world.now - since} ms`)
    }
    await world.run(world.now + 1_000)
    let closed = false
    void locks.close().then(() => (closed = true))
    await world.run(world.now + 20_000, () => closed)
    if (!closed) world.fail('the newcomer never closed')
  }

  /** All close; what the living held is gone at once, what the dead held when its time is over. */
  async function leaveAll(): Promise<void> {
    if (world.violation !== null) return
    const ends = living().map(member => {
      network.closing(member.process)
      return member.close(10_000)
    })
    let closed = false
    void Promise.all(ends).then(() => (closed = true))
    await world.run(world.now + SETTLE_MS, () => closed)
    if (!closed) world.fail('not all have closed')
    await world.run(world.now + FLUSH_MS)
    await nobodysTickets()
    await world.run(world.now + FORGOTTEN_MS)
    for (const key of keys) await network.mustBeEmpty(key)
  }
}

/** The world's own errors are its own: other listeners (a test runner's) do not hear of them meanwhile. */
function catchRejections(listener: (error: unknown) => void): () => void {
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', listener)
  return () => {
    process.removeListener('unhandledRejection', listener)
    for (const other of others) process.on('unhandledRejection', other)
  }
}
