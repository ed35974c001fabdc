/**
 * When a job must be asked to end, and when it must be killed, so that it is dead before its lease can be another's.
 *
 * `deadline` is the end of the lease's window, which every renewal moves. The job is asked (TERM) when only the grace
 * is left of it: renewal starts at two thirds of the ttl, so by then it has been failing for a while. It is killed a
 * margin before the deadline, because the kill must have happened, on a busy machine too, when the window closes.
 */
export interface Stopping {
  /** End of the lease's window; all times on one clock, in milliseconds. */
  readonly deadline: number
  readonly graceMs: number
  /** Since when it must end for another reason than the deadline; null: there is none. */
  readonly since: number | null
  /** How much later than holdfast the guard asks, so that a command is asked once. */
  readonly afterMs?: number
}

/** A kill takes effect within this, or a program that runs under locks with short leases has other troubles. */
const LONGEST_MARGIN_MS = 500

export function stopTimes(stopping: Stopping): { readonly termAt: number; readonly killAt: number } {
  const { deadline, graceMs, since, afterMs = 0 } = stopping
  const termAt = Math.min(since ?? Infinity, deadline - graceMs + afterMs)
  const killAt = Math.min(termAt + graceMs, deadline - marginMs(graceMs))
  return { termAt, killAt }
}

export function marginMs(graceMs: number): number {
  return Math.min(LONGEST_MARGIN_MS, graceMs / 2)
}

/** The guard leaves holdfast this much time to ask first. */
export function guardDelayMs(graceMs: number): number {
  return marginMs(graceMs) / 2
}

/** @param ttlMs  length of the lease */
export function defaultGraceMs(ttlMs: number): number {
  return Math.min(5_000, ttlMs / 3)
}
