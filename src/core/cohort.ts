/**
 * Handover inside one process: one ticket stands in the store for many tasks, and the lease passes from task to task
 * without a round trip, each with its own token out of the ticket's block (passing.ts has the bounds). In order inside
 * one process (rows.ts).
 *
 * Lock cohorting: Dice, Marathe, Shavit, PPoPP 2012.
 */
import { pursue } from './acquire.ts'
import { attemptOnce } from './attempt.ts'
import type { Refusal, Wanted } from './attempt.ts'
import { createApplicants } from './applicants.ts'
import type { Waiting } from './applicants.ts'
import { heldHere } from './chain.ts'
import type { Core } from './core.ts'
import { within } from '../base/deadline.ts'
import { ClosedError, WaitTimeoutError } from '../base/errors.ts'
import { createHelds } from './held.ts'
import type { Held } from './held.ts'
import type { CohortLimits } from './passing.ts'
import type { Risk } from './risk.ts'
import { createRows } from './rows.ts'
import type { Cohort, Wish } from './rows.ts'
import type { Lease } from './types.ts'

export interface Cohorts {
  acquire(wish: Wish & Waiting): Promise<Lease>
  /** One attempt. Who aborts `signal` waits no longer for its answer, and what it then grants is given back. */
  tryAcquire(wanted: Wanted, signal?: AbortSignal): Promise<Lease | Refusal>
  /** Rejects who waits; new ones are refused, and what is granted from now on is given back. */
  stop(): void
  /** Resolves when no task runs and no attempt is under way any more. */
  idle(): Promise<void>
}

export function createCohorts(core: Core, limits: CohortLimits, risk: Risk): Cohorts {
  const { clock, events } = core
  const helds = createHelds(core, limits, risk)
  const rows = createRows(pursueTicket)
  const idlers = new Set<() => void>()
  let attempts = 0
  let stopped = false
  helds.onIdle(tellIdlers)

  const applicants = createApplicants<Cohort>(core, cohort => {
    if (cohort.queue.size === 0 && cohort.pursuit !== null) {
      cohort.pursuit.giveUp()
      core.background.run(cohort.pursuit.grant)
    }
    rows.settle(cohort)
  })

  /** One promise, since a busy key makes very many. */
  function apply(wish: Wish & Waiting): Promise<Lease> {
    return new Promise<Lease>((resolve, reject) => {
      refuseWhenClosed(wish.wanted.key)
      wish.signal?.throwIfAborted()
      const cohort = rows.cohortFor(wish)
      const ahead = cohort.running + cohort.queue.size + (cohort.pursuit?.ahead ?? 0)
      const applicant = applicants.add(cohort, wish, { resolve, reject })
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
    if (cohort.held === null && cohort.pursuit === null && cohort.queue.size > 0) rows.pursueInTurn(cohort)
    rows.settle(cohort)
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

  async function acquireNow({ wanted, signal }: Wish & Waiting): Promise<Lease> {
    const result = await tryAcquire(wanted, signal)
    if (!('ticket' in result)) return result
    const names = result.holders.map(view => view.holder).join(', ')
    throw new WaitTimeoutError(`"${wanted.key}" is held by ${names}, and wait is 0.`, {
      key: wanted.key,
      waitedMs: 0,
      holders: result.holders,
      own: heldHere(wanted.key) !== null,
    })
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
    acquire: wish => (wish.waitMs > 0 ? apply(wish) : acquireNow(wish)),
    tryAcquire,
    stop() {
      stopped = true
      for (const cohort of rows.all()) {
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
