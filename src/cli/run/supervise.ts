/**
 * Watches over a job until nothing of it is left, and sees to it that it is dead before its lease can be another's.
 *
 * The lease is renewed meanwhile (by the library), so as long as the store answers the lock is kept for whatever the
 * command has left running in its job: that is asked to end when the command has ended, and killed after the grace.
 */
import type { ChildProcess } from 'node:child_process'
import { sleep, systemClock } from '../../base/clock.ts'
import { humanMs } from '../../base/duration.ts'
import { LeaseLostError } from '../../base/errors.ts'
import type { Lease } from '../../locks/types.ts'
import type { Guard } from './guard-link.ts'
import { isAlive, signalJob, terminateJob } from './job.ts'
import type { Job } from './job.ts'
import { stopTimes } from './stopping.ts'
import { plain } from '../../base/text.ts'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why the job had to be ended; null: it ended by itself, or because it was asked to from outside. */
  readonly lost: string | null
}

export interface Supervision {
  readonly ended: Promise<Ended>
  /** Something may be due: a renewal, a signal, the guard. */
  wake(): void
  /** Somebody else has asked the job to end. */
  asked(): void
}

export interface Supervised {
  readonly lease: Lease
  readonly child: ChildProcess
  readonly job: Job
  readonly guard: Guard
  readonly graceMs: number
  /** A window that reaches so far, by the system's clock, is cut off by --max-hold; Infinity: there is none. */
  readonly cutOffAt: number
  /** What an operator has said, if it was one. */
  readonly revokedBecause: () => string | null
  /** Said as soon as the job is asked to end because of the lease. */
  readonly onLost: (why: string) => void
}

/** A timer does not count a machine's sleep, the clock does. */
const LONGEST_REST_MS = 1_000
const MAX_HOLD_OVER = 'its --max-hold is over'
const UNGUARDED = 'its guard has ended, and another cannot be started'
const STOOD_STILL = 'holdfast itself stood still for too long'
/** How often it looks whether a job that has been asked to end is gone: soon, then less often. */
const LOOK_MS = { first: 5, most: 100 } as const

export function supervise(supervised: Supervised): Supervision {
  const { lease, child, job, guard, graceMs, cutOffAt, revokedBecause, onLost } = supervised
  const clock = systemClock
  let rest = new AbortController()
  let exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | null = null
  let deadline = 0
  let since: number | null = null
  let lost: string | null = null
  let asked = false

  const wake = (): void => rest.abort()
  child.on('exit', (code, signal) => {
    exit = { code, signal }
    wake()
  })
  lease.signal.addEventListener('abort', wake)

  /** How the lease stands, by the clock and not by what timers have managed to say. */
  function look(): void {
    const now = clock.now()
    const leftMs = lease.remaining()
    if (leftMs > 0 && now + leftMs > deadline) {
      deadline = now + leftMs
      guard.deadline(leftMs)
    }
    const why = whyLost(now, leftMs)
    if (why === null || lost !== null) return
    lost = why
    // Somebody else may hold already: then there is no time to ask.
    since = Math.min(since ?? Infinity, isTaken() ? -Infinity : now)
    onLost(why)
  }

  function whyLost(now: number, leftMs: number): string | null {
    if (guard.intervened) return STOOD_STILL
    if (guard.unkept) return UNGUARDED
    const reason: unknown = lease.signal.reason
    if (reason instanceof LeaseLostError) return because(reason, revokedBecause())
    if (deadline - now > graceMs && leftMs > 0) return null
    if (deadline >= cutOffAt) return MAX_HOLD_OVER
    return `it could not be renewed, and is certain for only ${humanMs(Math.max(0, deadline - now))} more`
  }

  function isTaken(): boolean {
    const reason: unknown = lease.signal.reason
    return reason instanceof LeaseLostError && (reason.reason === 'gone' || reason.reason === 'store-regressed')
  }

  async function untilNothingIsLeft(): Promise<Ended> {
    let looks = 0
    for (;;) {
      rest = new AbortController()
      look()
      if (exit !== null && !isAlive(job)) break
      if (exit !== null) since ??= clock.now()
      const now = clock.now()
      const { termAt, killAt } = stopTimes({ deadline, graceMs, since })
      if (now >= killAt) signalJob(job, 'SIGKILL')
      else if (now >= termAt && !asked) {
        terminateJob(job)
        asked = true
        guard.asked()
      }
      const ending = now >= termAt
      const pauseMs = ending
        ? Math.min(LOOK_MS.most, LOOK_MS.first * 2 ** looks++, now < killAt ? killAt - now : Infinity)
        : termAt - now
      await sleep(clock, Math.min(pauseMs, LONGEST_REST_MS), { signal: rest.signal })
    }
    await guard.finish()
    if (guard.intervened) lost ??= STOOD_STILL
    lease.signal.removeEventListener('abort', wake)
    return { code: exit.code, signal: exit.signal, lost }
  }

  return {
    ended: untilNothingIsLeft(),
    wake,
    asked() {
      guard.asked()
    },
  }
}

/** Shorter than the library's message, which is meant for programmers. */
function because({ reason }: LeaseLostError, revokedBecause: string | null): string {
  switch (reason) {
    case 'revoked':
      return `it was revoked (${plain(revokedBecause ?? 'no reason given')})`
    case 'gone':
      return 'the store no longer knows of it'
    case 'store-regressed':
      return 'the store has gone back to an earlier state'
    case 'max-hold':
      return MAX_HOLD_OVER
    case 'expired':
      return 'it ran out before a renewal was answered'
    case 'released':
    case 'closed':
      return 'it was given back'
  }
}
