/** Exit codes, and how an error becomes one line and a code. */
import {
  ConfigurationError,
  InvalidKeyError,
  LeaseLostError,
  StoreUnavailableError,
  UnsupportedError,
  WaitTimeoutError,
} from '../base/errors.ts'

/** Those of sysexits.h where one fits, those of a shell where one fits. */
export const EXIT = {
  ok: 0,
  /** `inspect`: nobody holds it. */
  free: 1,
  /** `timeline --check`: two believed at once. */
  overlap: 1,
  usage: 64,
  unavailable: 69,
  internal: 70,
  notAcquired: 75,
  lost: 76,
  notExecutable: 126,
  notFound: 127,
  /** Plus the number of the signal. */
  signal: 128,
} as const

/** What ends a command, with its code. An empty message: everything has been said. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exit: number

  constructor(message: string, exit: number) {
    super(message)
    this.exit = exit
  }
}

export function exitOf(error: unknown): number {
  if (error instanceof CliError) return error.exit
  if (error instanceof ConfigurationError || error instanceof InvalidKeyError || error instanceof UnsupportedError)
    return EXIT.usage
  if (error instanceof StoreUnavailableError) return EXIT.unavailable
  if (error instanceof WaitTimeoutError) return EXIT.notAcquired
  if (error instanceof LeaseLostError) return EXIT.lost
  return EXIT.internal
}

/** One line for a mistake of the user or a fault of the world; the stack only for a defect of ours. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (exitOf(error) === EXIT.internal) return `unexpected error, please report it: ${error.stack ?? error.message}`
  return brief(error)
}

/** What somebody else's error says, on one line. */
export function brief(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().replaceAll(/\s*\n\s*/g, ' ')
}
