/**
 * Child processes that we start in order to hurt them: stopped in the middle of whatever they do (SIGSTOP, as a machine
 * that sleeps or a long garbage collection looks from outside), continued, killed without a word (SIGKILL, as a crash).
 *
 * Only processes started here are ever signalled, by their own id, and none outlives this process.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { sleep, systemClock } from '../base/clock.ts'
import { HoldfastError } from '../base/errors.ts'
import { atExit } from './cleanup.ts'

/** How a process ended: by its own code, or by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Child {
  readonly pid: number
  /** For its streams and messages. */
  readonly process: ChildProcess
  /** Resolves when it has ended, however. Never rejects. */
  readonly exited: Promise<Exit>
  running(): boolean
  /** Stops it where it is (SIGSTOP). Resolved: it no longer runs on any processor. */
  pause(): Promise<void>
  /** For one that stops itself: resolves when it has. */
  stopped(): Promise<void>
  /** Lets it go on (SIGCONT). */
  resume(): void
  /** SIGKILL, paused or not. */
  kill(): Promise<Exit>
  /** Asks it to end (`signal`, default SIGTERM); after `graceMs` (5,000) it is killed. */
  stop(options?: { readonly signal?: NodeJS.Signals; readonly graceMs?: number }): Promise<Exit>
}

const GRACE_MS = 5_000
/** A stop that takes longer is a process in an uninterruptible call. */
const PAUSE_MS = 2_000

/**
 * Starts a program as a child that can be hurt.
 * @throws HoldfastError  it could not be started
 */
export async function startChild(program: string, args: readonly string[], options: SpawnOptions = {}): Promise<Child> {
  const child = spawn(program, args, options)
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', cause =>
      reject(new HoldfastError(`${program} could not be started: ${cause.message}`, { cause })),
    )
  })
  return hurtable(child)
}

/** The same for a process that was spawned elsewhere. It must be a child of this process, and have started. */
export function hurtable(child: ChildProcess): Child {
  const { pid } = child
  if (pid === undefined)
    throw new HoldfastError('The child process did not start, so there is nothing to pause or kill.')
  const running = (): boolean => child.exitCode === null && child.signalCode === null
  const send = (signal: NodeJS.Signals): void => {
    if (running()) child.kill(signal)
  }
  const forget = atExit(() => send('SIGKILL'))
  const exited = new Promise<Exit>(resolve => {
    const done = (): void => {
      forget()
      resolve({ code: child.exitCode, signal: child.signalCode })
    }
    if (running()) child.once('exit', done)
    else done()
  })

  const stopped = async (): Promise<void> => {
    const deadline = systemClock.now() + PAUSE_MS
    while (running() && !isStopped(pid) && systemClock.now() < deadline) await sleep(systemClock, 1)
  }

  async function kill(): Promise<Exit> {
    // Somebody waits for the end: the child counts again, even if it was unref'd.
    child.ref()
    send('SIGKILL')
    return exited
  }

  return {
    pid,
    process: child,
    exited,
    running,
    async pause() {
      send('SIGSTOP')
      await stopped()
    },
    stopped,
    resume: () => send('SIGCONT'),
    kill,
    async stop({ signal = 'SIGTERM', graceMs = GRACE_MS } = {}) {
      child.ref()
      // A stopped process would not see the request.
      send('SIGCONT')
      send(signal)
      const over = new AbortController()
      const exit = await Promise.race([exited, sleep(systemClock, graceMs, { signal: over.signal, idle: true })])
      over.abort()
      return exit ?? kill()
    },
  }
}

/** SIGSTOP takes effect a moment after it was sent; where the system does not tell (no /proc), it counts as done. */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The state follows the name, which is in parentheses and may itself hold any character.
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
  } catch {
    return true
  }
}
