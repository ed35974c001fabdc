/**
 * Time, timers and chance: the one place of the library that has them, so that a test or the simulation can put its own
 * in.
 *
 * A lease is measured on a clock that nobody can set and that goes on while the machine sleeps. Node has no such clock:
 * its monotonic one (CLOCK_MONOTONIC) stops during sleep. So `now` is the monotonic clock plus what the uptime
 * (CLOCK_BOOTTIME) has gained on it, which is read again once a second and whenever the wall clock leaves the monotonic
 * one.
 *
 * Node's modules are asked for, not imported: what stands on this file may then also run where there are none, in a
 * browser say, whose clock nobody can look behind.
 */
import { onAbort } from './abort.ts'

/** A timer that was set. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds on a clock that never steps back, cannot be set, and counts sleep. Its zero means nothing. */
  now(): number
  /** Milliseconds since 1970 as the machine believes: for people and for tokens, never for expiry. */
  wall(): number
  /**
   * Calls `task` once, not before `delayMs` from now (any length; Infinity never). An exception of the task is a defect
   * of ours. `idle`: does not keep the process alive.
   */
  after(delayMs: number, task: () => void, options?: { readonly idle?: boolean }): Timer
  /** In [0, 1). */
  random(): number
  /** 128 random bits as text. */
  id(): string
}

/** The longest delay that setTimeout takes; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
/** /proc/uptime counts in hundredths of a second: less than this is rounding, not sleep. */
const UPTIME_ERROR_MS = 20

/** Seconds since the machine started, sleep included; undefined: this runtime does not tell. */
const uptime = typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:os').uptime

function createSystemClock(): Clock {
  let slept = 0
  let checkedAt = performance.now()
  let wallOffset = Date.now() - checkedAt
  const uptimeOffset = uptime === undefined ? 0 : uptime() * 1_000 - checkedAt

  function now(): number {
    const monotonic = performance.now()
    const offset = Date.now() - monotonic
    if (Math.abs(offset - wallOffset) > UPTIME_ERROR_MS || monotonic - checkedAt > 1_000) {
      wallOffset = offset
      checkedAt = monotonic
      if (uptime !== undefined) slept = Math.max(slept, uptime() * 1_000 - monotonic - uptimeOffset - UPTIME_ERROR_MS)
    }
    return monotonic + slept
  }

  // One pool for ids: a call costs 2 us, and every attempt needs one.
  let pool: Buffer | undefined
  let used = 0
  function id(): string {
    if (pool === undefined || used === pool.length) {
      pool = crypto.getRandomValues(Buffer.alloc(16 * 256))
      used = 0
    }
    used += 16
    return pool.toString('base64url', used - 16, used)
  }

  return { now, wall: () => Date.now(), after, random: Math.random, id }
}

function after(delayMs: number, task: () => void, options: { readonly idle?: boolean } = {}): Timer {
  let handle: NodeJS.Timeout
  const arm = (leftMs: number): void => {
    if (leftMs <= LONGEST_TIMER_MS) handle = setTimeout(task, leftMs)
    else handle = setTimeout(() => arm(leftMs - LONGEST_TIMER_MS), LONGEST_TIMER_MS)
    // A browser's timer is a number, and keeps nothing alive.
    if (options.idle === true && typeof handle === 'object') handle.unref()
  }
  // Whole milliseconds: a fraction would be cut off, and the timer early.
  arm(Math.ceil(Math.max(0, delayMs)))
  return { cancel: () => clearTimeout(handle) }
}

export const systemClock: Clock = createSystemClock()

/**
 * Milliseconds since the machine started, the same in every process of it (CLOCK_MONOTONIC, or what the system has in
 * its place): for tickets in a store that processes of one host share. It stops while the machine sleeps, and that is
 * the safe side: two processes that had counted the sleep at different moments would disagree, and one would find the
 * other's live ticket dead.
 */
export const hostClock: Clock = {
  ...systemClock,
  wall: preciseWall,
  now: () => {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1_000 + nanoseconds / 1e6
  },
}

let wallOffset = performance.timeOrigin

/**
 * The wall clock with its microseconds, which Date.now() leaves out: two tokens within one millisecond must not be
 * equal.
 */
function preciseWall(): number {
  const coarse = Date.now()
  const precise = wallOffset + performance.now()
  if (precise >= coarse && precise < coarse + 1) return precise
  wallOffset += coarse - precise
  return coarse
}

/** Resolves in the next turn of the event loop, so that timers and input get theirs between two pieces of work. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/**
 * Resolves not before `delayMs` from now, or at once when `signal` aborts. Never rejects: look at the signal
 * afterwards.
 */
export function sleep(
  clock: Clock,
  delayMs: number,
  options: { readonly signal?: AbortSignal | undefined; readonly idle?: boolean } = {},
): Promise<void> {
  return new Promise(resolve => {
    if (options.signal?.aborted === true) return resolve()
    const done = (): void => {
      timer.cancel()
      unlisten?.()
      resolve()
    }
    const timer = clock.after(delayMs, done, { idle: options.idle ?? false })
    const unlisten = options.signal && onAbort(options.signal, done)
  })
}
