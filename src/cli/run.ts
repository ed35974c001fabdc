/**
 * `holdfast run KEY -- COMMAND`: the command runs while this process holds the lock, and is dead before the lock can be another's.
 *
 * The order matters. The lock first, then the guard, then a lease with most of its window left, then the command (which
 * the guard lets go), and the release only when nothing of the job is left.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { isatty } from 'node:tty'
import { systemClock } from '../core/clock.ts'
import { humanMs, milliseconds } from '../core/duration.ts'
import type { Duration } from '../core/duration.ts'
import { ConfigurationError, LeaseLostError, UnsupportedError, WaitTimeoutError } from '../core/errors.ts'
import { normalKey } from '../core/key.ts'
import { DEFAULT_TTL_MS } from '../core/settings.ts'
import type { AcquireOptions, Lease, Locks } from '../core/types.ts'
import { CliError, EXIT, messageOf } from './exit.ts'
import { startGuard } from './guard-link.ts'
import type { Guard } from './guard-link.ts'
import { jobOf, signalJob } from './job.ts'
import { checkCommand, launch } from './launch.ts'
import { createReporter } from './report.ts'
import type { Reporter } from './report.ts'
import { exitOfSignal, listenToSignals } from './signals.ts'
import type { Signals } from './signals.ts'
import { defaultGraceMs } from './stopping.ts'
import { atMost, closeStore, openStore, publicAddress } from './store.ts'
import type { StoreOptions } from './store.ts'
import { supervise } from './supervise.ts'
import type { Ended, Supervision } from './supervise.ts'
import { heldBy } from './text.ts'

export interface RunOptions extends StoreOptions {
  /** One attempt. */
  readonly nonblock?: boolean
  readonly wait?: Duration
  readonly conflictExitCode?: number
  readonly ttl?: Duration
  readonly minHold?: Duration
  readonly maxHold?: Duration
  readonly grace?: Duration
  readonly shared?: boolean
  readonly limit?: number
  readonly holder?: string
  readonly meta?: Readonly<Record<string, string>>
  readonly json?: boolean
}

/** A grace as long as the time from one renewal to the next would end the command in quiet times. */
const LONGEST_GRACE = 2 / 3
const LONGEST_LATE_RELEASE_MS = 1_000
/** Ctrl-Z: a store that is slow to renew must not keep the user waiting. */
const LONGEST_LAST_RENEWAL_MS = 1_000

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
  if (process.platform === 'win32') throw new UnsupportedError('holdfast run needs process groups, which Windows has not. Use WSL, or the library.')
  const graceMs = graceOf(options)
  const normal = normalKey(key)
  checkCommand(command[0] ?? '', process.env)
  const reporter = createReporter({ json: options.json === true })
  const signals = listenToSignals()
  const locks = await openStore(options, options.holder === undefined ? {} : { holder: options.holder })
  try {
    return await runWith(locks, { key: normal, command, options, graceMs, reporter, signals })
  } catch (error) {
    const signal = signals.endedBy()
    if (signal !== null && error === signal) return exitOfSignal(signal)
    throw error
  } finally {
    await closeStore(locks)
    signals.stop()
  }
}

async function runWith(locks: Locks, run: Run): Promise<number> {
  const lease = await obtain(locks, run)
  if (lease === null) return run.options.conflictExitCode ?? EXIT.notAcquired
  run.reporter.note('acquired', { key: run.key, token: lease.token })
  try {
    const ended = await runUnder(locks, lease, run)
    const exit = exitCodeOf(ended)
    if (ended.lost !== null) run.reporter.say('stopped', `the command was stopped because the lock "${run.key}" was lost`, { key: run.key, exit })
    else run.reporter.note('ended', { key: run.key, code: ended.code, signal: ended.signal, exit })
    return exit
  } finally {
    await giveBack(lease, run)
  }
}

/** A lost lease is given back too, so that the next need not wait for its end. A store that has been failing is not waited for long. */
async function giveBack(lease: Lease, { key, reporter }: Run): Promise<void> {
  const { state } = lease
  const leftMs = lease.remaining()
  const released = state === 'held' ? await lease.release() : await atMost(LONGEST_LATE_RELEASE_MS, lease.release())
  if (state === 'lost' || (released !== 'unconfirmed' && released !== null)) return
  reporter.say('unconfirmed', `the store did not confirm the release of "${key}"; it becomes free by itself within ${humanMs(leftMs)}`, { key, leftMs })
}

/**
 * One attempt first: it tells an unreachable store (which the wait would outlast) from a lock that is held, and by whom.
 * null: somebody else holds it, which has been said.
 */
async function obtain(locks: Locks, { key, options, reporter, signals }: Run): Promise<Lease | null> {
  const wanted = wantedOf(options)
  const lease = await locks.tryAcquire(key, wanted)
  if (lease !== null) return lease
  signals.ended.throwIfAborted()
  const view = await locks.inspect(key)
  const holders = view?.holders ?? []
  if (options.nonblock === true || (options.wait !== undefined && milliseconds(options.wait, '--wait') === 0)) {
    reporter.say('refused', `"${key}" is ${heldBy(holders)}`, { key, holders })
    return null
  }
  reporter.say('waiting', `waiting for "${key}", ${heldBy(holders)}${queueOf(view?.waiters.length ?? 0)}`, { key, holders, ahead: view?.waiters.length ?? 0 })
  let told = false
  const unsubscribe = locks.on('store-error', ({ cause }) => {
    if (!told) reporter.say('store-error', `the store fails (${messageOf(cause)}); still waiting for "${key}"`, { key })
    told = true
  })
  try {
    return await locks.acquire(key, { ...wanted, wait: options.wait ?? Infinity, signal: signals.ended })
  } catch (error) {
    if (!(error instanceof WaitTimeoutError)) throw error
    reporter.say('timed-out', `gave up on "${key}" after ${humanMs(error.waitedMs)}: ${heldBy(error.holders)}`, {
      key,
      waitedMs: error.waitedMs,
      holders: error.holders,
    })
    return null
  } finally {
    unsubscribe()
  }
}

function wantedOf(options: RunOptions): Omit<AcquireOptions, 'wait' | 'mode' | 'limit'> & ({ mode: 'exclusive' | 'shared' } | { limit: number }) {
  const { ttl, minHold, maxHold, meta, limit } = options
  return {
    ...(ttl !== undefined && { ttl }),
    ...(minHold !== undefined && { minHold }),
    ...(maxHold !== undefined && { maxHold }),
    ...(meta !== undefined && { meta }),
    ...(limit === undefined ? { mode: options.shared === true ? 'shared' : 'exclusive' } : { limit }),
  }
}

async function runUnder(locks: Locks, lease: Lease, run: Run): Promise<Ended> {
  const leads = !isatty(0)
  const mark = `HOLDFAST_RUN=${systemClock.id()}`
  let wake = (): void => {}
  const guard = await startGuard({ leads, mark, graceMs: run.graceMs, onEnding: () => wake() })
  try {
    const supervision = await start(lease, guard, { leads, mark }, run)
    wake = supervision.wake
    const unsubscribe = locks.on('renewed', wake)
    const ended = await supervision.ended
    unsubscribe()
    if (ended.lost !== null || guard.started) return ended
  } finally {
    await guard.finish()
  }
  throw new LeaseLostError(`The lease of "${run.key}" had too little time left for the command to start.`, {
    key: run.key,
    token: lease.token,
    reason: 'expired',
  })
}

async function start(lease: Lease, guard: Guard, kind: { readonly leads: boolean; readonly mark: string }, run: Run): Promise<Supervision> {
  const { key, command, options, graceMs, reporter, signals } = run
  // A lease that a push has started is short at first.
  await lease.ensure(Math.min(graceMs * 1.5, spanOf(options) * LONGEST_GRACE))
  guard.deadline(lease.remaining())
  signals.ended.throwIfAborted()

  // No pause from here to the handlers: a signal in between would be lost.
  const child = guard.launch(pipe => launch({ command, leads: kind.leads, environment: environmentOf(lease, kind.mark, options) }, pipe))
  if (child.pid === undefined) throw await failureOf(child)
  const job = jobOf(child.pid, kind)
  const onLost = (why: string): void => reporter.say('lost', `lost "${key}": ${why}; stopping the command`, { key, reason: why })
  const supervision = supervise({ lease, child, job, guard, graceMs, maxHoldMs: maxHoldOf(options), onLost })
  signals.forwardTo(job, {
    asked: supervision.asked,
    async suspend() {
      await atMost(
        LONGEST_LAST_RENEWAL_MS,
        lease.renew().catch(() => {}),
      )
      supervision.wake()
      const forMs = Math.max(0, lease.remaining() - graceMs)
      reporter.say('suspended', `suspended; unless continued within ${humanMs(forMs)} the command is stopped and "${key}" given up`, { key, forMs })
      if (kind.leads) signalJob(job, 'SIGSTOP')
      process.kill(process.pid, 'SIGSTOP')
      if (kind.leads) signalJob(job, 'SIGCONT')
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
    HOLDFAST_STORE: publicAddress(options),
    [mark.slice(0, at)]: mark.slice(at + 1),
  }
}

async function failureOf(child: ChildProcess): Promise<CliError> {
  const [error] = await once(child, 'error')
  return new CliError(`the command cannot be started: ${messageOf(error)}`, EXIT.notExecutable)
}

function exitCodeOf({ code, signal, lost }: Ended): number {
  if (lost !== null) return EXIT.lost
  return signal === null ? (code ?? EXIT.internal) : exitOfSignal(signal)
}

function queueOf(waiters: number): string {
  return waiters === 0 ? '' : `, ${waiters} in front`
}

function maxHoldOf({ maxHold }: RunOptions): number {
  return maxHold === undefined ? Infinity : milliseconds(maxHold, '--max-hold')
}

/** For how long a lease can be certain at most. */
function spanOf(options: RunOptions): number {
  const ttlMs = options.ttl === undefined ? DEFAULT_TTL_MS : milliseconds(options.ttl, '--ttl')
  return Math.min(ttlMs, maxHoldOf(options))
}

/** @throws ConfigurationError */
function graceOf(options: RunOptions): number {
  const spanMs = spanOf(options)
  if (options.grace === undefined) return defaultGraceMs(spanMs)
  const graceMs = milliseconds(options.grace, '--grace', { min: 1 })
  if (graceMs < spanMs * LONGEST_GRACE) return graceMs
  const most = humanMs(spanMs * LONGEST_GRACE)
  throw new ConfigurationError(
    `--grace must be less than two thirds of --ttl and of --max-hold (${most}), not ${humanMs(graceMs)}: renewal begins when so much is left.`,
  )
}
