#!/usr/bin/env node
/** Where `holdfast` starts: the command line in, the exit code out. */
import { exitOf, messageOf } from './exit.ts'
import { runProgram } from './program.ts'

// Whoever reads our output may have seen enough: `holdfast ls | head -1`.
process.stdout.on('error', () => process.exit())
process.stderr.on('error', () => {})

try {
  const exit = await runProgram(process.argv.slice(2))
  // An experiment of the lab has set its own.
  process.exitCode ??= exit
} catch (error) {
  const message = messageOf(error)
  if (message !== '') process.stderr.write(`holdfast: ${message}\n`)
  process.exitCode = exitOf(error)
}
// Everything is done and written: whatever a store that does not answer still has open must not keep the process.
process.exit()
