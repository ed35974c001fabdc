/**
 * Handover inside one process: one ticket stands in the store for many tasks, and the lease passes from task to task
 * without a round trip, each with its own token out of the ticket's block.
 *
 * Lock cohorting: Dice, Marathe, Shavit, PPoPP 2012. What bounds it, all hard: a ticket carries at most as many leases
 * as it has tokens; a pass happens only after the task has settled and with half of the window left; while others wait
 * in the store there are few more passes and little more time; and news of waiters that are older than that time count
 * as "somebody waits", so the ticket is renewed first, whose answer tells. A ticket of its own is a cohort of one.
 */
import { pursue } from './acquire.ts'
import type { Pursuit } from './acquire.ts'
import { attemptOnce, leaveTicket } from './attempt.ts'
import type { Grant, Refusal, Wanted } from './attempt.ts'
import { createApplicants } from './applicants.ts'
import type { Applicant, Waiting } from './applicants.ts'
import { holdsAlready } from './chain.ts'
import type { Core } from './core.ts'
import { ClosedError, WaitTimeoutError } from '../base/errors.ts'
import { OpenLease } from './lease.ts'
import type { ReleaseResult, Settle } from './lease.ts'
import type { Risk } from './risk.ts'
import { isOpen } from './ticket.ts'
import type { HeldTicket } from './ticket.ts'
import type { Lease } from './types.ts'

export interface CohortLimits {
  readonly contendedPasses: number
  readonly contendedForMs: number
}

export interface Share {
  /** Tasks of equal wishes may share one ticket. */
  readonly share: boolean
}

export interface Cohorts {
  acquire(wanted: Wanted, waiting: Waiting & Share): Promise<Lease>
  tryAcquire(wanted: Wanted): Promise<Lease | Refusal>
  /** Rejects who waits; new ones are refused. */
  stop(): void
  /** Leases whose tasks still run. */
  readonly active: Iterable<OpenLease>
  /** Resolves when no task runs any more. */
  idle(): Promise<void>
}

interface Cohort {
  readonly name: string
  readonly wanted: Wanted
  readonly settle: Settle
  readonly queue: Set<Applicant>
  readonly running: Set<OpenLease>
  ticket: HeldTicket | null
  handover: Grant['handover'] | 'cohort'
  used: number
  contendedSince: number | null
  contendedPasses: number
  /** Asking the store whether somebody waits, before the next pass. */
  asking: boolean
  pursuit: Pursuit | null
}

export function createCohorts(core: Core, limits: CohortLimits, risk: Risk): Cohorts {
  const { clock, events, renewer } = core
  const cohorts = new Map<string, Cohort>()
  const byKey = new Map<string, Set<Cohort>>()
  const active = new Set<OpenLease>()
  const idlers = new Set<() => void>()
  let stopped = false
  let serial = 0

  const applicants = createApplicants<Cohort>(core, cohort => {
    if (cohort.pursuit !== null) {
      cohort.pursuit.giveUp()
      core.background.run(cohort.pursuit.grant)
    }
    forget(cohort)
  })

  function apply(cohort: Cohort, waiting: Waiting): Promise<Lease> {
    return new Promise<Lease>((resolve, reject) => {
      const ahead = cohort.running.size + cohort.queue.size + (cohort.pursuit?.ahead ?? 0)
      const applicant = applicants.add(cohort, waiting, resolve, reject)
      void advance(cohort)
      if (ahead > 0 && cohort.queue.has(applicant)) applicants.announce(cohort, ahead, applicant.own)
    })
  }

  // ---------------------------------------------------------------- from the store to the tasks

  /**
   * The one place that decides what happens next; called whenever something has changed. Gives the result of the leave,
   * if it came to that.
   */
  function advance(cohort: Cohort): Promise<ReleaseResult> | null {
    if (cohort.asking) return null
    while (cohort.queue.size > 0 && cohort.ticket !== null && roomFor(cohort)) {
      const verdict = mayPass(cohort, cohort.ticket)
      if (verdict === 'ask') {
        ask(cohort, cohort.ticket)
        return null
      }
      if (verdict === 'stop') break
      grantNext(cohort, cohort.ticket)
    }
    // The next enter is sent right behind the leave: one round trip for both.
    const left = cohort.ticket !== null && cohort.running.size === 0 ? takeOut(cohort, cohort.ticket) : null
    if (cohort.ticket === null && cohort.pursuit === null && cohort.queue.size > 0) pursueTicket(cohort)
    forget(cohort)
    return left
  }

  function roomFor(cohort: Cohort): boolean {
    return cohort.wanted.mode === 'shared' || cohort.running.size === 0
  }

  function mayPass(cohort: Cohort, ticket: HeldTicket): 'pass' | 'ask' | 'stop' {
    if (!isOpen(ticket) || cohort.used >= ticket.tokens) return 'stop'
    if (cohort.used === 0) return 'pass'
    if (overtakes(cohort)) return 'stop'
    const now = clock.now()
    if (ticket.waiters > 0) {
      cohort.contendedSince ??= now
      if (cohort.contendedPasses >= limits.contendedPasses || now - cohort.contendedSince > limits.contendedForMs)
        return 'stop'
    } else {
      cohort.contendedSince = null
      cohort.contendedPasses = 0
    }
    if (now - ticket.newsAt > limits.contendedForMs || ticket.validUntil - now < ticket.ttlMs / 2) return 'ask'
    if (ticket.waiters > 0) cohort.contendedPasses += 1
    return 'pass'
  }

  /**
   * In order inside one process: a later reader does not join its cohort past a writer of this process that waits
   * already.
   */
  function overtakes(cohort: Cohort): boolean {
    const siblings = byKey.get(cohort.wanted.key)
    if (siblings === undefined || siblings.size === 1) return false
    const [next] = cohort.queue
    for (const sibling of siblings) {
      const [first] = sibling.queue
      if (sibling !== cohort && first !== undefined && next !== undefined && first.serial < next.serial) return true
    }
    return false
  }

  /** Renews, which tells whether somebody waits. If that does not help, the ticket has carried its last lease. */
  function ask(cohort: Cohort, ticket: HeldTicket): void {
    cohort.asking = true
    const done = (): void => {
      cohort.asking = false
      const now = clock.now()
      const fresh = now - ticket.newsAt <= limits.contendedForMs && ticket.validUntil - now >= ticket.ttlMs / 2
      if (!fresh && cohort.ticket === ticket) cohort.used = ticket.tokens
      void advance(cohort)
    }
    renewer.renew(ticket, ticket.ttlMs).then(done, done)
  }

  function grantNext(cohort: Cohort, ticket: HeldTicket): void {
    const [applicant] = cohort.queue
    if (applicant === undefined) return
    const token = ticket.token === 0 ? 0 : ticket.token + cohort.used
    const handover = cohort.used === 0 ? cohort.handover : 'cohort'
    cohort.used += 1
    const open = new OpenLease(core, ticket, token, cohort.settle)
    cohort.running.add(open)
    active.add(open)
    const { key, mode, limit } = cohort.wanted
    if (events.wants('acquired'))
      events.emit({ type: 'acquired', key, token, mode, limit, waitedMs: clock.now() - applicant.since, handover })
    applicants.end(cohort, applicant)
    applicant.resolve(open)
  }

  function pursueTicket(cohort: Cohort): void {
    let told = false
    const pursuit = pursue(core, cohort.wanted, ahead => {
      if (told) return
      told = true
      const [first] = cohort.queue
      applicants.announce(cohort, ahead, first?.own ?? false)
    })
    cohort.pursuit = pursuit
    pursuit.grant.then(
      grant => {
        cohort.pursuit = null
        if (grant !== null) adopt(cohort, grant)
        void advance(cohort)
      },
      (error: unknown) => {
        cohort.pursuit = null
        for (const applicant of [...cohort.queue]) applicants.refuse(cohort, applicant, error)
        void advance(cohort)
      },
    )
  }

  function adopt(cohort: Cohort, { ticket, handover }: Grant): void {
    cohort.ticket = ticket
    cohort.handover = handover
    cohort.used = 0
    cohort.contendedSince = null
    cohort.contendedPasses = 0
    const { key } = ticket
    const each = (tell: (open: OpenLease) => void): void => {
      for (const open of [...cohort.running]) tell(open)
    }
    ticket.observer = {
      lost(reason, message) {
        // The tasks that wait go back to the store; the one that runs keeps its ticket's memory until it has settled.
        renewer.unwatch(ticket)
        if (cohort.ticket === ticket) cohort.ticket = null
        const opens = [...cohort.running]
        for (const open of opens) orphans.set(open, ticket)
        cohort.running.clear()
        for (const open of opens) {
          if (reason === 'revoked') events.emit({ type: 'revoked', key, token: open.token, reason: message })
          open.lose(reason, reason === 'revoked' ? `it was revoked (${message})` : message)
        }
        // Lost between two tasks, while the store was asked who waits: no task will leave for it.
        if (opens.length === 0) void leave(ticket)
        void advance(cohort)
      },
      suspect: cause =>
        each(({ token }) =>
          events.emit({ type: 'suspect', key, token, leftMs: ticket.validUntil - clock.now(), cause }),
        ),
      renewed(tookMs, sentAt) {
        for (const open of cohort.running) open.proven(sentAt)
        if (events.wants('renewed')) each(({ token }) => events.emit({ type: 'renewed', key, token, tookMs }))
      },
    }
    renewer.watch(ticket)
  }

  // ---------------------------------------------------------------- from the tasks to the store

  /** Leases of lost tickets whose tasks have not settled: the ticket is left when the last of them has. */
  const orphans = new Map<OpenLease, HeldTicket>()

  async function settle(cohort: Cohort, open: OpenLease): Promise<ReleaseResult> {
    const heldMs = clock.now() - open.since
    finish(open)
    risk.held(open.key, open.unprovenMs(), cohort.wanted.ttlMs)
    const lost = orphans.get(open)
    if (lost !== undefined) {
      orphans.delete(open)
      for (const other of orphans.values()) if (other === lost) return 'lost'
      await leave(lost)
      return 'lost'
    }
    cohort.running.delete(open)
    const left = advance(cohort)
    return report(open, left === null ? 'released' : await left, heldMs)
  }

  /** Even if nobody waits for the answer, close() does: a connection must not end before its last leave is out. */
  function leave(ticket: HeldTicket): ReturnType<typeof leaveTicket> {
    const leaving = leaveTicket(core, ticket)
    core.background.run(leaving)
    return leaving
  }

  function report(open: OpenLease, result: ReleaseResult, heldMs: number): ReleaseResult {
    const { key } = open
    // A holder ends when its leave is sent: the next may hold long before the answer is here.
    const agoMs = clock.now() - open.since - heldMs
    if (result === 'lost') events.emit({ type: 'lost', key, token: open.token, heldMs, agoMs, reason: 'gone' })
    else if (events.wants('released')) events.emit({ type: 'released', key, token: open.token, heldMs, agoMs })
    return result
  }

  function finish(open: OpenLease): void {
    active.delete(open)
    if (active.size > 0) return
    for (const resolve of idlers) resolve()
    idlers.clear()
  }

  async function takeOut(cohort: Cohort, ticket: HeldTicket): Promise<ReleaseResult> {
    if (cohort.ticket === ticket) cohort.ticket = null
    ticket.state = 'left'
    const leaving = leave(ticket)
    renewer.unwatch(ticket)
    const outcome = await leaving
    if (!outcome.ok) return 'unconfirmed'
    return outcome.value.was === 'held' ? 'released' : 'lost'
  }

  // ---------------------------------------------------------------- cohorts

  function cohortOf(wanted: Wanted, share: boolean): Cohort {
    const name = share ? `${wanted.mode} ${wanted.ttlMs} ${wanted.key}` : `${(serial += 1)}`
    const found = cohorts.get(name)
    if (found !== undefined) return found
    const cohort: Cohort = {
      name,
      wanted: share ? wanted : { ...wanted, tokens: 1 },
      settle: open => settle(cohort, open),
      queue: new Set<Applicant>(),
      running: new Set<OpenLease>(),
      ticket: null,
      handover: 'store',
      used: 0,
      contendedSince: null,
      contendedPasses: 0,
      asking: false,
      pursuit: null,
    }
    cohorts.set(name, cohort)
    byKey.set(wanted.key, (byKey.get(wanted.key) ?? new Set()).add(cohort))
    return cohort
  }

  function forget(cohort: Cohort): void {
    if (cohort.queue.size > 0 || cohort.ticket !== null || cohort.pursuit !== null) return
    // Its name may be another's by now: a task that was asked who is in its way comes back to a cohort that has been
    // forgotten.
    if (cohorts.get(cohort.name) !== cohort) return
    cohorts.delete(cohort.name)
    const siblings = byKey.get(cohort.wanted.key)
    siblings?.delete(cohort)
    if (siblings?.size === 0) byKey.delete(cohort.wanted.key)
  }

  function refuseWhenClosed(key: string): void {
    if (stopped) throw new ClosedError(`These locks are closed, so "${key}" cannot be acquired.`, { key })
  }

  async function tryAcquire(wanted: Wanted): Promise<Lease | Refusal> {
    refuseWhenClosed(wanted.key)
    const cohort = cohortOf(wanted, false)
    try {
      const result = await attemptOnce(core, cohort.wanted)
      if (result.ticket === null) return result
      adopt(cohort, result)
      return await new Promise<Lease>((resolve, reject) => {
        applicants.add(cohort, { waitMs: Infinity, signal: undefined }, resolve, reject)
        grantNext(cohort, result.ticket)
        cohort.queue.clear()
      })
    } finally {
      forget(cohort)
    }
  }

  return {
    async acquire(wanted, waiting) {
      refuseWhenClosed(wanted.key)
      waiting.signal?.throwIfAborted()
      if (waiting.waitMs > 0) return apply(cohortOf(wanted, waiting.share), waiting)
      const result = await tryAcquire(wanted)
      if (!('ticket' in result)) return result
      const names = result.holders.map(view => view.holder).join(', ')
      const own = holdsAlready(wanted.key)
      throw new WaitTimeoutError(`"${wanted.key}" is held by ${names}, and wait is 0.`, {
        key: wanted.key,
        waitedMs: 0,
        holders: result.holders,
        own,
      })
    },
    tryAcquire,
    stop() {
      stopped = true
      for (const cohort of [...cohorts.values()]) {
        const { key } = cohort.wanted
        for (const applicant of [...cohort.queue])
          applicants.refuse(
            cohort,
            applicant,
            new ClosedError(`These locks were closed while "${key}" was waited for.`, { key }),
          )
      }
    },
    active,
    idle: () => (active.size === 0 ? Promise.resolve() : new Promise<void>(resolve => idlers.add(resolve))),
  }
}
