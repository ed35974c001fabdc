/**
 * The surroundings of one run: a fresh directory, what must be closed, Ctrl-C. Whatever happens, all of it is gone
 * before the run is over; should this process be killed by a signal that nobody can catch, the workers notice that the
 * channel is closed and leave by themselves.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import type { Act } from './acts.ts'
import type { Closable, Stage } from './declaration.ts'
import { atExit } from '../servers/cleanup.ts'
import { hostNow } from './host-time.ts'
import type { Given } from './options.ts'
import type { Message } from './wire.ts'
import { startWorker } from './workers.ts'
import type { Member } from './workers.ts'

export interface Surroundings {
  readonly directory: string
  readonly interrupted: AbortSignal
  /** The signal that interrupted; null: none. */
  interruptedBy(): NodeJS.Signals | null
  use<Thing extends Closable>(thing: Thing): Thing
}

/** From the order to the common start: long enough for the message to reach workers that have nothing else to do. */
const BARRIER_MS = 30

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export async function surrounded<Answer>(name: string, run: (at: Surroundings) => Promise<Answer>): Promise<Answer> {
  const directory = mkdtempSync(join(tmpdir(), `holdfast-lab-${name}-`))
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  const forget = atExit(remove)
  const interrupt = new AbortController()
  let interruptedBy: NodeJS.Signals | null = null
  const deaf = onSignals(signal => {
    interruptedBy ??= signal
    interrupt.abort()
  })
  const closables: Closable[] = []
  try {
    return await run({
      directory,
      interrupted: interrupt.signal,
      interruptedBy: () => interruptedBy,
      use(thing) {
        closables.push(thing)
        return thing
      },
    })
  } finally {
    for (const closable of closables.toReversed()) await closable.close()
    deaf()
    forget()
    remove()
  }
}

/**
 * What ends a run early; the process goes on. Returns how to take that back. npm passes on a Ctrl-C that the terminal
 * has sent already: a second one is no impatience, and the end is bounded anyway.
 */
export function onSignals(hear: (signal: NodeJS.Signals) => void): () => void {
  const handlers = SIGNALS.map(signal => ({ signal, handle: () => hear(signal) }))
  for (const { signal, handle } of handlers) process.on(signal, handle)
  return () => {
    for (const { signal, handle } of handlers) process.off(signal, handle)
  }
}

/** Where someone may tell something, while it goes on. */
export interface Ground {
  say(...lines: readonly string[]): void
  /** All is ready, and a round begins. */
  begins(step: Step): void
}

/** Where a run has come to. */
export interface Step {
  readonly way: string
  /** Of all ways together, from 1. */
  readonly round: number
  readonly rounds: number
}

export interface Asked<Settings> extends Ground {
  readonly settings: Settings
  readonly given: Given
  readonly sabotage: string | null
  readonly namespace: string
  readonly patienceMs: number
  /** A folder. */
  readonly journal: string | null
}

interface Theatre<Settings> {
  readonly stage: Stage<Settings>
  /** A round of this way begins: nothing has happened yet. */
  begin(round: { readonly way: string; readonly free: boolean }): void
  conditions(): Readonly<Record<string, string>>
}

/** The stage of a run, and what only the machinery does with it. */
export function createStage<Settings>(name: string, asked: Asked<Settings>, at: Surroundings): Theatre<Settings> {
  let current = { way: '', free: false, key: '' }
  let begun = 0
  let acts: Act[] = []
  let told: Readonly<Record<string, string>> = {}
  const members: Member[] = []
  const key = `holdfast-lab:${name}:${systemClock.id()}`
  at.interrupted.addEventListener('abort', () => {
    for (const member of members) member.stop()
  })
  const record = (act: Act): void => void acts.push(act)
  const workers = async (names: readonly string[], place: Message = {}): Promise<readonly Member[]> => {
    const crew = names.map(worker =>
      startWorker(worker, { round: () => current, patienceMs: asked.patienceMs, record }),
    )
    members.push(...crew)
    at.use({ close: async () => void (await Promise.all(crew.map(member => member.end()))) })
    const { journal } = asked
    const given = Object.fromEntries(Object.entries(asked.given).filter(isText))
    await Promise.all(crew.map(member => member.open({ experiment: name, given, journal, place })))
    return crew
  }
  return {
    begin(round) {
      begun += 1
      current = { ...round, key: `${key}:${begun}` }
      acts = []
    },
    conditions: () => told,
    stage: {
      settings: asked.settings,
      directory: at.directory,
      interrupted: at.interrupted,
      get key() {
        return current.key
      },
      namespace: asked.namespace,
      use: at.use,
      workers: asTuple(workers),
      async together(...parts) {
        const startAt = hostNow() + BARRIER_MS
        await Promise.all(parts.map(([worker, part, order]) => worker.play(part, order, { startAt }).done))
      },
      act: (who, type, fields = {}) => record({ who, type, at: hostNow(), fields }),
      acts: () => acts.toSorted((a, b) => a.at - b.at),
      conditions(conditions) {
        told = conditions
        const width = Math.max(...Object.keys(conditions).map(title => title.length))
        asked.say('', ...Object.entries(conditions).map(([title, text]) => `  ${title.padEnd(width)}  ${text}`))
        if (asked.sabotage !== null)
          asked.say('', `  SABOTAGED: "${asked.sabotage}" runs without its repair (a broken way: with one), as asked.`)
      },
    },
  }
}

/** As many workers come back as there are names. */
function asTuple(
  start: (names: readonly string[], place?: Message) => Promise<readonly Member[]>,
): Stage<never>['workers'] {
  const isFor = <const Names extends readonly string[]>(
    names: Names,
    members: readonly Member[],
  ): members is { readonly [Index in keyof Names]: Member } => members.length === names.length
  return async (names, place) => {
    const members = await start(names, place)
    if (!isFor(names, members)) throw new Error('A worker is missing.')
    return members
  }
}

function isText(entry: readonly [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string'
}
