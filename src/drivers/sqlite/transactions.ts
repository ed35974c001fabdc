/**
 * One writer at a time over all processes, so the driver's work is done in short transactions, several calls in each:
 * whatever this process has been asked for since the last one goes together, in the order of asking, and costs one
 * write to the disk.
 *
 * Who finds the file busy tries again after 1 to 5 ms at random, later less often, without blocking the event loop,
 * until the call's time is over. A process that is always busy makes a gap for others now and then. That is fair enough
 * between processes: with SQLite's own waiting, one of four had everything and two had nothing.
 *
 * The event loop gets its turn every millisecond: a process that does nothing but lock and unlock still runs its
 * timers.
 */
import { sleep, turn } from '../../base/clock.ts'
import type { Clock } from '../../base/clock.ts'
import { HoldfastError, StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import type { Connection } from './database.ts'
import { isBusy, resultCode, unavailable } from './failures.ts'

/** So many calls in one transaction: others want a turn too. */
const BATCH = 64
/**
 * A process that always has something to do lets others in after so long, for so long, if it has met any within the
 * last second.
 */
const SPELL_MS = 4
const GAP_MS = 1
const CONTENDED_MS = 1_000
/** A pause is at most so many times as long as the first, and so only for who has as many times URGENT_MS left. */
const MOST_TIMES = 16
const URGENT_MS = 250
/** How long transactions may follow each other without a turn of the event loop. */
const TURN_MS = 1

export interface Transactions {
  /** Runs `work` inside BEGIN IMMEDIATE ... COMMIT, then `done`, which makes the answer. */
  write<Result, Answer>(
    io: Io,
    work: (connection: Connection) => Result,
    done: (result: Result) => Answer,
  ): Promise<Answer>
  /** Runs `work` outside a transaction: one statement, one snapshot. */
  read<Answer>(io: Io, work: (connection: Connection) => Answer): Promise<Answer>
}

interface Job {
  readonly deadline: number
  readonly io: Io
  /** Does the work and returns what to do once it is committed. */
  run(connection: Connection): () => void
  reject(error: unknown): void
}

export function createTransactions(
  file: string,
  connect: () => Connection | Promise<Connection>,
  clock: Clock,
): Transactions {
  let pending: Job[] = []
  let draining = false
  let contendedAt = -Infinity
  let spellBeganAt = 0
  let freeSince = 0
  let turnedAt = -Infinity

  return {
    write: (io, work, done) =>
      new Promise((resolve, reject) => {
        pending.push({
          deadline: clock.now() + io.timeoutMs,
          io,
          run(connection) {
            const outcome = attempt(() => work(connection))
            return 'error' in outcome ? () => reject(outcome.error) : () => resolve(done(outcome.answer))
          },
          reject,
        })
        if (draining) return
        draining = true
        void drain()
      }),
    async read(io, work) {
      const deadline = clock.now() + io.timeoutMs
      for (let tries = 0; ; tries += 1) {
        try {
          return work(await connect())
        } catch (error) {
          if (!isBusy(error)) throw known(error, file, false)
          if (clock.now() >= deadline || io.signal?.aborted === true) throw tooLate(file, io, error)
          await pause(tries, deadline)
        }
      }
    },
  }

  /** Never rejects: every failure belongs to the calls that waited for it. */
  async function drain(): Promise<void> {
    let now = clock.now()
    let tries = 0
    if (now - freeSince > GAP_MS) spellBeganAt = now
    while (pending.length > 0) {
      // At least a microtask, so that what is asked for at one time goes together.
      await (now - turnedAt > TURN_MS ? turn() : null)
      if (now - turnedAt > TURN_MS) turnedAt = now
      dropLate(now, tries > 0)
      if (pending.length === 0) break
      const busy = await transact()
      now = freeSince = clock.now()
      if (busy) contendedAt = now
      tries = busy ? tries + 1 : 0
      if (busy) await pause(tries, Math.min(...pending.map(job => job.deadline)))
      else if (now - contendedAt < CONTENDED_MS && now - spellBeganAt > SPELL_MS) await sleep(clock, GAP_MS)
      else continue
      now = spellBeganAt = clock.now()
    }
    draining = false
  }

  /** True: the file was busy, and nothing has happened. */
  async function transact(): Promise<boolean> {
    try {
      const ready = connect()
      const connection = ready instanceof Promise ? await ready : ready
      connection.statements.begin.run()
      commit(connection, pending.splice(0, BATCH))
      return false
    } catch (error) {
      if (isBusy(error)) return true
      for (const job of pending.splice(0)) job.reject(known(error, file, false))
      return false
    }
  }

  /** Never throws: from here on failure is that of these jobs. */
  function commit(connection: Connection, jobs: readonly Job[]): void {
    let committing = false
    try {
      const settlements = jobs.map(job => job.run(connection))
      committing = true
      connection.statements.commit.run()
      for (const settle of settlements) settle()
    } catch (error) {
      connection.statements.rollBack()
      // A commit that failed may yet be found in the log; before it nothing can have happened.
      for (const job of jobs) job.reject(known(error, connection.file, committing))
    }
  }

  function dropLate(now: number, busy: boolean): void {
    const isLate = (job: Job): boolean => job.deadline <= now || job.io.signal?.aborted === true
    if (!pending.some(isLate)) return
    const late = pending.filter(isLate)
    pending = pending.filter(job => !late.includes(job))
    for (const job of late) job.reject(busy ? tooLate(file, job.io) : neverBegun(file, job.io))
  }

  /**
   * Longer after many tries: where dozens are at it, trying costs them the processor that the one inside needs. Who has
   * little time left comes often: a renewal before an enter, and the older call before the younger.
   */
  function pause(tries: number, deadline: number): Promise<void> {
    const times = Math.min(MOST_TIMES, Math.max(1, tries / 4), (deadline - clock.now()) / URGENT_MS)
    return sleep(clock, (1 + 4 * clock.random()) * Math.max(1 / 4, times))
  }
}

/** A failing call must not take down the others of its transaction; a failing engine takes all. */
function attempt<Answer>(work: () => Answer): { readonly answer: Answer } | { readonly error: unknown } {
  try {
    return { answer: work() }
  } catch (error) {
    if (resultCode(error) !== null) throw error
    return { error }
  }
}

function known(error: unknown, file: string, ambiguous: boolean): HoldfastError {
  return error instanceof HoldfastError ? error : unavailable(error, file, ambiguous)
}

/** The file may be free: this process itself had no turn meanwhile. */
function neverBegun(file: string, io: Io): StoreUnavailableError {
  const why = io.signal?.aborted === true ? '' : `: the process stood still for the ${io.timeoutMs} ms that it had`
  return new StoreUnavailableError(`The call to "${file}" was given up before it began${why}.`, { ambiguous: false })
}

function tooLate(file: string, io: Io, cause?: unknown): StoreUnavailableError {
  const message =
    io.signal?.aborted === true
      ? `The call to "${file}" was given up before it began.`
      : `"${file}" was busy for ${io.timeoutMs} ms: another process keeps it locked. Look for one that is stopped inside a transaction.`
  return new StoreUnavailableError(message, { ambiguous: false, cause })
}
