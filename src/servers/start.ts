/**
 * A server of one's own, for an experiment or a test: on a free port of the loopback, in a temporary directory, and
 * gone with it when this process ends or gets Ctrl-C.
 *
 * It can be paused, continued, killed and started again, with its data or without, on the same port.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError, UnsupportedError } from '../base/errors.ts'
import { hurtable } from './child.ts'
import type { Child } from './child.ts'
import { atExit } from './cleanup.ts'
import { emptyData, lastWords, prepare } from './directory.ts'
import { obstacleOf } from './find.ts'
import { HOST } from './kind.ts'
import type { Place, ServerKind } from './kind.ts'
import { spawnServer, untilItAnswers } from './launch.ts'
import { freePort } from './ports.ts'
import { haltTree, signalTree } from './process-tree.ts'
import { steppedClock } from './stepped-clock.ts'
import type { SteppedClock } from './stepped-clock.ts'

export interface ServerOptions {
  /** More arguments for the program, after ours. */
  readonly args?: readonly string[]
  /** Default: a free one. */
  readonly port?: number
  /** Makes its clock one that can be stepped (see stepped-clock.ts). */
  readonly stepClock?: boolean
}

export interface FaultServer {
  readonly kind: string
  readonly host: string
  readonly port: number
  /** For clients, as its kind tells it. */
  readonly address: string
  /** For this run; changes with every restart. */
  readonly pid: number
  /** Set with `stepClock`. */
  readonly clock: SteppedClock | null
  running(): boolean
  pause(): Promise<void>
  resume(): void
  /** SIGKILL. */
  kill(): Promise<void>
  /**
   * Ends it if it runs (politely, if `kill` was not called before) and starts it again on its port. `empty`: its data
   * are removed first.
   */
  restart(options?: { readonly empty?: boolean }): Promise<void>
  /** Ends it and removes its directory. */
  close(): Promise<void>
}

/** PostgreSQL and MySQL take 5 s on a busy machine, for their first data. */
const READY_MS = 30_000
/** A free port may be taken by somebody else before the server gets to it. */
const TRIES = 3

/**
 * Starts a server and resolves when it answers.
 * @throws UnsupportedError  the program is not installed; or `stepClock` and no compiler
 * @throws HoldfastError     it did not come up (the message ends with its own last words)
 */
export async function startServer(kind: ServerKind, options: ServerOptions = {}): Promise<FaultServer> {
  const obstacle = obstacleOf(kind)
  if (obstacle !== null) throw new UnsupportedError(obstacle)
  const home = await mkdtemp(join(tmpdir(), `holdfast-${kind.name}-`))
  const forget = atExit(() => rmSync(home, { recursive: true, force: true }))
  let place: Place = { home, port: options.port ?? 0 }
  let child: Child | null = null
  let clock: SteppedClock | null = null

  async function close(): Promise<void> {
    await child?.stop(kind.stopSignal === undefined ? {} : { signal: kind.stopSignal })
    await rm(home, { recursive: true, force: true })
    forget()
  }

  async function launch(): Promise<Child> {
    await prepare(kind, place)
    const started = hurtable(await spawnServer(kind, { place, args: options.args, environment: clock?.environment }))
    const outcome = await untilItAnswers(kind, { place, running: () => started.running(), withinMs: READY_MS })
    if (outcome === 'up') {
      await kind.complete?.(place)
      return started
    }
    await started.kill()
    throw new HoldfastError(`${kind.name} did not come up on port ${place.port}:\n${lastWords(place)}`)
  }

  try {
    if (options.stepClock === true) clock = await steppedClock(home)
    for (let left = options.port === undefined ? TRIES : 1; child === null; left -= 1) {
      place = { home, port: options.port ?? (await freePort(kind.ports)) }
      child = await launch().catch((cause: unknown) => {
        if (left <= 1) throw cause
        return emptyData(place).then(() => null)
      })
    }
  } catch (cause) {
    await close()
    throw cause
  }
  let current = child

  return {
    kind: kind.name,
    host: HOST,
    port: place.port,
    address: kind.address(place),
    get pid() {
      return current.pid
    },
    clock,
    running: () => current.running(),
    async pause() {
      if (current.running()) await haltTree(current.pid, 'SIGSTOP')
    },
    resume() {
      if (current.running()) signalTree(current.pid, 'SIGCONT')
    },
    async kill() {
      if (current.running()) await haltTree(current.pid, 'SIGKILL')
      await current.kill()
    },
    async restart({ empty = false } = {}) {
      await current.stop(kind.stopSignal === undefined ? {} : { signal: kind.stopSignal })
      if (empty) await emptyData(place)
      child = current = await launch()
    },
    close,
  }
}
