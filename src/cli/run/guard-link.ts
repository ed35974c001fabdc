/**
 * Holdfast's end of the guard (guard.ts): starts it, keeps it informed, and starts another if somebody ends it or
 * it no longer answers.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { hostClock, sleep, systemClock } from '../../base/clock.ts'
import type { Timer } from '../../base/clock.ts'
import { brief, CliError, EXIT } from '../exit.ts'
import { linesOf } from './lines.ts'

export interface Guard {
  /** The window closes so many milliseconds from now. */
  deadline(leftMs: number): void
  /** The job has been asked to end. */
  asked(): void
  /** Runs `start` with the pipe over which the command waits for the guard's leave. */
  launch(start: (pipe: Socket) => ChildProcess): ChildProcess
  /** Holdfast stops itself now, between two steps; or goes on. */
  resting(is: boolean): void
  /** The job is over: nothing is left to guard. Resolves when the guard is gone. */
  finish(): Promise<void>
  /** The guard has let the command go. */
  readonly started: boolean
  /** The guard had to act: holdfast stood still for too long. */
  readonly intervened: boolean
  /** It ended, or did not answer, and no other could be started. */
  readonly unkept: boolean
}

export interface GuardOptions {
  readonly leads: boolean
  readonly mark: string
  readonly graceMs: number
  /** It acts, or cannot be kept. */
  readonly onEnding: () => void
}

const PROGRAM = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './guard.ts' : './guard.js', import.meta.url))
/** A guard that has not answered so many in a row is deaf: stopped, or thrown out of memory. */
const [PING_MS, DEAF_AFTER] = [1_000, 2]
/** A guard that somebody has stopped reads its last line when it is continued; nobody waits for that. */
const LONGEST_FAREWELL_MS = 1_000

/** Resolves when the guard is ready. @throws CliError */
export async function startGuard(options: GuardOptions): Promise<Guard> {
  let endsAt: number | null = null
  let wasAsked = false
  let jobPid: number | undefined
  let started = false
  let intervened = false
  let unkept = false
  let finishing = false
  let replacing = false
  let unanswered = 0
  let current = await spawnGuard(options, { hear, onGone })
  let watch: Timer | undefined

  function hear(line: string): void {
    if (line === 'pong') unanswered = 0
    if (line === 'started') started = true
    if (line !== 'ending') return
    intervened = true
    options.onEnding()
  }

  /** Counted and not timed: if this process stands still, its guard is not to blame. */
  function ping(): void {
    if (finishing) return
    if (unanswered >= DEAF_AFTER) replace()
    else current.say('ping')
    unanswered += 1
    watch = systemClock.after(PING_MS, ping, { idle: true })
  }

  function onGone(gone: Running): void {
    if (gone === current) replace()
  }

  /** The new one knows everything before a deaf one is ended, which in between must not be without a successor. */
  function replace(): void {
    if (finishing || replacing) return
    replacing = true
    spawnGuard(options, { hear, onGone }).then(
      next => {
        const before = current
        current = next
        replacing = false
        unanswered = 0
        inform(next)
        before.kill()
      },
      () => {
        unkept = true
        options.onEnding()
      },
    )
  }

  function inform(next: Running): void {
    if (finishing) return next.say('done')
    if (endsAt !== null) next.say(`deadline ${endsAt} ${options.graceMs}`)
    if (wasAsked) next.say('asked')
    if (jobPid !== undefined) next.say(`job ${jobPid}`)
  }

  return {
    deadline(leftMs) {
      endsAt = hostClock.now() + leftMs
      current.say(`deadline ${endsAt} ${options.graceMs}`)
      // Not earlier: dozens who wait would wake twice a second each for nothing.
      watch ??= systemClock.after(PING_MS, ping, { idle: true })
    },
    asked() {
      wasAsked = true
      current.say('asked')
    },
    resting: is => current.say(is ? 'resting' : 'awake'),
    launch(start) {
      const child = start(current.command)
      // At once, before this process could read from it what the guard tells the command.
      current.command.destroy()
      jobPid = child.pid
      return child
    },
    async finish() {
      if (finishing) return
      finishing = true
      watch?.cancel()
      current.say('done')
      await Promise.race([current.gone, sleep(systemClock, LONGEST_FAREWELL_MS, { idle: true })])
    },
    get started() {
      return started
    },
    get intervened() {
      return intervened
    },
    get unkept() {
      return unkept
    },
  }
}

interface Running {
  say(line: string): void
  kill(): void
  readonly command: Socket
  readonly gone: Promise<void>
}

interface Listener {
  hear(line: string): void
  onGone(gone: Running): void
}

function spawnGuard(options: GuardOptions, { hear, onGone }: Listener): Promise<Running> {
  const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']
  const child = spawn(process.execPath, [PROGRAM, options.leads ? 'group' : 'tree', options.mark], {
    detached: true,
    stdio,
    env: guardEnvironment(),
  })
  const [, , , news, command] = child.stdio
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new CliError(`the guard cannot be started: ${why}`, EXIT.internal))
    child.on('error', error => fail(brief(error)))
    if (!(news instanceof Socket) || !(command instanceof Socket)) return
    // A guard that dies takes its pipes along; `gone` tells.
    news.on('error', () => {})
    command.on('error', () => {})
    let running: Running | null = null
    const gone = new Promise<void>(settle => {
      // Not 'exit': its last words may still be in the pipe.
      child.on('close', () => {
        settle()
        if (running === null) fail('it ended before it was ready')
        else onGone(running)
      })
    })
    news.on(
      'data',
      linesOf(line => {
        if (line !== 'ready') return hear(line)
        const say = (text: string): void => void (news.writable && news.write(`${text}\n`))
        running = { say, kill: () => void child.kill('SIGKILL'), command, gone }
        resolve(running)
      }),
    )
  })
}

/** What makes Node heavy or talkative is meant for other programs. */
function guardEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...rest } = process.env
  return rest
}
