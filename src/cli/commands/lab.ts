/** `holdfast lab`: named in the help, loaded only when it is asked for. */
import type { Command } from 'commander'

export async function addLabLazily(program: Command, argv: readonly string[]): Promise<Command> {
  if (argv.find(word => !word.startsWith('-')) === 'lab' || argv[0] === 'help') {
    const { addLab } = await import('../../lab/command.ts')
    addLab(program)
  } else {
    program
      .command('lab')
      .description('experiments with real processes: what goes wrong without a lock, with a lock alone, and what holds')
  }
  return program
}
