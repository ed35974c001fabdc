/**
 * The command line: names, options and help of all commands. What they do is in files of their own, which are loaded
 * when they are called: a lock in a script should cost no more than it must.
 */
import { Command, CommanderError, Option } from 'commander'
import { versionOfPackage } from '../base/version.ts'
import { CliError, EXIT } from './exit.ts'
import { addLabLazily } from './commands/lab.ts'
import {
  countOption,
  durationOption,
  exitCodeOption,
  limitOption,
  metaOption,
  tokenOption,
  withStoreOptions,
} from './options.ts'
import type { RunOptions } from './run/run-options.ts'
import type { InspectOptions } from './commands/inspect.ts'
import type { ListOptions } from './commands/ls.ts'
import type { MigrateOptions } from './commands/migrate.ts'
import type { RevokeOptions } from './commands/revoke.ts'
import type { TimelineOptions } from './commands/timeline.ts'
import type { WatchOptions } from './commands/watch.ts'

const RUN_HELP = `
The command runs without a shell; for pipes and variables write
  holdfast run KEY -- sh -c '...'
It gets HOLDFAST_KEY, HOLDFAST_FENCING_TOKEN, HOLDFAST_NAMESPACE, and
HOLDFAST_STORE without its password. When the lock is lost it is stopped before another can hold it.

Exit code: the command's own, 128 + n if signal n ended it; 75 not acquired;
76 lock lost, command stopped; 69 store not reached; 64 wrong usage; 126 and
127 as a shell.

Examples:
  holdfast run report -- ./report.sh               wait for ever, then run
  holdfast run report -n -- ./report.sh            skip if somebody is at it
  holdfast run report -w 30s -E 0 -- ./report.sh   half a minute, else never mind
  holdfast run backup -n --min-hold 12h -- backup  at most once in 12 hours
  holdfast run gpu --limit 2 -- ./train.py         at most two at once`

const HELP = `
Durations carry a unit: 500ms, 15s, 2m, 1h, 7d.

Examples:
  holdfast run deploy -- ./deploy.sh         one at a time
  holdfast ls                                who holds what, how many wait
  holdfast inspect deploy && echo "not now"  exit code 0: held, 1: free
  holdfast revoke deploy --reason "stuck since noon"

Without --store and HOLDFAST_STORE the locks are in a file of this user on this
machine: they exclude this user's processes here, and nobody else. A password
need not stand in the address: HOLDFAST_STORE_PASSWORD_FILE names its file.

Exit code: 0; 1 what inspect, timeline --check and lab say; 64 wrong usage;
69 store not reached; run --help tells its own.`

/** What the commands leave behind: the exit code, or what was wrong with the line. */
interface Outcome {
  exit: number
  problem: string
}

/** All commands, for whoever parses a line or wants to know what there is. */
export function createProgram(outcome: Outcome, argv: readonly string[]): Promise<Command> {
  const program = new Command('holdfast')
    .description('Distributed locks on the command line.')
    .version(versionOfPackage())
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: text => void (outcome.problem = inOneLine(text)) })
    .addHelpText('after', HELP)

  const run = program
    .command('run')
    .description('run a command while holding a lock')
    .usage('[options] <key> -- <command...>')
    .argument('<key>', 'name of the lock')
    .argument('<command...>', 'what to run')
    .option('-n, --nonblock', 'do not wait: one attempt')
    .addOption(
      new Option('-w, --wait <duration>', 'wait no longer than this (default: for ever)')
        .argParser(durationOption)
        .conflicts('nonblock'),
    )
    .option('-E, --conflict-exit-code <code>', 'exit code if the lock is not acquired (default: 75)', exitCodeOption)
    .option('-s, --shared', 'hold it together with other shared holders')
    .option('--limit <n>', 'hold it together with others, at most n at once', limitOption)
    .option('--ttl <duration>', 'length of the lease, renewed while the command runs (default: 15s)', durationOption)
    .option('--min-hold <duration>', 'keep it taken at least so long, also after the command', durationOption)
    .option('--max-hold <duration>', 'stop the command after so long', durationOption)
    .option(
      '--grace <duration>',
      'time between TERM and KILL (default: 5s, or a third of --ttl if that is less)',
      durationOption,
    )
    .option('--holder <text>', 'who this is, for people (default: HOST:PID)')
    .option('--meta <name=value>', 'shown by inspect; repeatable', metaOption)
    .addOption(new Option('-q, --quiet', 'nothing on stderr for what the exit code says').conflicts('json'))
    .addHelpText('after', RUN_HELP)
    .action(async (key: string, command: string[], options: RunOptions) => {
      outcome.exit = await (await import('./run/run.ts')).run(key, command, options)
    })
  withStoreOptions(run)

  const ls = program
    .command('ls')
    .description('list locks: who holds them, how many wait')
    .argument('[prefix]', 'only keys that begin so', '')
    .addOption(
      new Option('--sort <order>', 'by key; most waiters, longest held, or least time left first')
        .choices(['key', 'waiters', 'age', 'left'])
        .default('key'),
    )
    .option('--holder <text>', 'only locks with a holder whose name has this in it')
    .option('--waiting', 'only locks that somebody waits for')
    .action(async (prefix: string, options: ListOptions) => {
      outcome.exit = await (await import('./commands/ls.ts')).list(prefix, options)
    })
  withStoreOptions(ls)

  const inspect = program
    .command('inspect')
    .description('show one lock; exit code 0: held, 1: free')
    .argument('<key>', 'name of the lock')
    .action(async (key: string, options: InspectOptions) => {
      outcome.exit = await (await import('./commands/inspect.ts')).inspect(key, options)
    })
  withStoreOptions(inspect)

  const watch = program
    .command('watch')
    .description('tell of changes as they are seen, until Ctrl-C')
    .argument('[prefix]', 'only keys that begin so', '')
    .option('--interval <duration>', 'time between two looks (default: 500ms)', durationOption)
    .action(async (prefix: string, options: WatchOptions) => {
      outcome.exit = await (await import('./commands/watch.ts')).watch(prefix, options)
    })
  withStoreOptions(watch)

  const revoke = program
    .command('revoke')
    .description('make holders stop: free when they have, or when their time runs out')
    .argument('<key>', 'name of the lock')
    .requiredOption('--reason <text>', 'told to the owner')
    .option('--token <token>', 'only the ticket with this token', tokenOption)
    .addOption(new Option('--all', 'waiters too').conflicts('token'))
    .option('--now', 'free it at once, although its owner may still be at work: breaks exclusion')
    .option('--wait', 'return when those revoked have stopped, or their time has run out')
    .action(async (key: string, options: RevokeOptions) => {
      outcome.exit = await (await import('./commands/revoke.ts')).revoke(key, options)
    })
  withStoreOptions(revoke)

  program
    .command('migrate')
    .description('make the tables and functions that a database needs; again and again without harm')
    .argument('[url]', 'address of the database (default: HOLDFAST_STORE)')
    .option('--print', 'only show the SQL, for migrations of your own')
    .option('--fences', 'the tables of holdfast/sql too')
    .option('--json', 'the report as JSON, for programs')
    .action(async (url: string | undefined, options: MigrateOptions) => {
      outcome.exit = await (await import('./commands/migrate.ts')).migrate(url, options)
    })

  program
    .command('timeline')
    .description('who held what when, and what went wrong, from the journals of several processes')
    .argument('<file...>', 'journals, as the option `journal` of the library writes them')
    .option('--key <key>', 'only this key')
    .option('--last <n>', 'draw the newest n entries of each key', countOption, 40)
    .option('--from <duration>', 'draw only what happened from so long after the first line on', durationOption)
    .option('--to <duration>', 'draw only what happened until so long after the first line', durationOption)
    .option('--check', 'draw nothing; exit code 1 if two believed at once that they held, with their names')
    .option('--report <file>', 'write a page with pictures there, one HTML file that needs nothing else')
    .option('--json', 'leases and what went wrong, or what --check found, as JSON for programs')
    .option('--merge', 'the entries of all as JSON lines, in order of time')
    .action(async (files: string[], options: TimelineOptions) => {
      outcome.exit = (await import('./commands/timeline.ts')).timeline(files, options)
    })

  return addLabLazily(program, argv)
}

/** Parses, runs, and gives the exit code. @throws CliError  a mistake in the line */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const outcome: Outcome = { exit: EXIT.ok, problem: '' }
  try {
    const program = await createProgram(outcome, argv)
    await program.parseAsync(argv, { from: 'user' })
    return outcome.exit
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help and version were asked for; all else is a mistake.
    if (error.exitCode === 0) return EXIT.ok
    const mayBeOfCommand = error.code === 'commander.unknownOption' && argv[0] === 'run' && !argv.includes('--')
    throw new CliError(
      outcome.problem +
        (mayBeOfCommand ? '. If it is an option of the command, put -- in front: holdfast run KEY -- COMMAND' : ''),
      EXIT.usage,
    )
  }
}

function inOneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
}
