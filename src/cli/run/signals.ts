/**
 * Signals to `holdfast run`. While it waits for the lock they end it; while the command runs they are the command's.
 *
 * Without a terminal the command's group is its own, so each signal is passed on to it. With a terminal the command is
 * in the terminal's foreground group beside holdfast: what the keyboard sends (Ctrl-C, Ctrl-\) it has already had, and
 * holdfast only has to survive it. Ctrl-Z stops holdfast as well, because that is what makes the shell answer; nobody
 * renews then, so it renews just before, and says how long that lasts.
 */
import { constants } from 'node:os'
import type { Job } from './job.ts'
import { signalJob } from './job.ts'

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
const FORWARDED = [...ENDING, 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const
/** What a terminal sends to its whole foreground group. */
const FROM_KEYBOARD: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH'])

export interface Signals {
  /** Aborts with the name of the signal that is to end the waiting. */
  readonly ended: AbortSignal
  endedBy(): NodeJS.Signals | null
  /** From now on signals are the job's. */
  forwardTo(job: Job, handlers: { readonly asked: () => void; readonly suspend: () => Promise<void> }): void
  stop(): void
}

export function listenToSignals(): Signals {
  const ended = new AbortController()
  const handlers = new Map<NodeJS.Signals, () => void>()
  let endedBy: NodeJS.Signals | null = null
  const on = (signal: NodeJS.Signals, handler: () => void): void => {
    handlers.set(signal, handler)
    process.on(signal, handler)
  }
  function stop(): void {
    for (const [signal, handler] of handlers) process.off(signal, handler)
    handlers.clear()
  }

  for (const signal of ENDING) {
    on(signal, () => {
      // Asked twice: at once. What has been taken dies by itself.
      if (endedBy !== null) process.exit(exitOfSignal(signal))
      endedBy = signal
      ended.abort(signal)
    })
  }
  return {
    ended: ended.signal,
    endedBy: () => endedBy,
    forwardTo(job, { asked, suspend }) {
      // The new ones before the old are taken away: in between a signal would have its default effect.
      const old = new Map(handlers)
      for (const signal of FORWARDED) {
        on(signal, () => {
          if (!job.leads && FROM_KEYBOARD.has(signal)) return
          signalJob(job, signal)
          if (signal === 'SIGTERM') asked()
        })
      }
      on('SIGTSTP', () => void suspend())
      for (const [signal, handler] of old) process.off(signal, handler)
    },
    stop,
  }
}

/** 128 + n, as a shell counts. */
export function exitOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
