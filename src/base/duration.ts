/** Lengths of time: a number is milliseconds, a string carries its unit. No other form is guessed at. */
import { ConfigurationError } from './errors.ts'

export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const FORM = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

function isDuration(text: string): text is Duration & string {
  return FORM.test(text)
}

/**
 * A duration from text of unknown shape (an environment variable, a flag).
 * @throws ConfigurationError  no unit, a unit we do not know, or not a length of time
 */
export function duration(text: string): Duration {
  const trimmed = text.trim()
  if (isDuration(trimmed)) return trimmed
  if (/^\d+(\.\d+)?$/.test(trimmed))
    throw new ConfigurationError(`"${trimmed}" has no unit: ${trimmed}s or ${trimmed}ms?`)
  throw new ConfigurationError(
    `"${text}" is not a length of time. Write a number and a unit (ms, s, m, h, d), such as 500ms, 15s or 2h.`,
  )
}

/** Which lengths an option takes. */
export interface Bounds {
  readonly min?: number
  readonly max?: number
  readonly infinite?: boolean
}

/**
 * Milliseconds, checked.
 * @throws ConfigurationError  naming the option, the value and what is allowed
 */
export function milliseconds(value: Duration, option: string, bounds: Bounds = {}): number {
  const ms = typeof value === 'string' ? parse(value, option) : value
  if (typeof ms !== 'number' || Number.isNaN(ms))
    throw new ConfigurationError(
      `${option} must be a length of time (milliseconds, or text such as "15s"), not ${show(value)}.`,
    )
  if (ms === Infinity && bounds.infinite === true) return ms
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds
  if (ms < min) throw new ConfigurationError(`${option} must be at least ${min} ms, not ${show(value)}.`)
  if (ms > max) throw new ConfigurationError(`${option} must be at most ${max} ms, not ${show(value)}.`)
  return ms
}

function parse(text: string, option: string): number {
  const match = FORM.exec(text.trim())
  if (match) return Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN)
  if (/^\d+(\.\d+)?$/.test(text.trim()))
    throw new ConfigurationError(`${option} "${text}" has no unit: "${text}s" or "${text}ms"?`)
  throw new ConfigurationError(
    `${option} ${show(text)} is not a length of time. Write a number and a unit (ms, s, m, h, d), such as "15s".`,
  )
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : `${String(value)} (${typeof value})`
}

/** For people: 250 ms, 4.2 s, 3 min. */
export function humanMs(ms: number): string {
  if (ms === Infinity) return 'for ever'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`
  if (ms < 3_600_000) return `${Number((ms / 60_000).toFixed(1))} min`
  return `${Number((ms / 3_600_000).toFixed(1))} h`
}
