/**
 * The journal: what happened, as JSON lines in a file of each process, from which one can reconstruct afterwards who
 * held what when.
 *
 * Each line has both clocks: `at` of the host's monotonic one, exact among processes of one host (`boot` names it), and
 * `wall` for the others. A line is written at once and whole, so that a process that is killed leaves all but its last
 * moment.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { hostClock } from '../base/clock.ts'
import { timeDomain } from '../base/domain.ts'
import { ConfigurationError } from '../base/errors.ts'

export interface Journal {
  /** agoMs: it happened so long ago. */
  write(entry: { readonly type: string; readonly [detail: string]: unknown }, agoMs?: number): void
  close(): void
}

/** @throws ConfigurationError  the file cannot be written */
export function openJournal(path: string, holder: string): Journal {
  const boot = timeDomain()
  let file: number | undefined
  try {
    file = openSync(path, 'a')
  } catch (cause) {
    throw new ConfigurationError(
      `The journal "${path}" cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
  return {
    write(entry, agoMs = 0) {
      if (file === undefined) return
      try {
        const [at, wall] = [hostClock.now() - agoMs, hostClock.wall() - agoMs]
        writeSync(file, `${JSON.stringify({ at, wall, boot, holder, ...entry }, plain)}\n`)
      } catch (error) {
        // A full disk must not cost anybody his lock.
        process.emitWarning(
          `The journal "${path}" is no longer written: ${error instanceof Error ? error.message : String(error)}`,
          'HoldfastWarning',
        )
        this.close()
      }
    },
    close() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }
}

/** Errors have no enumerable fields: without this a cause would be written as {}. */
function plain(_name: string, value: unknown): unknown {
  return value instanceof Error ? { name: value.name, message: value.message } : value
}
