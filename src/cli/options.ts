/** Text from the command line into values, with errors that commander puts into its one line. */
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { duration, milliseconds } from '../base/duration.ts'
import type { Duration } from '../base/duration.ts'

export function durationOption(text: string): Duration {
  try {
    const value = duration(text)
    milliseconds(value, 'it')
    return value
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
  }
}

export function exitCodeOption(text: string): number {
  return integer(text, { min: 0, max: 255 }, 'An exit code is a whole number from 0 to 255.')
}

export function limitOption(text: string): number {
  return integer(text, { min: 1, max: Number.MAX_SAFE_INTEGER }, 'A limit is a whole number of at least 1.')
}

export function tokenOption(text: string): number {
  return integer(
    text,
    { min: 0, max: Number.MAX_SAFE_INTEGER },
    'A token is a whole number, as `holdfast ls` shows it.',
  )
}

export function countOption(text: string): number {
  return integer(text, { min: 1, max: Number.MAX_SAFE_INTEGER }, 'Write a whole number of at least 1.')
}

function integer(text: string, bounds: { readonly min: number; readonly max: number }, problem: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= bounds.min && value <= bounds.max) return value
  throw new InvalidArgumentError(problem)
}

/** `name=value`, as often as one likes. */
export function metaOption(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write name=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** What every command of a store takes. */
export function withStoreOptions(command: Command): Command {
  return command
    .option('--store <url>', 'address of the store (default: HOLDFAST_STORE, else the embedded file)')
    .option('--namespace <name>', 'put before every key (default: ?namespace= of the address, else HOLDFAST_NAMESPACE)')
    .option('--json', 'reports as JSON, for programs')
}
