/**
 * `holdfast lab --all`: one experiment after the other, those that this machine can run, and what the others need. In
 * brief: their times are scaled down and keep their ratios, unless those of the sources are asked for.
 *
 * Each judges itself. One that fails does not keep the next from being run; Ctrl-C ends the one that runs, and all.
 */
import { systemClock } from '../base/clock.ts'
import { StoreUnavailableError, UnsupportedError } from '../base/errors.ts'
import type { Experiment } from './experiment.ts'
import type { Performed } from './judge.ts'
import { presets } from './options.ts'
import type { Pace } from './options.ts'
import type { Progress } from './progress.ts'
import { onSignals } from './stage.ts'

export type Ended = { readonly experiment: Experiment; readonly tookMs: number } & (
  | { readonly as: 'passed' | 'failed'; readonly performed: Performed }
  /** It broke before it had judged. */
  | { readonly as: 'broken'; readonly why: string }
  /** This machine has not what it needs. */
  | { readonly as: 'not run'; readonly why: string }
)

export interface AllOptions {
  readonly pace: Pace
  readonly progress: Progress
  /** Told of each as soon as it has ended. */
  readonly ended: (ended: Ended) => void
}

export interface Sum {
  readonly all: readonly Ended[]
  /** The signal that ended the run early. */
  readonly interruptedBy: NodeJS.Signals | null
}

export async function performAll(experiments: readonly Experiment[], options: AllOptions): Promise<Sum> {
  const all: Ended[] = []
  let interruptedBy: NodeJS.Signals | null = null
  // Also between two experiments.
  const deaf = onSignals(signal => (interruptedBy ??= signal))
  try {
    for (const experiment of experiments) {
      const ended = await performOne(experiment, options)
      options.progress.clear()
      if (interruptedBy !== null) break
      all.push(ended)
      options.ended(ended)
    }
  } finally {
    deaf()
  }
  return { all, interruptedBy }
}

async function performOne(experiment: Experiment, { pace, progress }: AllOptions): Promise<Ended> {
  const beganAt = systemClock.now()
  const about = (): { readonly experiment: Experiment; readonly tookMs: number } => ({
    experiment,
    tookMs: systemClock.now() - beganAt,
  })
  const why = experiment.needs.obstacle()
  if (why !== null) return { ...about(), as: 'not run', why }
  let begun = false
  try {
    progress.show(experiment.name)
    const performed = await experiment.perform(presets(experiment.options, pace), {
      say: () => {},
      begins({ way, round, rounds }) {
        begun = true
        progress.show(`${experiment.name}: ${way}, round ${round} of ${rounds}`)
      },
    })
    return { ...about(), as: performed.passed ? 'passed' : 'failed', performed }
  } catch (error) {
    const lacks = !begun && (error instanceof StoreUnavailableError || error instanceof UnsupportedError)
    const message = error instanceof Error ? error.message : String(error)
    return { ...about(), as: lacks ? 'not run' : 'broken', why: message }
  }
}
