/** What there is: each experiment with its question, its source, how long it takes and what it needs. */
import { json } from '../base/text.ts'
import type { Experiment } from './experiment.ts'
import { presets } from './options.ts'

export function listed(experiments: readonly Experiment[]): readonly string[] {
  const width = Math.max(...experiments.map(({ name }) => name.length))
  return [
    ...experiments.flatMap(one => [
      `${one.name.padEnd(width)}  ${one.question}`,
      `${' '.repeat(width)}  ${one.takesS} s, needs ${needsOf(one)}; from ${one.source}`,
    ]),
    '',
    'Begin:    holdfast lab tour      four minutes: predict, then see',
    'Run one:  holdfast lab employee',
    'Run all:  holdfast lab --all     in brief; what cannot be run here is named',
  ]
}

/** "redis (not here)": what to do about it says whoever runs it. */
function needsOf({ needs }: Experiment): string {
  return needs.obstacle() === null ? needs.told : `${needs.told} (not here)`
}

/** For programs. `missing`: what this machine lacks, and what to do about it. */
export function listedAsJson(experiments: readonly Experiment[]): string {
  const described = experiments.map(({ name, question, source, says, takesS, needs, ways, options }) => ({
    name,
    question,
    source,
    says,
    takesS,
    needs: needs.told,
    missing: needs.obstacle(),
    ways,
    options: presets(options, 'usual'),
  }))
  return json({ version: 1, experiments: described }, 2)
}
