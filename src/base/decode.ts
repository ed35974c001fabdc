/** Values of unknown shape, read field by field where they come in. Each throws a TypeError that names the field. */

export type Fields = Readonly<Record<string, unknown>>

export function record(value: unknown, what: string): Fields {
  if (!isRecord(value)) throw new TypeError(`${what} is ${show(value)}, not an object`)
  return value
}

export function text(from: Fields, name: string): string {
  const value = from[name]
  if (typeof value !== 'string') throw new TypeError(`${name} is ${show(value)}, not text`)
  return value
}

export function number(from: Fields, name: string): number {
  const value = from[name]
  if (typeof value !== 'number') throw new TypeError(`${name} is ${show(value)}, not a number`)
  return value
}

/** Neither NaN nor endless: JSON reads 1e999 as Infinity. */
export function finite(from: Fields, name: string): number {
  const value = number(from, name)
  if (!Number.isFinite(value)) throw new TypeError(`${name} is ${value}, not a finite number`)
  return value
}

/** A length of time. */
export function span(from: Fields, name: string): number {
  const value = finite(from, name)
  if (value < 0) throw new TypeError(`${name} is ${value}, not 0 or more`)
  return value
}

/** A whole number; some clients are set to give bigints. */
export function integer(from: Fields, name: string): number {
  const value = from[name]
  const whole = typeof value === 'bigint' ? Number(value) : value
  if (typeof whole !== 'number' || !Number.isSafeInteger(whole))
    throw new TypeError(`${name} is ${show(value)}, not a safe integer`)
  return whole
}

export function bytes(from: Fields, name: string): Uint8Array {
  const value = from[name]
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} is ${show(value)}, not bytes`)
  return value
}

export function flag(from: Fields, name: string): boolean {
  const value = from[name]
  if (typeof value !== 'boolean') throw new TypeError(`${name} is ${show(value)}, not true or false`)
  return value
}

export function list(from: Fields, name: string): readonly unknown[] {
  const value = from[name]
  if (!Array.isArray(value)) throw new TypeError(`${name} is ${show(value)}, not a list`)
  return value
}

export function oneOf<const Choice extends string>(from: Fields, name: string, choices: readonly Choice[]): Choice {
  const choice = choices.find(candidate => candidate === from[name])
  if (choice === undefined) throw new TypeError(`${name} is ${show(from[name])}, not one of ${choices.join(', ')}`)
  return choice
}

/** An object whose values are all text. */
export function texts(from: Fields, name: string): Readonly<Record<string, string>> {
  const value = record(from[name], name)
  if (!every(value, isText)) throw new TypeError(`${name} holds something that is not text`)
  return value
}

/** An object whose values are all numbers. */
export function numbers(from: Fields, name: string): Readonly<Record<string, number>> {
  const value = record(from[name], name)
  if (!every(value, isNumber)) throw new TypeError(`${name} holds something that is not a number`)
  return value
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function every<Value>(from: Fields, test: (value: unknown) => value is Value): from is Readonly<Record<string, Value>> {
  for (const name in from) if (!test(from[name])) return false
  return true
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function show(value: unknown): string {
  return value === undefined
    ? 'missing'
    : value === null
      ? 'null'
      : Array.isArray(value)
        ? 'a list'
        : `a ${typeof value}`
}
