/**
 * `holdfast lab`: the list, all experiments one after the other, and each as a command of its own with its own options.
 *
 * Exit: 0 if the experiment showed what it must; 1 if a repaired way failed, or a broken one did not show its problem;
 * 128 plus the signal's number if it was ended early, after printing what had been measured.
 */
import { constants } from 'node:os'
import { Option } from 'commander'
import type { Command } from 'commander'
import { ConfigurationError } from '../base/errors.ts'
import { refuseUnwritable, writePage } from '../report/write.ts'
import { performAll } from './all.ts'
import type { Experiment } from './experiment.ts'
import { experiments } from './experiments/index.ts'
import type { Performed } from './judge.ts'
import { writePages } from './index-page.ts'
import { listed, listedAsJson } from './list.ts'
import { meant } from './meant.ts'
import { flagOf, hasFull, presets } from './options.ts'
import type { Given } from './options.ts'
import { pageOf } from './page.ts'
import { folderOf } from './folder.ts'
import { progressOn } from './progress.ts'
import { showVerdict, verdictOf } from './show.ts'
import { tour } from './tour.ts'
import { hasPassed, showEnded, showSum, sumAsJson } from './sum.ts'

const FULL = 'the times of the source, where the usual ones are shorter'

interface LabOptions {
  readonly all?: boolean
  readonly full?: boolean
  readonly json?: boolean
  readonly report?: string
}

export function addLab(program: Command): void {
  // What follows the name of an experiment is the experiment's; so both in front of it must stop there.
  program.enablePositionalOptions()
  const lab = program
    .command('lab')
    .description('experiments with real processes: what goes wrong without a lock, with a lock alone, and what holds')
    .argument('[experiment]')
    .option('--all', 'run all that this machine can, in brief, and say what the others need')
    .option('--full', `with --all: ${FULL}`)
    .option('--json', 'the list, or the figures and verdicts of --all, as JSON, for programs')
    .option('--report <folder>', 'with --all: write a page for each there, and index.html over all')
    .enablePositionalOptions()
    .action(async (name: string | undefined, options: LabOptions) => {
      if (name !== undefined) refuse(name)
      const alone = (['full', 'report'] as const).find(option => options[option] !== undefined)
      if (alone !== undefined && options.all !== true)
        throw new ConfigurationError(`--${alone} goes with --all. For one experiment see: holdfast lab NAME --help`)
      if (options.all === true) process.exitCode = await runAll(options)
      else print(...(options.json === true ? [listedAsJson(experiments)] : listed(experiments)))
    })
  addTour(lab)
  for (const experiment of experiments) addExperiment(lab, experiment)
}

function addTour(lab: Command): void {
  lab
    .command('tour')
    .description('four minutes: predict, then see; and what to do about your own system')
    .option('--yes', 'ask nothing, only show')
    .action(async ({ yes = false }: { readonly yes?: boolean }) => {
      process.exitCode = exitOf(await tour({ yes, progress: progressOn(process.stderr), print }))
    })
}

function refuse(name: string): never {
  const names = experiments.map(experiment => experiment.name)
  throw new ConfigurationError(`There is no experiment "${name}". There is: ${names.join(', ')}.${meant(name, names)}`)
}

async function runAll({ full, json, report }: LabOptions): Promise<number> {
  const folder = report === undefined ? null : folderOf(report, '--report')
  const sum = await performAll(experiments, {
    pace: full === true ? 'full' : 'brief',
    progress: progressOn(process.stderr),
    ended: one => {
      if (json !== true) print(...showEnded(one))
    },
  })
  // Who ended it early wants nothing left behind.
  if (folder !== null && sum.interruptedBy === null) writePages(folder, sum)
  print(...(json === true ? [sumAsJson(sum)] : showSum(sum)))
  return exitOf({ passed: hasPassed(sum), interruptedBy: sum.interruptedBy })
}

function addExperiment(lab: Command, experiment: Experiment): void {
  const { name, question, source, options } = experiment
  const command = lab
    .command(name)
    .description(question)
    .addHelpText(
      'after',
      `\nFrom ${source}.\nExit code 1 if a repaired way fails, or a broken one does not show its problem.`,
    )
  for (const [option, { value, help, default: preset, hidden }] of Object.entries(options)) {
    const added = new Option(`${flagOf(option)} <${value}>`, help).hideHelp(hidden === true)
    command.addOption(preset === undefined ? added : added.default(preset))
  }
  if (hasFull(options)) command.option('--full', FULL)
  command.option('--json', 'figures and verdict as JSON, for programs')
  command.option('--report <file>', 'write a page with pictures there, one HTML file that needs nothing else')
  command.action(async (given: Given) => {
    const typed = Object.entries(given).filter(([option]) => command.getOptionValueSource(option) !== 'default')
    const pace = given['full'] === true ? 'full' : 'usual'
    process.exitCode = await run(experiment, { ...presets(options, pace), ...Object.fromEntries(typed) })
  })
}

async function run(experiment: Experiment, given: Given): Promise<number> {
  const json = given['json'] === true
  const report = typeof given['report'] === 'string' ? given['report'] : null
  if (report !== null) refuseUnwritable(report)
  const progress = progressOn(process.stderr)
  let begun = false
  const say = (...lines: readonly string[]): void => {
    if (json) return
    progress.clear()
    // Not before the options are known to be right: a mistake should be answered with one line.
    if (!begun) print(`${experiment.name}: ${experiment.question}`, `From ${experiment.source}.`)
    begun = true
    print(...lines)
  }
  try {
    const performed = await experiment.perform(given, {
      say,
      begins: ({ way, round, rounds }) => progress.show(`${way}: round ${round} of ${rounds}`),
    })
    progress.clear()
    const { interruptedBy } = performed
    if (report !== null && interruptedBy === null)
      writePage(report, pageOf({ experiment, performed, argv: process.argv.slice(2) }))
    if (json) print(JSON.stringify(verdictOf(experiment, performed), null, 2))
    else if (interruptedBy === null) say(...showVerdict(performed))
    else
      say('', `Ended early by ${interruptedBy}: the figures above are what had been measured, and nothing is judged.`)
    return exitOf(performed)
  } finally {
    progress.clear()
  }
}

function exitOf({ passed, interruptedBy }: Pick<Performed, 'passed' | 'interruptedBy'>): number {
  if (interruptedBy !== null) return 128 + constants.signals[interruptedBy]
  return passed ? 0 : 1
}

function print(...lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
}
