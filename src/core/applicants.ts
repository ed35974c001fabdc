/**
 * The tasks of this process that wait for one cohort: how they come, how long they wait, and with what answer they go.
 */
import type { Pursuit } from './acquire.ts'
import type { Wanted } from './attempt.ts'
import { call } from './call.ts'
import { heldHere } from './chain.ts'
import type { Link } from './chain.ts'
import { onAbort } from '../base/abort.ts'
import type { Timer } from '../base/clock.ts'
import type { Core } from './core.ts'
import { humanMs } from '../base/duration.ts'
import { WaitTimeoutError } from '../base/errors.ts'
import type { Lease } from './types.ts'

/** A task that waits. There may be a hundred thousand of them: few fields, no closures. */
export interface Applicant {
  readonly since: number
  /** The run() of the same key that it was asked for in; it may end before the wait does. */
  readonly inside: Link | null
  readonly resolve: (lease: Lease) => void
  readonly reject: (error: unknown) => void
  timer: Timer | undefined
  /** Takes the listener off the caller's signal. */
  unlisten: (() => void) | undefined
}

/** The part of a cohort that waits. */
export interface Line {
  readonly wanted: Wanted
  readonly queue: Set<Applicant>
  /** Of this process, in front of the whole line. */
  readonly running: number
  /** Whose answers tell what is waited for. */
  readonly pursuit: Pursuit | null
}

export interface Waiting {
  readonly waitMs: number
  readonly signal: AbortSignal | undefined
}

export interface Applicants<L extends Line> {
  /** At the end of the line. Of `answer` one is called once, by whoever ends the wait. */
  add(line: L, waiting: Waiting, answer: Pick<Applicant, 'resolve' | 'reject'>): Applicant
  /** It waits no longer, and goes with a lease. */
  end(line: L, applicant: Applicant): void
  /** It waits no longer, and goes without. */
  refuse(line: L, applicant: Applicant, error: unknown): void
  /** For people: somebody has to wait. */
  announce(line: L, ahead: number, own: boolean): void
}

/** A holder's name is only fetched for people; more than this nobody waits for it. */
const ASK_WHO_MS = 250

/** `shorter`: somebody waits in that line no longer, and goes without. */
export function createApplicants<L extends Line>(core: Core, shorter: (line: L) => void): Applicants<L> {
  const { clock, events, store } = core
  const asking = new Map<string, Promise<WaitTimeoutError['holders']>>()

  function add(line: L, waiting: Waiting, { resolve, reject }: Pick<Applicant, 'resolve' | 'reject'>): Applicant {
    const applicant: Applicant = {
      since: clock.now(),
      inside: heldHere(line.wanted.key),
      resolve,
      reject,
      timer: undefined,
      unlisten: undefined,
    }
    if (waiting.waitMs !== Infinity) applicant.timer = clock.after(waiting.waitMs, () => void timeOut(line, applicant))
    if (waiting.signal !== undefined) applicant.unlisten = cancelledBy(waiting.signal, line, applicant)
    line.queue.add(applicant)
    return applicant
  }

  function cancelledBy(signal: AbortSignal, line: L, applicant: Applicant): () => void {
    return onAbort(signal, () => refuse(line, applicant, signal.reason))
  }

  function end(line: L, applicant: Applicant): void {
    applicant.timer?.cancel()
    applicant.unlisten?.()
    line.queue.delete(applicant)
  }

  function refuse(line: L, applicant: Applicant, error: unknown): void {
    end(line, applicant)
    applicant.reject(error)
    shorter(line)
  }

  /** Tells contention from outage, and who was in the way. Never rejects. */
  async function timeOut(line: L, applicant: Applicant): Promise<void> {
    const { key } = line.wanted
    const waitedMs = clock.now() - applicant.since
    const trouble = line.pursuit?.trouble() ?? null
    if (trouble !== null) return refuse(line, applicant, trouble)
    const ahead = line.pursuit?.ahead ?? line.running
    const told = line.pursuit?.holders ?? []
    // Out of the line first: while people are told who was in the way, nobody must wait, or enter, or be granted for a
    // task that no longer waits.
    line.queue.delete(applicant)
    shorter(line)
    const holders = told.length > 0 ? told : await whoHolds(key)
    events.emit({ type: 'timed-out', key, waitedMs, ahead })
    const names = holders.length === 0 ? 'somebody' : holders.map(view => view.holder).join(', ')
    const own = applicant.inside?.holding === true
    const self = own ? ' It is held by the very call chain that waits: a lock is not reentrant.' : ''
    const message = `"${key}" was still held by ${names} after ${humanMs(waitedMs)}.${self} Raise wait, or try again later.`
    refuse(line, applicant, new WaitTimeoutError(message, { key, waitedMs, holders, own }))
  }

  /** One question at a time for each key, however many want to know: its answer is as long as the queue. */
  function whoHolds(key: string): Promise<WaitTimeoutError['holders']> {
    const asked = asking.get(key)
    if (asked !== undefined) return asked
    const timeoutMs = Math.min(ASK_WHO_MS, core.storeTimeoutMs)
    const answer = call(core, { verb: 'inspect', key, timeoutMs }, io => store.inspect(key, io)).then(view => {
      asking.delete(key)
      return view.ok ? (view.value?.holders ?? []) : []
    })
    asking.set(key, answer)
    return answer
  }

  function announce(line: L, ahead: number, own: boolean): void {
    if (!events.wants('waiting')) return
    const { key } = line.wanted
    core.background.run(
      whoHolds(key).then(holders =>
        events.emit({ type: 'waiting', key, ahead, holder: holders[0]?.holder ?? '', own }),
      ),
    )
  }

  return { add, end, refuse, announce }
}
