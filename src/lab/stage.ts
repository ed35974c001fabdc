/**
 * The surroundings of one run: a fresh directory, worker processes, Ctrl-C. Whatever happens, the workers have left and
 * the directory is gone before the run is over; should this process be killed by a signal that nobody can catch, the
 * workers notice that the channel is closed and leave by themselves.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Experiment, Given, Outcome, Stage } from './experiment.ts'
import { atExit } from '../servers/cleanup.ts'
import { startCrew } from './workers.ts'
import type { Crew } from './workers.ts'

export interface Performed {
  readonly outcome: Outcome
  /** The signal that ended the run early. */
  readonly interruptedBy: NodeJS.Signals | null
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs an experiment. `say` gets what is meant for the reader, line by line, while it goes on. */
export async function performOn(
  experiment: Experiment,
  given: Given,
  say: (...lines: readonly string[]) => void,
): Promise<Performed> {
  const directory = mkdtempSync(join(tmpdir(), `holdfast-lab-${experiment.name}-`))
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  const forget = atExit(remove)
  const interrupt = new AbortController()
  let interruptedBy: NodeJS.Signals | null = null
  // npm passes on a Ctrl-C that the terminal has sent already: a second one is no impatience, and the end is bounded
  // anyway.
  const handlers = SIGNALS.map(signal => ({
    signal,
    handle: () => {
      interruptedBy ??= signal
      interrupt.abort()
    },
  }))
  for (const { signal, handle } of handlers) process.on(signal, handle)

  const crews: Crew[] = []
  const stage: Stage = {
    directory,
    interrupted: interrupt.signal,
    say,
    async workers(amount, config) {
      const crew = await startCrew(experiment.name, amount, config)
      crews.push(crew)
      return crew
    },
  }
  try {
    const outcome = await experiment.run(given, stage)
    return { outcome, interruptedBy }
  } finally {
    await Promise.all(crews.map(crew => crew.end()))
    for (const { signal, handle } of handlers) process.off(signal, handle)
    forget()
    remove()
  }
}
