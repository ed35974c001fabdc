/**
 * The order of those who want a key in this process.
 *
 * The cohorts of a key stand in a row in the order in which they came, and only the last of them takes newcomers. A
 * shared ticket may have to queue again for those that it has not served, so the younger cohorts do not enter the store
 * before its last task has been served.
 */
import type { Pursuit } from './acquire.ts'
import type { Applicant, Line } from './applicants.ts'
import type { Wanted } from './attempt.ts'
import type { Held } from './held.ts'

/** Tasks that one ticket may serve. A ticket of its own is a cohort of one. */
export class Cohort implements Line {
  readonly row: Row
  readonly wanted: Wanted
  /** Tasks of equal wishes may join it. */
  readonly shared: boolean
  readonly queue = new Set<Applicant>()
  /** The ticket that passes from task to task. One that may not be passed on any more has no cohort. */
  held: Held | null = null
  pursuit: Pursuit | null = null

  constructor(row: Row, { wanted, share }: Wish) {
    this.row = row
    this.shared = share
    this.wanted = wanted
  }

  get running(): number {
    return this.held?.running.size ?? 0
  }

  takes({ wanted, share }: Wish): boolean {
    return share && this.shared && wanted.mode === this.wanted.mode && wanted.ttlMs === this.wanted.ttlMs
  }
}

export interface Wish {
  readonly wanted: Wanted
  /** Tasks of equal wishes may share one ticket. */
  readonly share: boolean
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

export interface Rows {
  /** That which a task with this wish joins, at the end of the row. */
  cohortFor(wish: Wish): Cohort
  /** It wants a ticket: in its turn, which may be now. */
  pursueInTurn(cohort: Cohort): void
  /** Something has changed about it: those behind may go on, and it is forgotten if it neither waits nor holds. */
  settle(cohort: Cohort): void
  all(): readonly Cohort[]
}

/** `pursue`: it is the cohort's turn to enter the store. */
export function createRows(pursue: (cohort: Cohort) => void): Rows {
  const rows = new Map<string, Row>()

  function rowOf(key: string): Row {
    const known = rows.get(key)
    if (known !== undefined) return known
    const row: Row = { key, cohorts: new Set(), last: null, crowded: null, behind: [] }
    rows.set(key, row)
    return row
  }

  /** Those behind a crowded cohort enter the store once it is sure to be served before them. */
  function relieve({ row }: Cohort): void {
    if (row.crowded === null || mayQueueAgain(row.crowded)) return
    const waiting = row.behind
    row.crowded = null
    row.behind = []
    for (const [index, cohort] of waiting.entries()) {
      if (cohort.queue.size > 0 && cohort.pursuit === null && cohort.held === null) pursue(cohort)
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

  return {
    cohortFor(wish) {
      const row = rowOf(wish.wanted.key)
      const { last } = row
      if (last?.takes(wish) === true) return last
      if (row.crowded === null && last !== null && mayQueueAgain(last)) row.crowded = last
      const cohort = new Cohort(row, wish)
      row.cohorts.add(cohort)
      row.last = cohort
      return cohort
    },
    pursueInTurn(cohort) {
      const { crowded, behind } = cohort.row
      if (crowded === null || crowded === cohort || !isBehind(cohort, crowded)) pursue(cohort)
      else if (!behind.includes(cohort)) behind.push(cohort)
    },
    settle(cohort) {
      forget(cohort)
      relieve(cohort)
    },
    all: () => [...rows.values()].flatMap(row => [...row.cohorts]),
  }
}

/**
 * Tasks wait whose place in the store is not settled: a shared ticket may be lost or given back before it has served
 * them all, and its first enter may be lost. A ticket of its own takes that chance, so that a crowd enters at once.
 */
function mayQueueAgain({ shared, queue, pursuit }: Cohort): boolean {
  return queue.size > 0 && (shared || pursuit === null)
}

function isBehind(cohort: Cohort, other: Cohort): boolean {
  for (const each of cohort.row.cohorts) {
    if (each === other) return true
    if (each === cohort) return false
  }
  return false
}
