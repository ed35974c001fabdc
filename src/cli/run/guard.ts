/**
 * The guard: a small process that outlives holdfast by the moment it takes to end the job.
 *
 * A lease is only safe if its job is dead before the lease can be another's, also when `holdfast run` is killed (-9) or
 * stopped (SIGSTOP, a hung machine's scheduler, a debugger) and can do nothing about it. So holdfast starts this
 * program first, in a session of its own that no terminal and no group signal reaches, and sends it each new deadline.
 * No news until the deadline is near, or the end of the pipe: the guard ends the job.
 *
 * Nothing may start unguarded, and nothing may start late: holdfast itself may be stopped between its last look at the
 * lease and the fork. So the command is born waiting (launch.ts): it tells its number to the guard, and the guard,
 * which looks at the clock last, lets it go or not.
 *
 * A holdfast that was stopped inside a transaction keeps the store from everybody: once its job is dead and its time
 * over, it is killed. One that has stopped itself (Ctrl-Z) did so between two steps, and may be continued.
 *
 *   fd 3, holdfast: lines in: `deadline MS GRACE`, `job PID`, `asked`, `resting`, `awake`, `ping`, `done`;
 *                   lines out: `ready`, `started`, `ending`, `pong`
 *   fd 4, the command: its PID in, `go` out; closed instead: it must not start
 *
 * Deadlines are CLOCK_MONOTONIC, which all processes of a host share. The program imports next to nothing: it is
 * started once per run, and waits.
 */
import { Socket } from 'node:net'
import { hostClock, systemClock, turn } from '../../base/clock.ts'
import type { Timer } from '../../base/clock.ts'
import { isAlive, jobOf, signalJob, terminateJob } from './job.ts'
import type { Job } from './job.ts'
import { linesOf } from './lines.ts'
import { isStopped } from './processes.ts'
import { guardDelayMs, stopTimes } from './stopping.ts'

/** While it ends a job it looks so often whether anything is left. */
const LOOK_MS = 10
/** A timer does not count a machine's sleep, the clock does. */
const LONGEST_REST_MS = 1_000
/** A timer that is so late was held up with everything else, so the news in the pipe comes first. */
const LATE_MS = 50

const [kind = '', mark = ''] = process.argv.slice(2)
const holdfast = new Socket({ fd: 3 })
const command = new Socket({ fd: 4 })
const holdfastPid = process.ppid

let job: Job | null = null
let deadline = -Infinity
let graceMs = 0
/** Since when holdfast is gone. */
let orphanedAt: number | null = null
/** Holdfast has asked the command to end. */
let askedByHoldfast = false
/** This guard has begun to end the job. */
let ending = false
/** The command's side of fd 4 is closed: it runs, or will never come. */
let commandClosed = false
/** Holdfast has stopped itself, at the wish of the terminal. */
let resting = false
let timer: Timer | undefined

/** Whatever is due now; arms the timer for what is due next. */
function act(): void {
  timer?.cancel()
  if (job === null) {
    if (orphanedAt === null) endStopped()
    else if (commandClosed) process.exit(0)
    return
  }
  const now = systemClock.now()
  // Asked already, and now its parent is dead: whoever killed that (a lock around this one, perhaps) has waited enough.
  const since = orphanedAt !== null && askedByHoldfast ? -Infinity : orphanedAt
  const { termAt, killAt } = stopTimes({ deadline, graceMs, since, afterMs: guardDelayMs(graceMs) })
  if (now < termAt) {
    rest(termAt - now)
    return
  }
  if (!isAlive(job)) {
    job = null // its number may be given to others from now on
    if (orphanedAt !== null) process.exit(0)
    endStopped()
    return
  }
  if (now >= killAt) signalJob(job, 'SIGKILL')
  else if (!ending && !askedByHoldfast) terminateJob(job)
  if (!ending) tell('ending')
  ending = true
  rest(now < killAt ? Math.min(LOOK_MS, killAt - now) : LOOK_MS)
}

/** Nothing is left to guard, but holdfast itself may be in everybody's way. While its pipe is open it lives. */
function endStopped(): void {
  const leftMs = deadline - systemClock.now()
  if (leftMs === -Infinity) return
  if (leftMs <= 0 && !resting && isStopped(holdfastPid)) process.kill(holdfastPid, 'SIGKILL')
  else rest(leftMs > 0 ? leftMs : LONGEST_REST_MS)
}

function rest(delayMs: number): void {
  const dueAt = systemClock.now() + Math.min(delayMs, LONGEST_REST_MS)
  timer = systemClock.after(Math.min(delayMs, LONGEST_REST_MS), () => {
    if (systemClock.now() - dueAt < LATE_MS) act()
    else void turn().then(act)
  })
}

function adopt(pid: number): void {
  const { termAt } = stopTimes({ deadline, graceMs, since: orphanedAt })
  const found = jobOf(pid, { leads: kind === 'group', mark })
  if (systemClock.now() >= termAt) {
    command.destroy()
    return
  }
  job = found
  command.write('go\n')
  tell('started')
  act()
}

function hear(line: string): void {
  const [word, ...values] = line.split(' ')
  if (word === 'done') process.exit(0)
  if (word === 'ping') tell('pong')
  if (word === 'asked') askedByHoldfast = true
  if (word === 'resting' || word === 'awake') resting = word === 'resting'
  if (word === 'deadline') {
    deadline = systemClock.now() + Number(values[0]) - hostClock.now()
    graceMs = Number(values[1])
  }
  // A guard that replaces another finds the job running.
  if (word === 'job') job = jobOf(Number(values[0]), { leads: kind === 'group', mark })
}

function tell(line: string): void {
  if (holdfast.writable) holdfast.write(`${line}\n`)
}

function orphaned(): void {
  orphanedAt ??= systemClock.now()
  act()
}

// Its own signals must not end it: it is ended by `done`, and by having nothing left to guard.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGTSTP'] as const)
  process.on(signal, () => {})

const hearLines = linesOf(hear)
holdfast
  // All that has come, then what follows from it: of several deadlines the last counts.
  .on('data', piece => {
    hearLines(piece)
    act()
  })
  .on('close', orphaned)
  .on('error', orphaned)
command
  .on(
    'data',
    linesOf(line => adopt(Number(line))),
  )
  .on('close', () => {
    commandClosed = true
    act()
  })
  .on('error', () => {})
tell('ready')
