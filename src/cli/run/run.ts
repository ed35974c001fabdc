/**
 * `holdfast run KEY -- COMMAND`: the command runs while this process holds the lock, and is dead before the lock can be
 * another's.
 *
 * The order matters. The lock and the guard first, then a lease with most of its window left, then the command (which
 * the guard lets go), and the release only when nothing of the job is left. Who may have to wait starts its guard
 * beside that, so that nobody behind it waits for a process to start.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { sleep, systemClock } from '../../base/clock.ts'
import { humanMs } from '../../base/duration.ts'
import { LeaseLostError, StoreUnavailableError, UnsupportedError } from '../../base/errors.ts'
import { normalKey } from '../../base/key.ts'
import type { Lease, Locks } from '../../locks/types.ts'
import { CliError, EXIT, brief, exitOf } from '../exit.ts'
import type { Guard } from './guard-link.ts'
import { jobOf, signalJob } from './job.ts'
import { checkCommand, launch } from './launch.ts'
import { obtain } from './obtain.ts'
import { createPost } from './post.ts'
import type { Post } from './post.ts'
import { createReporter } from './report.ts'
import type { Reporter } from './report.ts'
import { graceOf, LONGEST_GRACE, mayWait, shortestMaxHoldOf, spanOf } from './run-options.ts'
import type { RunOptions } from './run-options.ts'
import { exitOfSignal, listenToSignals } from './signals.ts'
import type { Signals } from './signals.ts'
import { atMost, closeStore, openStore, publicEnvironment } from '../store.ts'
import { supervise } from './supervise.ts'
import type { Ended, Supervision } from './supervise.ts'

/** With the other codes one wants to know what exactly was wrong. */
const SAID_BY_EXIT_CODE: ReadonlySet<number> = new Set([EXIT.unavailable, EXIT.notAcquired, EXIT.lost])
const LONGEST_LATE_RELEASE_MS = 1_000
/** Ctrl-Z: a store that is slow to renew must not keep the user waiting. */
const LONGEST_LAST_RENEWAL_MS = 1_000
const RENEW_AGAIN_MS = 50

/** What one run is about. */
interface Run {
  readonly key: string
  readonly command: readonly string[]
  readonly options: RunOptions
  readonly graceMs: number
  readonly reporter: Reporter
  readonly signals: Signals
}

/** Runs the command and gives the exit code. @throws whatever kept it from running */
export async function run(key: string, command: readonly string[], options: RunOptions): Promise<number> {
  if (process.platform === 'win32')
    throw new UnsupportedError('holdfast run needs process groups, which Windows has not. Use WSL, or the library.')
  const graceMs = graceOf(options)
  const normal = normalKey(key)
  checkCommand(command[0] ?? '', process.env)
  const reporter = createReporter({ json: options.json === true, quiet: options.quiet === true })
  const signals = listenToSignals()
  try {
    const locks = await openStore(options, options.holder === undefined ? {} : { holder: options.holder })
    try {
      return await runWith(locks, { key: normal, command, options, graceMs, reporter, signals })
    } finally {
      await closeStore(locks)
    }
  } catch (error) {
    const signal = signals.endedBy()
    if (signal !== null && error === signal) return exitOfSignal(signal)
    throw options.quiet === true && SAID_BY_EXIT_CODE.has(exitOf(error)) ? new CliError('', exitOf(error)) : error
  } finally {
    signals.stop()
  }
}

async function runWith(locks: Locks, run: Run): Promise<number> {
  const post = createPost(run.graceMs)
  if (mayWait(run.options)) post.prepare()
  try {
    const lease = await obtain(locks, { ...run, signal: run.signals.ended })
    if (lease === null) return run.options.conflictExitCode ?? EXIT.notAcquired
    return await runHolding(locks, { lease, post }, run)
  } finally {
    await post.leave()
  }
}

async function runHolding(locks: Locks, { lease, post }: Omit<Held, 'cutOffAt'>, run: Run): Promise<number> {
  const cutOffAt = systemClock.now() + shortestMaxHoldOf(run.options, locks.traits)
  run.reporter.note('acquired', { key: run.key, token: lease.token })
  try {
    const ended = await runUnder(locks, { lease, cutOffAt, post }, run)
    const exit = exitCodeOf(ended)
    if (ended.lost !== null)
      run.reporter.say('stopped', `the command was stopped because the lock "${run.key}" was lost`, {
        key: run.key,
        exit,
      })
    else run.reporter.note('ended', { key: run.key, code: ended.code, signal: ended.signal, exit })
    return exit
  } finally {
    await giveBack(lease, run)
  }
}

/**
 * A lost lease is given back too, so that the next need not wait for its end. A store that has been failing is not
 * waited for long.
 */
async function giveBack(lease: Lease, { key, reporter }: Run): Promise<void> {
  const { state } = lease
  const leftMs = lease.remaining()
  const released = state === 'held' ? await lease.release() : await atMost(LONGEST_LATE_RELEASE_MS, lease.release())
  if (state === 'lost' || (released !== 'unconfirmed' && released !== null)) return
  reporter.say(
    'unconfirmed',
    `the store did not confirm the release of "${key}"; it becomes free by itself within ${humanMs(leftMs)}`,
    { key, leftMs },
  )
}

interface Held {
  readonly lease: Lease
  readonly cutOffAt: number
  readonly post: Post
}

async function runUnder(locks: Locks, held: Held, run: Run): Promise<Ended> {
  const { post } = held
  let revokedBecause: string | null = null
  locks.on('renewed', () => post.wake())
  locks.on('revoked', ({ reason }) => (revokedBecause = reason))
  const guard = await post.guard()
  try {
    const supervision = await start(held, guard, () => revokedBecause, run)
    post.wake = supervision.wake
    const ended = await supervision.ended
    if (ended.lost !== null || guard.started) return ended
    throw tooLate(run.key)
  } catch (error) {
    throw error instanceof LeaseLostError ? tooLate(run.key) : error
  } finally {
    await post.leave()
  }
}

function tooLate(key: string): CliError {
  return new CliError(
    `lost "${key}" before the command could start; where machine or store are slow a longer --ttl helps`,
    EXIT.lost,
  )
}

/**
 * A lease that a push has started is short at first. A store that is slow to renew it is asked again while it is
 * certain. Beyond --max-hold none can be prolonged: the command then starts, and is stopped in time as ever.
 */
async function ensured(
  lease: Lease,
  { cutOffAt, enoughMs }: { readonly cutOffAt: number; readonly enoughMs: number },
): Promise<void> {
  const until = systemClock.now() + lease.remaining()
  for (;;) {
    const heldMs = cutOffAt - systemClock.now()
    if (heldMs <= 0) return
    try {
      return await lease.ensure(Math.min(enoughMs, heldMs))
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || systemClock.now() >= until) throw error
      await sleep(systemClock, RENEW_AGAIN_MS)
    }
  }
}

async function start(
  { lease, cutOffAt, post }: Held,
  guard: Guard,
  revokedBecause: () => string | null,
  run: Run,
): Promise<Supervision> {
  const { key, command, options, graceMs, reporter, signals } = run
  await ensured(lease, { cutOffAt, enoughMs: Math.min(graceMs * 1.5, spanOf(options) * LONGEST_GRACE) })
  guard.deadline(lease.remaining())
  signals.ended.throwIfAborted()

  // No pause from here to the handlers: a signal in between would be lost.
  const child = guard.launch(pipe =>
    launch({ command, leads: post.leads, environment: environmentOf(lease, post.mark, options) }, pipe),
  )
  if (child.pid === undefined) throw await failureOf(child)
  const job = jobOf(child.pid, { leads: post.leads, mark: post.mark })
  const onLost = (why: string): void =>
    reporter.say('lost', `lost "${key}": ${why}; stopping the command`, { key, reason: why })
  const supervision = supervise({
    lease,
    child,
    job,
    guard,
    graceMs,
    cutOffAt,
    revokedBecause,
    onLost,
  })
  signals.forwardTo(job, {
    asked: supervision.asked,
    async suspend() {
      await atMost(
        LONGEST_LAST_RENEWAL_MS,
        lease.renew().catch(() => {}),
      )
      supervision.wake()
      const forMs = Math.max(0, lease.remaining() - graceMs)
      reporter.say(
        'suspended',
        `suspended; unless continued within ${humanMs(forMs)} the command is stopped and "${key}" given up`,
        { key, forMs },
      )
      if (post.leads) signalJob(job, 'SIGSTOP')
      guard.resting(true)
      process.kill(process.pid, 'SIGSTOP')
      guard.resting(false)
      if (post.leads) signalJob(job, 'SIGCONT')
      supervision.wake()
    },
  })
  return supervision
}

function environmentOf(lease: Lease, mark: string, options: RunOptions): NodeJS.ProcessEnv {
  const at = mark.indexOf('=')
  return {
    ...process.env,
    HOLDFAST_KEY: lease.key,
    HOLDFAST_FENCING_TOKEN: String(lease.token),
    ...publicEnvironment(options),
    [mark.slice(0, at)]: mark.slice(at + 1),
  }
}

async function failureOf(child: ChildProcess): Promise<CliError> {
  const [error] = await once(child, 'error')
  return new CliError(`the command cannot be started: ${brief(error)}`, EXIT.notExecutable)
}

function exitCodeOf({ code, signal, lost }: Ended): number {
  if (lost !== null) return EXIT.lost
  return signal === null ? (code ?? EXIT.internal) : exitOfSignal(signal)
}
