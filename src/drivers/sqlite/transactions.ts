/**
 * One writer at a time over all processes, so the driver's work is done in short transactions, several calls in each: whatever this
 * process has been asked for since the last one goes together, in the order of asking, and costs one write to the disk.
 *
 * Who finds the file busy tries again after 1 to 5 ms at random, without blocking the event loop, until the call's time is over.
 * That is fair enough between processes: with SQLite's own waiting, one of four had everything and two had nothing.
 *
 * Each transaction begins in a turn of its own of the event loop: a process that does nothing but lock and unlock still runs its timers.
 */
import { sleep, turn } from '../../core/clock.ts'
import type { Clock } from '../../core/clock.ts'
import { HoldfastError, StoreUnavailableError } from '../../core/errors.ts'
import type { Io } from '../../store/contract.ts'
import type { Connection } from './database.ts'
import { isBusy, resultCode, unavailable } from './failures.ts'

/** So many calls in one transaction: others want a turn too. */
const BATCH = 64

export interface Transactions {
  /** Runs `work` inside BEGIN IMMEDIATE ... COMMIT. */
  write<Answer>(io: Io, work: (connection: Connection) => Answer): Promise<Answer>
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

export function createTransactions(file: string, connect: () => Promise<Connection>, clock: Clock): Transactions {
  let pending: Job[] = []
  let draining = false

  return {
    write: (io, work) =>
      new Promise((resolve, reject) => {
        pending.push({
          deadline: clock.now() + io.timeoutMs,
          io,
          run(connection) {
            const outcome = attempt(() => work(connection))
            return 'error' in outcome ? () => reject(outcome.error) : () => resolve(outcome.answer)
          },
          reject,
        })
        if (draining) return
        draining = true
        void drain()
      }),
    async read(io, work) {
      const deadline = clock.now() + io.timeoutMs
      for (;;) {
        try {
          return work(await connect())
        } catch (error) {
          if (!isBusy(error)) throw known(error, file, false)
          if (clock.now() >= deadline || io.signal?.aborted === true) throw tooLate(file, io, error)
          await pause()
        }
      }
    },
  }

  /** Never rejects: every failure belongs to the calls that waited for it. */
  async function drain(): Promise<void> {
    while (pending.length > 0) {
      await turn()
      dropLate()
      if (pending.length === 0) break
      if (await transact()) await pause()
    }
    draining = false
  }

  /** True: the file was busy, and nothing has happened. */
  async function transact(): Promise<boolean> {
    let connection: Connection
    try {
      connection = await connect()
      connection.statements.begin.run()
    } catch (error) {
      if (isBusy(error)) return true
      for (const job of pending.splice(0)) job.reject(known(error, file, false))
      return false
    }
    const jobs = pending.splice(0, BATCH)
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
    return false
  }

  function dropLate(): void {
    const now = clock.now()
    const late = pending.filter(job => job.deadline <= now || job.io.signal?.aborted === true)
    if (late.length === 0) return
    pending = pending.filter(job => !late.includes(job))
    for (const job of late) job.reject(tooLate(file, job.io))
  }

  function pause(): Promise<void> {
    return sleep(clock, 1 + 4 * clock.random())
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

function tooLate(file: string, io: Io, cause?: unknown): StoreUnavailableError {
  const message =
    io.signal?.aborted === true
      ? `The call to "${file}" was given up before it began.`
      : `"${file}" was busy for ${io.timeoutMs} ms: another process keeps it locked. Look for one that is stopped inside a transaction.`
  return new StoreUnavailableError(message, { ambiguous: false, cause })
}
