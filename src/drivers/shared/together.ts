/**
 * Calls of one process for one record go together, where a step costs round trips: while one step is under way, those
 * that come meanwhile wait, and are then done in one step, in the order of asking. So many who come at one time cost
 * one reading and one writing, and do not overtake each other.
 *
 * The one statement in which a store lets a ticket enter a free lock, or leave one in which it is alone, is not tried
 * where that is known to be in vain: while others of this process are at it, or when somebody else was there at last.
 */
import { systemClock } from '../../base/clock.ts'
import { within } from '../../base/deadline.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import type { Change, News, Outcome, Records } from '../../store/record-store.ts'
import type { Now, Queue } from '../../store/queue.ts'

/** So many keys are known to be crowded. */
const MOST_CROWDED = 1_000

interface Job {
  readonly until: number
  /** Applies the change, as often as the step is made, and gives what the next one finds. */
  step(before: Queue | null, now: Now): Outcome<unknown>
  /** The last outcome is the one that counts. */
  done(): void
  reject(cause: unknown): void
}

/** `records`, whose `atomic` costs round trips. `name`: the store's, for errors. */
export function together(name: string, records: Records): Records {
  const lines = new Map<string, Job[]>()
  const trying = new Set<string>()
  const crowded = new Set<string>()

  /** Never rejects: every failure belongs to the calls that wait for it. */
  async function work(key: string, line: Job[]): Promise<void> {
    while (line.length > 0) {
      const jobs = line.splice(0)
      const leftMs = Math.max(...jobs.map(job => job.until)) - systemClock.now()
      try {
        const io = { timeoutMs: Math.max(1, leftMs) }
        const queue = await records.atomic(key, (before, now) => inOrder(jobs, before, now), io)
        note(key, queue)
        for (const job of jobs) job.done()
      } catch (cause) {
        for (const job of jobs) job.reject(cause)
      }
    }
    lines.delete(key)
  }

  function note(key: string, queue: Queue | null): void {
    if (queue === null || queue.tickets.length < 2) return void crowded.delete(key)
    if (crowded.size >= MOST_CROWDED) crowded.clear()
    crowded.add(key)
  }

  /** Does what one statement can, if it may be of use. */
  async function alone<Answer>(key: string, attempt: () => Promise<Answer | null>): Promise<Answer | null> {
    if (lines.has(key) || trying.has(key) || crowded.has(key)) return null
    trying.add(key)
    try {
      return await attempt()
    } finally {
      trying.delete(key)
    }
  }

  function enqueue<Answer>(key: string, change: Change<Answer>, { timeoutMs, signal }: Io): Promise<Answer> {
    let withdraw = (): boolean => false
    const late = (): never => {
      const ambiguous = !withdraw()
      throw new StoreUnavailableError(`${name} did not change "${key}" within ${Math.round(timeoutMs)} ms.`, {
        ...{ key, ambiguous },
      })
    }
    const answer = new Promise<Answer>((resolve, reject) => {
      let settle = (): void => {}
      const job: Job = {
        until: systemClock.now() + timeoutMs,
        reject,
        done: () => settle(),
        step(before, now) {
          try {
            const outcome = change(before, now)
            settle = () => resolve(outcome.answer)
            return outcome
          } catch (cause) {
            // That of one must not take down the others.
            settle = () => reject(cause)
            return { queue: before, changed: false, answer: null, news: NO_NEWS }
          }
        },
      }
      const line = lines.get(key) ?? []
      line.push(job)
      withdraw = () => line.includes(job) && line.splice(line.indexOf(job), 1).length > 0
      if (lines.has(key)) return
      lines.set(key, line)
      void work(key, line)
    })
    return within(answer, { timeoutMs, signal, late })
  }

  const { enterFree, leaveAlone } = records
  return {
    ...records,
    atomic: enqueue,
    ...(enterFree && { enterFree: (request, io) => alone(request.key, () => enterFree(request, io)) }),
    ...(leaveAlone && { leaveAlone: (request, io) => alone(request.key, () => leaveAlone(request, io)) }),
  }
}

const NO_NEWS: News = { holds: [], revoked: [] }

function inOrder(jobs: readonly Job[], before: Queue | null, now: Now): Outcome<Queue | null> {
  let queue = before
  let changed = false
  let news = NO_NEWS
  for (const job of jobs) {
    const outcome = job.step(queue, now)
    queue = outcome.queue
    changed ||= outcome.changed
    news = { holds: [...news.holds, ...outcome.news.holds], revoked: [...news.revoked, ...outcome.news.revoked] }
  }
  return { queue, changed, answer: queue, news }
}
