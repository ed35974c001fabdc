/**
 * Holdfast's end of the guard (guard.ts): starts it, keeps it informed, and starts another if somebody ends it.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { hostClock, sleep, systemClock } from '../../base/clock.ts'
import { brief, CliError, EXIT } from '../exit.ts'
import { linesOf } from './lines.ts'

export interface Guard {
  /** The window closes so many milliseconds from now. */
  deadline(leftMs: number): void
  /** The job has been asked to end. */
  asked(): void
  /** Runs `start` with the pipe over which the command waits for the guard's leave. */
  launch(start: (pipe: Socket) => ChildProcess): ChildProcess
  /** The job is over: nothing is left to guard. Resolves when the guard is gone. */
  finish(): Promise<void>
  /** The guard has let the command go. */
  readonly started: boolean
  /** The guard had to act: holdfast stood still for too long. */
  readonly intervened: boolean
}

export interface GuardOptions {
  readonly leads: boolean
  readonly mark: string
  readonly graceMs: number
  /** It acts, or cannot be kept. */
  readonly onEnding: () => void
}

const PROGRAM = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './guard.ts' : './guard.js', import.meta.url))
/** A guard that somebody has stopped reads its last line when it is continued; nobody waits for that. */
const LONGEST_FAREWELL_MS = 1_000

/** Resolves when the guard is ready. @throws CliError */
export async function startGuard(options: GuardOptions): Promise<Guard> {
  let endsAt: number | null = null
  let wasAsked = false
  let jobPid: number | undefined
  let started = false
  let intervened = false
  let finishing = false
  let current = await spawnGuard(options, hear, replace)

  function hear(line: string): void {
    if (line === 'started') started = true
    if (line !== 'ending') return
    intervened = true
    options.onEnding()
  }

  function replace(): void {
    if (finishing) return
    spawnGuard(options, hear, replace).then(
      next => {
        current = next
        if (finishing) return next.say('done')
        if (endsAt !== null) next.say(`deadline ${endsAt} ${options.graceMs}`)
        if (wasAsked) next.say('asked')
        if (jobPid !== undefined) next.say(`job ${jobPid}`)
      },
      () => options.onEnding(),
    )
  }

  return {
    deadline(leftMs) {
      endsAt = hostClock.now() + leftMs
      current.say(`deadline ${endsAt} ${options.graceMs}`)
    },
    asked() {
      wasAsked = true
      current.say('asked')
    },
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
      current.say('done')
      await Promise.race([current.gone, sleep(systemClock, LONGEST_FAREWELL_MS, { idle: true })])
    },
    get started() {
      return started
    },
    get intervened() {
      return intervened
    },
  }
}

interface Running {
  say(line: string): void
  readonly command: Socket
  readonly gone: Promise<void>
}

function spawnGuard(options: GuardOptions, hear: (line: string) => void, onGone: () => void): Promise<Running> {
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
    let ready = false
    const gone = new Promise<void>(settle => {
      // Not 'exit': its last words may still be in the pipe.
      child.on('close', () => {
        settle()
        if (ready) onGone()
        else fail('it ended before it was ready')
      })
    })
    news.on(
      'data',
      linesOf(line => {
        if (line !== 'ready') return hear(line)
        ready = true
        resolve({ say: text => void (news.writable && news.write(`${text}\n`)), command, gone })
      }),
    )
  })
}

/** What makes Node heavy or talkative is meant for other programs. */
function guardEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...rest } = process.env
  return rest
}
