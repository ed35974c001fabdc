/**
 * Stores that outlive whoever started them: on ports in a row, each in its directory below one folder. `scripts/stores`
 * is this on the command line.
 *
 * Only one process at a time starts or ends stores of a fleet: it listens on the first port, which the system frees
 * however it ends.
 */
import { createServer } from 'node:net'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sleep, systemClock } from '../base/clock.ts'
import { HoldfastError } from '../base/errors.ts'
import { catalogue, PORTS } from './catalogue.ts'
import type { Catalogue, Group, Store } from './catalogue.ts'
import { lastWords, logOf, prepare } from './directory.ts'
import { obstacleOf } from './find.ts'
import { HOST } from './kind.ts'
import type { Place } from './kind.ts'
import { spawnServer, untilItAnswers } from './launch.ts'
import { endAt, processOf, record, signalAt, stateAt } from './recorded.ts'
import type { State } from './recorded.ts'

export interface FleetOptions {
  /** For what the fleet writes, absolute. */
  readonly folder: string
  /** The first of 200 ports in a row. */
  readonly base: number
  /** Told of each store that came up, and of what went wrong. */
  say(line: string): void
  complain(line: string): void
}

export interface Fleet extends Catalogue {
  /** Names that are neither a store's nor a group's. */
  unknown(names: readonly string[]): readonly string[]
  /** The stores of these names (none: of all), and what they need, each once. */
  chosen(names: readonly string[]): readonly Store[]
  /** Why it cannot run on this machine; null: it can. */
  obstacle(store: Store): string | null
  /** Starts them and waits until they answer. False: one did not. */
  up(stores: readonly Store[]): Promise<boolean>
  /** Ends them and removes their data. */
  down(stores: readonly Store[]): Promise<void>
  /** Ends and starts them, keeping their data. */
  restart(stores: readonly Store[]): Promise<boolean>
  /** False: one of them is down. */
  signal(stores: readonly Store[], signal: NodeJS.Signals): boolean
  state(store: Store): State
  pid(store: Store): number | null
  /** What tests read, of all that runs. */
  variables(): Readonly<Record<string, string>>
}

const READY_MS = 60_000
/** All stores at once, first data included, take a busy machine a minute. */
const TURN_MS = 180_000
const JOIN_MS = 30_000

export function createFleet({ folder, base, say, complain }: FleetOptions): Fleet {
  const { stores, groups } = catalogue(base)
  const placeOf = ({ name, port }: Store): Place => ({ home: join(folder, name), port })
  const state = (store: Store): State => stateAt(placeOf(store))
  const membersOf = ({ members }: Group): readonly Store[] => stores.filter(({ name }) => members.includes(name))

  function chosen(names: readonly string[]): readonly Store[] {
    if (names.length === 0) return stores
    const wanted = new Set<string>()
    for (const name of names)
      for (const member of groups.find(group => group.name === name)?.members ?? [name]) {
        const needs = stores.find(store => store.name === member)?.needs
        if (needs !== undefined) wanted.add(needs)
        wanted.add(member)
      }
    return stores.filter(({ name }) => wanted.has(name))
  }

  /** The servers may run as somebody else, who must get through. */
  async function openFolder(): Promise<void> {
    await mkdir(folder, { recursive: true })
    await chmod(folder, 0o755)
  }

  async function start(store: Store): Promise<boolean> {
    const place = placeOf(store)
    const began = systemClock.now()
    if (state(store) === 'paused') signalAt(place, 'SIGCONT')
    if (state(store) === 'down') {
      await openFolder()
      await prepare(store.kind, place)
      const child = await spawnServer(store.kind, { place })
      record(place, child.pid ?? 0)
    }
    const running = (): boolean => state(store) !== 'down'
    const outcome = await untilItAnswers(store.kind, { place, running, withinMs: READY_MS })
    if (outcome === 'ended') throw new HoldfastError(`${store.name} ended at its start:\n${lastWords(place)}`)
    if (outcome === 'silent')
      throw new HoldfastError(`${store.name} did not answer within ${READY_MS} ms, see ${logOf(place)}`)
    await store.kind.complete?.(place)
    say(`${row(store, 'up')} pid ${processOf(place) ?? '?'} ${Math.round(systemClock.now() - began)} ms`)
    return true
  }

  /** Tells of a failure, and goes on with the others. */
  async function each(among: readonly Store[], work: (store: Store) => Promise<boolean>): Promise<boolean> {
    const done = await Promise.all(
      among.map(store =>
        work(store).catch((cause: unknown) => {
          complain(cause instanceof HoldfastError ? cause.message : `${store.name}: ${String(cause)}`)
          return false
        }),
      ),
    )
    return done.every(Boolean)
  }

  async function together(group: Group): Promise<boolean> {
    const deadline = systemClock.now() + JOIN_MS
    while (!((await group.join?.()) ?? true)) {
      if (systemClock.now() > deadline) {
        complain(`${group.name} did not come together within ${JOIN_MS} ms`)
        return false
      }
      await sleep(systemClock, 50)
    }
    return true
  }

  /** A copy that was started before its original would wait a second between its tries. */
  async function startAll(among: readonly Store[]): Promise<boolean> {
    const first = await each(
      among.filter(({ needs }) => needs === undefined),
      start,
    )
    const then = await each(
      among.filter(({ needs }) => needs !== undefined),
      start,
    )
    const touched = groups.filter(({ members }) => among.some(({ name }) => members.includes(name)))
    const whole = touched.filter(group => membersOf(group).every(member => state(member) === 'up'))
    const joined = await Promise.all(whole.map(together))
    return first && then && joined.every(Boolean)
  }

  async function end(store: Store): Promise<boolean> {
    if (!(await endAt(placeOf(store), store.kind.stopSignal ?? 'SIGTERM')))
      complain(`${store.name} did not end by itself and was killed`)
    return true
  }

  function row({ name, port }: Store, word: State): string {
    return `${name.padEnd(17)} ${word.padEnd(6)} port ${port}`
  }

  return {
    stores,
    groups,
    chosen,
    unknown: names => names.filter(name => ![...stores, ...groups].some(known => known.name === name)),
    obstacle: ({ kind }) =>
      process.platform === 'linux' ? obstacleOf(kind) : 'it is started as a process on Linux only',
    up: among => inTurn(base, () => startAll(among)),
    down: among =>
      inTurn(base, async () => {
        await each(among, end)
        await Promise.all(among.map(store => rm(placeOf(store).home, { recursive: true, force: true })))
        if (existsSync(folder) && readdirSync(folder).length === 0) await rm(folder, { recursive: true })
      }),
    restart: among =>
      inTurn(base, async () => {
        await each(among, end)
        return startAll(among)
      }),
    signal(among, signal) {
      const down = among.filter(store => !signalAt(placeOf(store), signal))
      for (const { name } of down) complain(`${name} is down`)
      return down.length === 0
    },
    state,
    pid: store => processOf(placeOf(store)),
    variables() {
      const running = stores.filter(store => state(store) !== 'down')
      // A group's line stands as soon as one member runs: what a client does with the others down is what tests ask.
      const standing = groups.filter(group => membersOf(group).some(member => running.includes(member)))
      return Object.fromEntries([...running.flatMap(ofStore), ...standing.flatMap(ofGroup)])
    },
  }

  function ofStore(store: Store): readonly (readonly [string, string])[] {
    const place = placeOf(store)
    const more = Object.entries(store.kind.more?.(place) ?? {})
    return [
      [variable(store.name, 'URL'), store.kind.address(place)],
      ...more.map(([ending, value]) => [variable(store.name, ending), value] as const),
    ]
  }

  function ofGroup(group: Group): readonly (readonly [string, string])[] {
    const members = membersOf(group).map(store => store.kind.address(placeOf(store)))
    const whole = group.address === undefined ? [] : [[variable(group.name, 'URL'), group.address] as const]
    return [...whole, [variable(group.name, 'URLS'), members.join(',')]]
  }
}

/** The variable by which tests learn of a store: HOLDFAST_TEST_REDIS_URL. */
export function variable(name: string, ending: string): string {
  return `HOLDFAST_TEST_${name.toUpperCase().replaceAll('-', '_')}_${ending}`
}

/** Alone among all processes that start or end stores of a fleet. */
async function inTurn<T>(base: number, work: () => Promise<T>): Promise<T> {
  const turn = createServer()
  const deadline = systemClock.now() + TURN_MS
  while (
    !(await new Promise<boolean>(resolve => {
      turn.once('error', () => resolve(false))
      turn.listen(base, HOST, () => resolve(true))
    }))
  ) {
    if (systemClock.now() > deadline)
      throw new HoldfastError(
        `Port ${base}, by which calls take turns, has been taken for ${TURN_MS} ms. Is it another program's? ` +
          `Then set HOLDFAST_STORES_BASE to the first of ${PORTS} free ones.`,
      )
    await sleep(systemClock, 50)
  }
  try {
    return await work()
  } finally {
    turn.close()
  }
}
