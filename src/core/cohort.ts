/**
 * Handover inside one process: one ticket stands in the store for many tasks, and the lease passes from task to task
 * without a round trip, each with its own token out of the ticket's block (passing.ts has the bounds).
 *
 * Lock cohorting: Dice, Marathe, Shavit, PPoPP 2012. A ticket of its own is a cohort of one.
 *
 * In order inside one process: the cohorts of a key stand in a row in the order in which they came, and only the last
 * of them takes newcomers. A shared ticket may have to queue again for those that it has not served, so the younger
 * cohorts do not enter the store before its last task has been served.
 */
import { pursue } from './acquire.ts'
import type { Pursuit } from './acquire.ts'
import { attemptOnce } from './attempt.ts'
import type { Refusal, Wanted } from './attempt.ts'
import { createApplicants } from './applicants.ts'
import type { Applicant, Line, Waiting } from './applicants.ts'
import { heldHere } from './chain.ts'
import type { Core } from './core.ts'
import { within } from '../base/deadline.ts'
import { ClosedError, WaitTimeoutError } from '../base/errors.ts'
import { createHelds } from './held.ts'
import type { Held } from './held.ts'
import type { CohortLimits } from './passing.ts'
import type { Risk } from './risk.ts'
import type { Lease } from './types.ts'

export interface Share {
  /** Tasks of equal wishes may share one ticket. */
  readonly share: boolean
}

export interface Cohorts {
  acquire(wanted: Wanted, waiting: Waiting & Share): Promise<Lease>
  /** One attempt. Who aborts `signal` waits no longer for its answer, and what it then grants is given back. */
  tryAcquire(wanted: Wanted, signal?: AbortSignal): Promise<Lease | Refusal>
  /** Rejects who waits; new ones are refused, and what is granted from now on is given back. */
  stop(): void
  /** Resolves when no task runs and no attempt is under way any more. */
  idle(): Promise<void>
}

class Cohort implements Line {
  readonly row: Row
  /** Tasks of that name may join it; null: nobody may. */
  readonly name: string | null
  readonly wanted: Wanted
  readonly queue = new Set<Applicant>()
  /** The ticket that passes from task to task. One that may not be passed on any more has no cohort. */
  held: Held | null = null
  pursuit: Pursuit | null = null

  constructor(row: Row, name: string | null, wanted: Wanted) {
    this.row = row
    this.name = name
    this.wanted = wanted
  }

  get running(): number {
    return this.held?.running.size ?? 0
  }
}

/** The cohorts of one key that wait or hold, in the order in which they came. */
interface Row {
  readonly key: string
  readonly cohorts: Set<Cohort>
  last: Cohort | null
  /** The oldest that may have to queue again; null: none. */
  crowded: Cohort | null
  /** They came after the crowded one and have not entered the store. */
  behind: Cohort[]
}

export function createCohorts(core: Core, limits: CohortLimits, risk: Risk): Cohorts {
  const { clock, events } = core
  const helds = createHelds(core, limits, risk)
  const rows = new Map<string, Row>()
  const idlers = new Set<() => void>()
  let attempts = 0
  let stopped = false
  helds.onIdle(tellIdlers)

  const applicants = createApplicants<Cohort>(core, cohort => {
    if (cohort.queue.size === 0) {
      if (cohort.pursuit !== null) {
        cohort.pursuit.giveUp()
        core.background.run(cohort.pursuit.grant)
      }
      forget(cohort)
    }
    relieve(cohort)
  })

  function apply(cohort: Cohort, waiting: Waiting): Promise<Lease> {
    return new Promise<Lease>((resolve, reject) => {
      const ahead = cohort.running + cohort.queue.size + (cohort.pursuit?.ahead ?? 0)
      const applicant = applicants.add(cohort, waiting, resolve, reject)
      advance(cohort)
      if (ahead > 0 && cohort.queue.has(applicant)) applicants.announce(cohort, ahead, applicant.inside !== null)
    })
  }

  // ---------------------------------------------------------------- from the store to the tasks

  /** The one place that decides what happens next; called whenever something has changed. */
  function advance(cohort: Cohort): void {
    for (let held = cohort.held; held !== null && cohort.queue.size > 0; held = cohort.held) {
      if (held.asking || (cohort.wanted.mode === 'exclusive' && held.running.size > 0)) break
      const verdict = held.wanted ? helds.next(held) : 'stop'
      if (verdict === 'pass') grantNext(cohort, held)
      else if (verdict === 'ask') helds.ask(held)
      // Readers that still run keep it until they end; those who wait need not wait for that.
      else letGo(cohort, held)
    }
    // The next enter is sent right behind the leave: one round trip for both.
    const { held } = cohort
    if (held !== null && cohort.queue.size === 0 && held.running.size === 0 && !held.asking) letGo(cohort, held)
    if (cohort.held === null && cohort.pursuit === null && cohort.queue.size > 0) pursueInTurn(cohort)
    forget(cohort)
    relieve(cohort)
  }

  function letGo(cohort: Cohort, held: Held): void {
    cohort.held = null
    helds.letGo(held)
  }

  function grantNext(cohort: Cohort, held: Held): void {
    const [applicant] = cohort.queue
    if (applicant === undefined) return
    // Out of the line before anybody is told: a listener may ask for the same key.
    applicants.end(cohort, applicant)
    const first = held.passing.used === 1
    applicant.resolve(granted(cohort.wanted, held, { since: applicant.since, first }))
  }

  function granted(
    wanted: Wanted,
    held: Held,
    { since, first }: { readonly since: number; readonly first: boolean },
  ): Lease {
    const lease = helds.lease(held)
    const { key, mode, limit } = wanted
    const handover = first ? held.handover : 'cohort'
    if (events.wants('acquired'))
      events.emit({
        ...{ type: 'acquired', key, mode, limit, handover, token: lease.token },
        waitedMs: clock.now() - since,
      })
    return lease
  }

  function pursueInTurn(cohort: Cohort): void {
    const { row } = cohort
    if (row.crowded !== null && row.crowded !== cohort && isBehind(cohort, row.crowded)) {
      if (!row.behind.includes(cohort)) row.behind.push(cohort)
    } else pursueTicket(cohort)
  }

  function pursueTicket(cohort: Cohort): void {
    let told = false
    const pursuit = pursue(core, cohort.wanted, ahead => {
      if (told) return
      told = true
      const [first] = cohort.queue
      applicants.announce(cohort, ahead, first?.inside?.holding === true)
    })
    cohort.pursuit = pursuit
    pursuit.grant.then(
      grant => {
        cohort.pursuit = null
        if (grant !== null) cohort.held = helds.adopt(grant, () => settled(cohort))
        advance(cohort)
      },
      (error: unknown) => {
        cohort.pursuit = null
        for (const applicant of [...cohort.queue]) applicants.refuse(cohort, applicant, error)
        advance(cohort)
      },
    )
  }

  /** Its ticket is lost, a task has ended, or the store has answered. */
  function settled(cohort: Cohort): void {
    if (cohort.held?.ticket.state === 'lost') cohort.held = null
    advance(cohort)
  }

  // ---------------------------------------------------------------- the row of a key

  function cohortOf(wanted: Wanted, share: boolean): Cohort {
    const name = share ? `${wanted.mode} ${wanted.ttlMs}` : null
    const row = rows.get(wanted.key) ?? newRow(wanted.key)
    const { last } = row
    if (last !== null && name !== null && last.name === name) return last
    if (row.crowded === null && last !== null && mayQueueAgain(last)) row.crowded = last
    const cohort = new Cohort(row, name, share ? wanted : { ...wanted, tokens: 1 })
    row.cohorts.add(cohort)
    row.last = cohort
    return cohort
  }

  function newRow(key: string): Row {
    const row: Row = { key, cohorts: new Set(), last: null, crowded: null, behind: [] }
    rows.set(key, row)
    return row
  }

  /**
   * Tasks wait whose place in the store is not settled: a shared ticket may be lost or given back before it has served
   * them all, and its first enter may be lost. A ticket of its own takes that chance, so that a crowd enters at once.
   */
  function mayQueueAgain({ name, queue, pursuit }: Cohort): boolean {
    return queue.size > 0 && (name !== null || pursuit === null)
  }

  function isBehind(cohort: Cohort, other: Cohort): boolean {
    for (const each of cohort.row.cohorts) {
      if (each === other) return true
      if (each === cohort) return false
    }
    return false
  }

  /** Those behind a crowded cohort enter the store once it is sure to be served before them. */
  function relieve({ row }: Cohort): void {
    if (row.crowded === null || mayQueueAgain(row.crowded)) return
    const waiting = row.behind
    row.crowded = null
    row.behind = []
    for (const [index, cohort] of waiting.entries()) {
      if (cohort.queue.size > 0 && cohort.pursuit === null && cohort.held === null) pursueTicket(cohort)
      if (!mayQueueAgain(cohort) || index === waiting.length - 1) continue
      row.crowded = cohort
      row.behind = waiting.slice(index + 1)
      return
    }
  }

  function forget(cohort: Cohort): void {
    if (cohort.queue.size > 0 || cohort.held !== null || cohort.pursuit !== null) return
    const { row } = cohort
    row.cohorts.delete(cohort)
    if (row.last === cohort) row.last = null
    if (row.cohorts.size === 0 && rows.get(row.key) === row) rows.delete(row.key)
  }

  // ---------------------------------------------------------------- one attempt

  async function tryAcquire(wanted: Wanted, signal?: AbortSignal): Promise<Lease | Refusal> {
    refuseWhenClosed(wanted.key)
    signal?.throwIfAborted()
    const attempt = attemptOn({ ...wanted, tokens: 1 }, signal)
    if (signal === undefined) return attempt
    core.background.run(attempt)
    const late = (): never => {
      throw signal.reason
    }
    return within(attempt, { clock, timeoutMs: Infinity, signal, late })
  }

  async function attemptOn(wanted: Wanted, signal: AbortSignal | undefined): Promise<Lease | Refusal> {
    const since = clock.now()
    attempts += 1
    try {
      const result = await attemptOnce(core, wanted)
      if (result.ticket === null) return result
      const held = helds.adopt(result, () => {})
      if (stopped || signal?.aborted === true) {
        helds.letGo(held)
        refuseWhenClosed(wanted.key)
        signal?.throwIfAborted()
      }
      helds.next(held)
      held.wanted = false
      return granted(wanted, held, { since, first: true })
    } finally {
      attempts -= 1
      tellIdlers()
    }
  }

  function refuseWhenClosed(key: string): void {
    if (stopped) throw new ClosedError(`These locks are closed, so "${key}" cannot be acquired.`, { key })
  }

  function tellIdlers(): void {
    if (attempts > 0 || helds.active > 0) return
    for (const resolve of idlers) resolve()
    idlers.clear()
  }

  return {
    async acquire(wanted, waiting) {
      refuseWhenClosed(wanted.key)
      waiting.signal?.throwIfAborted()
      if (waiting.waitMs > 0) return apply(cohortOf(wanted, waiting.share), waiting)
      const result = await tryAcquire(wanted, waiting.signal)
      if (!('ticket' in result)) return result
      const names = result.holders.map(view => view.holder).join(', ')
      throw new WaitTimeoutError(`"${wanted.key}" is held by ${names}, and wait is 0.`, {
        key: wanted.key,
        waitedMs: 0,
        holders: result.holders,
        own: heldHere(wanted.key) !== null,
      })
    },
    tryAcquire,
    stop() {
      stopped = true
      for (const cohort of [...rows.values()].flatMap(row => [...row.cohorts])) {
        const { key } = cohort.wanted
        for (const applicant of [...cohort.queue])
          applicants.refuse(
            cohort,
            applicant,
            new ClosedError(`These locks were closed while "${key}" was waited for.`, { key }),
          )
      }
    },
    idle: () =>
      attempts === 0 && helds.active === 0 ? Promise.resolve() : new Promise<void>(resolve => void idlers.add(resolve)),
  }
}
