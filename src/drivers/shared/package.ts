/** Which client package is installed. All are optional: a user has the one that the program uses anyway. */
import { ConfigurationError } from '../../base/errors.ts'

export interface Installed<Name extends string> {
  readonly name: Name
  readonly module: object
}

export interface Packages<Name extends string> {
  /** In the order of preference; the first is what a user is told to install. */
  readonly names: readonly [Name, ...Name[]]
  /** For messages: what it is needed for, such as the address without its password. */
  readonly where: string
}

/** The first that is installed. @throws ConfigurationError  none, or one that does not load */
export async function installed<Name extends string>({ names, where }: Packages<Name>): Promise<Installed<Name>> {
  for (const name of names) {
    try {
      const module: unknown = await import(name)
      if (typeof module === 'object' && module !== null) return { name, module }
    } catch (cause) {
      if (!isMissing(cause, name))
        throw new ConfigurationError(`The package "${name}" is installed but does not load.`, { cause })
    }
  }
  const [first, ...others] = names
  const instead = others.length === 0 ? '' : ` (or ${others.join(' or ')})`
  throw new ConfigurationError(`To open ${where} a client package is needed: npm install ${first}${instead}.`)
}

function isMissing(cause: unknown, name: string): boolean {
  return (
    cause instanceof Error &&
    'code' in cause &&
    cause.code === 'ERR_MODULE_NOT_FOUND' &&
    cause.message.includes(`'${name}'`)
  )
}

/** What `new module[name](...values)` makes. @throws ConfigurationError  the package is too old to have it */
export function construct(module: object, name: string, ...values: readonly unknown[]): object {
  const member: unknown = Reflect.get(module, name)
  if (typeof member !== 'function') throw tooOld(name)
  return anObject(Reflect.construct(member, values), name)
}

/** What `of[name](...values)` gives, if that is an object. @throws ConfigurationError */
export function made(of: object, name: string, ...values: readonly unknown[]): object {
  return anObject(method(of, name, ...values), name)
}

/** What `of[name](...values)` gives. @throws ConfigurationError  the package is too old to have it */
export function method(of: object, name: string, ...values: readonly unknown[]): unknown {
  const member: unknown = Reflect.get(of, name)
  if (typeof member !== 'function') throw tooOld(name)
  const result: unknown = Reflect.apply(member, of, values)
  return result
}

/** The values that are there: some clients take an option that is undefined for one that is given. */
export function defined(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

/** Has a client of unknown make these methods? */
export function can(value: object, ...methods: readonly string[]): boolean {
  return methods.every(name => typeof Reflect.get(value, name) === 'function')
}

function tooOld(name: string): ConfigurationError {
  return new ConfigurationError(
    `The installed client package has no ${name}: it is older than holdfast supports. Update it.`,
  )
}

function anObject(value: unknown, name: string): object {
  if (typeof value === 'object' && value !== null) return value
  throw new TypeError(`${name} made no object`)
}
