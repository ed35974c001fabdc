/** Options of an experiment as typed, read and checked. What is wrong is answered with the option's name. */
import { duration, milliseconds } from '../base/duration.ts'
import type { Bounds } from '../base/duration.ts'
import { ConfigurationError } from '../base/errors.ts'
import type { Given } from './experiment.ts'

export function optionalText(given: Given, name: string): string | null {
  const value = given[name]
  return typeof value === 'string' ? value : null
}

/** @throws ConfigurationError */
export function textOf(given: Given, name: string): string {
  const text = optionalText(given, name)
  if (text === null) throw new ConfigurationError(`--${name} needs a value.`)
  return text
}

/** Milliseconds. @throws ConfigurationError */
export function durationOf(given: Given, name: string, bounds: Bounds): number {
  const text = textOf(given, name)
  try {
    return milliseconds(duration(text), `--${name}`, bounds)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new ConfigurationError(message.startsWith('--') ? message : `--${name}: ${message}`, { cause: error })
  }
}

/** @throws ConfigurationError */
export function wholeOf(
  given: Given,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const text = textOf(given, name)
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new ConfigurationError(`--${name} must be a whole number from ${min} to ${max}, not "${text}".`)
}

/** One of the words, or null if the option was not given. @throws ConfigurationError */
export function choiceOf<const Choice extends string>(
  given: Given,
  name: string,
  choices: readonly Choice[],
): Choice | null {
  const text = optionalText(given, name)
  if (text === null) return null
  const choice = choices.find(candidate => candidate === text)
  if (choice === undefined) throw new ConfigurationError(`--${name}: "${text}" is none of ${choices.join(', ')}.`)
  return choice
}
