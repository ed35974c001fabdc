/**
 * Virtual time, and the processes that live in it.
 *
 * Everything that happens is an event at an instant, in whole microseconds. One event runs, then all promises that it
 * has settled run to their end, then the checks; only then the next event. So a simulation is a function of its seed.
 *
 * An event may belong to a process: a timer of it, or something that arrives for it. While the process is paused
 * (SIGSTOP, or an event loop that is blocked) its events are kept, and when it goes on they run at once: sometimes what
 * arrived before the timers, as behind a blocked event loop, sometimes the other way round. A dead process runs nothing
 * any more.
 */
import type { Clock, Timer } from '../../src/base/clock.ts'
import { chanceOf } from './chance.ts'
import type { Chance } from './chance.ts'

export interface World {
  readonly chance: Chance
  /** Milliseconds since the beginning: the true time, which is the store's. */
  readonly now: number
  /** Events so far. */
  readonly events: number
  /** What went wrong first; null: nothing yet. */
  readonly violation: string | null
  /** A number over all that was noted: two runs with one number went the same way. */
  readonly hash: number
  readonly trace: readonly string[]
  /** The clock that decides expiry in the store. */
  readonly storeClock: Clock
  spawn(name: string): Process
  /** Happens to nobody in particular. */
  after(delayMs: number, task: () => void): void
  note(what: string): void
  fail(what: string): void
  /** Runs until that instant, or until `finished` or a violation. */
  run(untilMs: number, finished?: () => boolean): Promise<void>
  /** Called after each event: the process that has run, or null. */
  onEvent(check: (ran: Process | null) => void): void
}

export interface Process {
  readonly name: string
  readonly state: 'runs' | 'paused' | 'dead'
  /** When it last went on after a pause. */
  readonly resumedAt: number
  /** For how long it has been paused in all. */
  readonly pausedMs: number
  /** How many of its milliseconds a true one is. */
  readonly rate: number
  readonly clock: Clock
  /** Something arrives for it after so long. */
  receive(delayMs: number, task: () => void): void
  /** Its clock's own sleep. */
  sleep(ms: number): Promise<void>
  pause(): void
  resume(): void
  kill(): void
  /** Somebody sets its wall clock. */
  setWall(byMs: number): void
}

interface Event {
  at: number
  order: number
  readonly process: OwnedEvents | null
  readonly arrival: boolean
  task: (() => void) | null
}

interface OwnedEvents {
  readonly process: Process
  readonly kept: Event[]
}

const WALL = Date.UTC(2026, 0, 1)
/** Node's timers are a little late. */
const LATENESS_MICROS = 300
/** Quartz is off by parts in 10^5, slewing by parts in 10^3. */
const DRIFT = 0.003

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

export function createWorld(seed: number, options: { readonly record: boolean }): World {
  const chance = chanceOf(seed)
  const queue = createAgenda()
  const trace: string[] = []
  let micros = 0
  let events = 0
  let hash = 0x811c9dc5
  let violation: string | null = null
  let check: (ran: Process | null) => void = () => {}

  const now = (): number => micros / 1_000

  function note(what: string): void {
    const line = `${now().toFixed(3)} ${what}`
    for (let index = 0; index < line.length; index += 1) hash = Math.imul(hash ^ line.charCodeAt(index), 0x01000193)
    if (options.record) trace.push(line)
  }

  function fail(what: string): void {
    if (violation !== null) return
    violation = what
    note(`VIOLATION ${what}`)
  }

  function schedule(delayMs: number, process: OwnedEvents | null, arrival: boolean, task: () => void): Event {
    const event = { at: micros + Math.max(1, Math.ceil(delayMs * 1_000)), order: 0, process, arrival, task }
    queue.add(event)
    return event
  }

  async function run(untilMs: number, finished: () => boolean = () => false): Promise<void> {
    const end = Math.floor(untilMs * 1_000)
    await turn()
    check(null)
    while (violation === null && !finished()) {
      const event = queue.next(end)
      if (event === undefined) {
        micros = Math.max(micros, end)
        return
      }
      const { process, task } = event
      if (task === null || process?.process.state === 'dead') continue
      micros = Math.max(micros, event.at)
      if (process?.process.state === 'paused') {
        process.kept.push(event)
        continue
      }
      event.task = null
      events += 1
      task()
      await turn()
      check(process?.process ?? null)
    }
  }

  function spawn(name: string): Process {
    const rate = 1 + chance.between(-DRIFT, DRIFT)
    const zero = chance.between(0, 1e6)
    let state: Process['state'] = 'runs'
    let ids = 0
    let wall = WALL + chance.between(-500, 500)
    let pausedAt = 0
    let pausedMs = 0
    let resumedAt = now()
    const kept: Event[] = []
    const clockNow = (): number => zero + now() * rate

    function after(delayMs: number, task: () => void): Timer {
      if (delayMs === Infinity) return { cancel() {} }
      const event = schedule(Math.max(0, delayMs) / rate + chance.whole(1, LATENESS_MICROS) / 1_000, owned, false, task)
      return { cancel: () => void (event.task = null) }
    }

    const process: Process = {
      name,
      rate,
      get state() {
        return state
      },
      get resumedAt() {
        return resumedAt
      },
      get pausedMs() {
        return pausedMs + (state === 'paused' ? now() - pausedAt : 0)
      },
      clock: {
        now: clockNow,
        wall: () => wall + now() * rate,
        after,
        random: chance.unit,
        id: () => `${name}-${(ids += 1)}`,
      },
      receive: (delayMs, task) => void schedule(delayMs, owned, true, task),
      sleep: ms => new Promise(resolve => after(ms, resolve)),
      pause() {
        if (state !== 'runs') return
        state = 'paused'
        pausedAt = now()
        note(`${name} pauses`)
      },
      resume() {
        if (state !== 'paused') return
        pausedMs += now() - pausedAt
        state = 'runs'
        resumedAt = now()
        const arrivalsFirst = chance.of(0.5)
        note(`${name} resumes with ${kept.length} events, ${arrivalsFirst ? 'arrivals' : 'timers'} first`)
        const first = kept.filter(event => event.arrival === arrivalsFirst)
        const then = kept.filter(event => event.arrival !== arrivalsFirst)
        kept.length = 0
        for (const event of [...first, ...then]) {
          event.at = micros
          queue.add(event)
        }
      },
      kill() {
        state = 'dead'
        kept.length = 0
        note(`${name} dies`)
      },
      setWall(byMs) {
        wall += byMs
      },
    }
    const owned: OwnedEvents = { process, kept }
    return process
  }

  return {
    chance,
    get now() {
      return now()
    },
    get events() {
      return events
    },
    get violation() {
      return violation
    },
    get hash() {
      return hash >>> 0
    },
    trace,
    storeClock: {
      now,
      wall: () => WALL + now(),
      random: chance.unit,
      after: () => ({ cancel() {} }),
      id: () => 'store',
    },
    spawn,
    after: (delayMs, task) => void schedule(delayMs, null, false, task),
    note,
    fail,
    run,
    onEvent(listener) {
      check = listener
    },
  }
}

interface Agenda {
  add(event: Event): void
  /** The earliest event if it is not after `end`; among equals the one that was added first. */
  next(end: number): Event | undefined
}

/** A binary heap in which equals keep their order, since the order is what must repeat. */
function createAgenda(): Agenda {
  const heap: Event[] = []
  let orders = 0

  const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

  return {
    add(event) {
      event.order = orders += 1
      let index = heap.length
      heap.push(event)
      while (index > 0) {
        const above = (index - 1) >> 1
        const parent = heap[above]
        if (parent === undefined || before(parent, event)) break
        heap[index] = parent
        index = above
      }
      heap[index] = event
    },
    next(end) {
      const [first] = heap
      if (first === undefined || first.at > end) return undefined
      const last = heap.pop()
      if (last === undefined || heap.length === 0) return first
      let index = 0
      for (;;) {
        const left = heap[2 * index + 1]
        const right = heap[2 * index + 2]
        if (left === undefined) break
        const [smaller, place] =
          right !== undefined && before(right, left) ? [right, 2 * index + 2] : [left, 2 * index + 1]
        if (before(last, smaller)) break
        heap[index] = smaller
        index = place
      }
      heap[index] = last
      return first
    },
  }
}
