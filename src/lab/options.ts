/**
 * Options of an experiment: declared once by name, from which follow the flag, the help, the check, and the type of the
 * setting. A name that ends in Ms is a length of time and loses the ending in its flag: `thinkMs` is `--think 15ms`.
 */
import { duration, milliseconds } from '../base/duration.ts'
import { ConfigurationError } from '../base/errors.ts'
import { meant } from './meant.ts'

export interface Option<Value> {
  /** What the help calls the value: `n`. */
  readonly value: string
  readonly help: string
  readonly default?: string
  /** The default where many experiments are run one after the other: times in the same ratio, only shorter. */
  readonly brief?: string
  /** The source's own, where the default is shorter. */
  readonly full?: string
  /** Not shown in the help: for the tests that prove that the experiment can fail. */
  readonly hidden?: true
  /** null: not given. @throws ConfigurationError  naming the flag */
  read(text: string | null, flag: string): Value
}

export type Options = Readonly<Record<string, Option<unknown>>>
export type SettingsOf<O extends Options> = {
  readonly [Name in keyof O]: O[Name] extends Option<infer Value> ? Value : never
}
/** The options as typed, by the names of their flags. */
export type Given = Readonly<Record<string, unknown>>

/** How long an experiment may take: as by itself, as among all of them, or as its source has it. */
export type Pace = 'usual' | 'brief' | 'full'

/** The options of a run for which nothing was typed. */
export function presets(options: Options, pace: Pace): Given {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) => {
      const text = (pace === 'usual' ? undefined : option[pace]) ?? option.default
      return text === undefined ? [] : [[flagOf(name).slice(2), text]]
    }),
  )
}

/** Has the source times of its own, which are longer? */
export function hasFull(options: Options): boolean {
  return Object.values(options).some(({ full }) => full !== undefined)
}

export function flagOf(name: string): string {
  return `--${name.replace(/Ms$/, '')}`
}

/** @throws ConfigurationError */
export function readOptions<O extends Options>(options: O, given: Given): SettingsOf<O> {
  const settings = Object.fromEntries(
    Object.entries(options).map(([name, option]) => {
      const text = given[flagOf(name).slice(2)]
      return [name, option.read(typeof text === 'string' ? text : null, flagOf(name))]
    }),
  )
  if (!isComplete(options, settings)) throw new TypeError('An option was not read.')
  return settings
}

function isComplete<O extends Options>(options: O, settings: object): settings is SettingsOf<O> {
  return Object.keys(options).every(name => name in settings)
}

type Described = Pick<Option<never>, 'help' | 'brief' | 'full' | 'hidden'> & { readonly default: string }

/** A whole number. `why` ends the message about one below the least. */
export function whole({
  min,
  max,
  why,
  ...about
}: Described & { readonly min: number; readonly max: number; readonly why?: string }): Option<number> {
  return {
    ...about,
    value: 'n',
    read(text, flag) {
      const value = text !== null && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
      if (value >= min && value <= max) return value
      const reason = value < min && why !== undefined ? ` ${why}` : ''
      throw new ConfigurationError(`${flag} must be a whole number from ${min} to ${max}, not "${text}".${reason}`)
    },
  }
}

/** A length of time, in milliseconds. */
export function span({
  min = 0,
  max,
  ...about
}: Described & { readonly min?: number; readonly max: number }): Option<number> {
  return {
    ...about,
    value: 'duration',
    read(text, flag) {
      try {
        return milliseconds(duration(text ?? ''), flag, { min, max })
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        throw new ConfigurationError(message.startsWith(flag) ? message : `${flag}: ${message}`, { cause: error })
      }
    },
  }
}

/** Some of a list of words, in the order of the list; all of them unless given. */
export function some<const Word extends string>(words: readonly Word[], help: string): Option<readonly Word[]> {
  return {
    help,
    value: 'list',
    default: words.join(','),
    read(text, flag) {
      const named = (text ?? '').split(',').map(name => name.trim())
      const wrong = named.find(name => !words.some(word => word === name))
      if (wrong !== undefined)
        throw new ConfigurationError(`${flag}: "${wrong}" is none of ${words.join(', ')}.${meant(wrong, words)}`)
      return words.filter(word => named.includes(word))
    },
  }
}

/** One of a list of words, for tests only: not in the help. */
export function oneIn<const Word extends string>(words: readonly Word[], help: string): Option<Word | null> {
  return {
    help,
    value: words.join('|'),
    hidden: true,
    read(text, flag) {
      const word = words.find(candidate => candidate === text) ?? null
      if (word === null && text !== null)
        throw new ConfigurationError(`${flag}: "${text}" is none of ${words.join(', ')}.`)
      return word
    },
  }
}

/** Text as it is; null unless given. */
export function optional(value: string, help: string): Option<string | null> {
  return { help, value, read: text => text }
}

/** The store of the locks; null: the experiment's own. `only`: what its address must begin with, and why. */
export function storeOption(
  help: string,
  only?: { readonly scheme: RegExp; readonly why: string },
): Option<string | null> {
  return {
    help,
    value: 'url',
    read(text, flag) {
      if (text !== null && /^memory:/i.test(text))
        throw new ConfigurationError(
          `${flag} memory: cannot cross processes, and the workers are processes. Leave it out, or name a server.`,
        )
      if (text !== null && only?.scheme.test(text) === false) throw new ConfigurationError(`${flag} ${only.why}`)
      return text
    },
  }
}

/** Of the random choices of an experiment. */
export const seed = whole({
  default: '1',
  min: 0,
  max: 999_999_999,
  help: 'repeats the random choices of a run, but not its schedule',
})
