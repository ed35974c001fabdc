/**
 * `holdfast lab`: the experiments, each a command of its own with its own options.
 *
 * Exit: 0 if the experiment showed what it must; 1 if a repaired way failed, or a broken one did not show its problem;
 * 128 plus the signal's number if it was ended early, after printing what had been measured.
 */
import { constants } from 'node:os'
import { Option } from 'commander'
import type { Command } from 'commander'
import { ConfigurationError } from '../base/errors.ts'
import type { Experiment } from './experiment.ts'
import { experiments } from './experiments/index.ts'
import { meant } from './meant.ts'
import { flagOf } from './options.ts'
import type { Given } from './options.ts'
import { showVerdict } from './show.ts'
import { table } from './table.ts'

export function addLab(program: Command): void {
  const lab = program
    .command('lab')
    .description('experiments with real processes: what goes wrong without a lock, with a lock alone, and what holds')
    .argument('[experiment]')
    .action((name: string | undefined) => {
      const names = experiments.map(experiment => experiment.name)
      if (name !== undefined)
        throw new ConfigurationError(
          `There is no experiment "${name}". There is: ${names.join(', ')}.${meant(name, names)}`,
        )
      list()
    })
  for (const experiment of experiments) addExperiment(lab, experiment)
}

function list(): void {
  print(
    ...table(
      [{ title: 'experiment' }, { title: 'question' }, { title: 'from' }],
      experiments.map(({ name, question, source }) => [name, question, source]),
      '',
    ),
  )
  print('', 'Run one: holdfast lab employee')
}

function addExperiment(lab: Command, experiment: Experiment): void {
  const command = lab
    .command(experiment.name)
    .description(experiment.question)
    .addHelpText(
      'after',
      `\nFrom ${experiment.source}.\nExit code 1 if a repaired way fails, or a broken one does not show its problem.`,
    )
  for (const [name, { value, help, default: preset, hidden }] of Object.entries(experiment.options)) {
    const option = new Option(`${flagOf(name)} <${value}>`, help).hideHelp(hidden === true)
    command.addOption(preset === undefined ? option : option.default(preset))
  }
  command.option('--json', 'figures and verdict as JSON, for programs')
  command.action(async (given: Given) => {
    process.exitCode = await report(experiment, given)
  })
}

async function report(experiment: Experiment, given: Given): Promise<number> {
  const { name, question, source } = experiment
  const json = given['json'] === true
  let begun = false
  const say = (...lines: readonly string[]): void => {
    if (json) return
    // Not before the options are known to be right: a mistake should be answered with one line.
    if (!begun) print(`${name}: ${question}`, `From ${source}.`)
    begun = true
    print(...lines)
  }
  const performed = await experiment.perform(given, { say })
  const { passed, interruptedBy, findings, compared, sabotage, figures } = performed
  if (json) {
    const interrupted = interruptedBy !== null
    const verdict = {
      experiment: name,
      question,
      source,
      passed,
      interrupted,
      compared,
      sabotage,
      findings,
      ...figures,
    }
    print(JSON.stringify(verdict, null, 2))
  } else if (interruptedBy === null) say(...showVerdict(performed))
  else say('', `Ended early by ${interruptedBy}: the figures above are what had been measured, and nothing is judged.`)
  if (interruptedBy !== null) return 128 + constants.signals[interruptedBy]
  return passed ? 0 : 1
}

function print(...lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
}
