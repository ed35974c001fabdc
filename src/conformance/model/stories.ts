/** What may happen to a few locks, as plain data, so that a failing row of it can be shrunk, printed and replayed. */
import type fastCheck from 'fast-check'
import type { StoreTraits } from '../../store/contract.ts'

/** Lengths of time; `short` runs out when time passes, `long` never does. */
export type Life = 'short' | 'double' | 'long'

/** One who wants the same lock in the same way each time. */
export interface Person {
  readonly key: number
  readonly mode: 'exclusive' | 'shared'
  readonly limit: number | null
  readonly tokens: number
  /** Which of the two processes it is in. */
  readonly store: number
}

export type Command =
  /** anew: with an id never used before. known: with its token, once it has one. */
  | {
      readonly do: 'enter'
      readonly who: number
      readonly anew: boolean
      readonly known: boolean
      readonly queue: boolean
      readonly life: Life
      readonly waiterLife: Life
    }
  | { readonly do: 'renew'; readonly whos: readonly number[]; readonly life: Life }
  | { readonly do: 'leave'; readonly who: number; readonly keep: Life | null; readonly forbid: Life | null }
  | {
      readonly do: 'revoke'
      readonly key: number
      readonly tickets: 'holders' | 'all' | { readonly who: number; readonly offset: number }
      readonly now: boolean
    }
  | { readonly do: 'inspect'; readonly key: number }
  | { readonly do: 'list' }
  /** Carries out an earlier enter, renewal or leave once more, as it was: a request that the network kept. */
  | { readonly do: 'repeat'; readonly back: number }
  /** In thirds of a short life, plus single milliseconds where the clock is ours. */
  | { readonly do: 'pass'; readonly thirds: number; readonly plusMs: number }

export interface Story {
  readonly people: readonly Person[]
  readonly commands: readonly Command[]
}

export const PEOPLE = 6
export const KEYS = 2

/** What a store can do, of what it may refuse. */
export interface Abilities {
  readonly traits: StoreTraits
  readonly list: boolean
  readonly revoke: boolean
}

/** Stories of as much as the store can do, of at most so many commands. `fc` is the package fast-check. */
export function stories(
  fc: typeof fastCheck,
  { traits, list, revoke, length }: Abilities & { readonly length: number },
): fastCheck.Arbitrary<Story> {
  const who = fc.nat(PEOPLE - 1)
  const key = fc.nat(KEYS - 1)
  const life = fc.constantFrom<Life>('short', 'double', 'long', 'long')
  const exclusive = fc.record({ mode: fc.constant('exclusive' as const), limit: fc.constant(null) })
  const shared = fc.record({
    mode: fc.constant('shared' as const),
    limit: traits.limit ? fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }) : fc.constant(null),
  })
  const person = fc
    .tuple(
      traits.shared ? fc.oneof(exclusive, shared) : exclusive,
      key,
      fc.integer({ min: 1, max: Math.min(5, traits.maxTokens) }),
      fc.nat(1),
    )
    .map(([kind, wanted, tokens, store]) => ({ ...kind, key: wanted, tokens, store }))
  const keep = traits.keep ? fc.option(life, { nil: null, freq: 2 }) : fc.constant(null)
  const command: fastCheck.Arbitrary<Command> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('enter' as const),
        who,
        anew: fc.boolean(),
        known: fc.boolean(),
        queue: fc.nat(3).map(n => n > 0),
        life,
        waiterLife: life,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('renew' as const),
        whos: fc.uniqueArray(who, { minLength: 1, maxLength: 3 }),
        life,
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('leave' as const), who, keep, forbid: fc.option(life, { nil: null }) }),
    },
    {
      weight: revoke ? 1 : 0,
      arbitrary: fc.record({
        do: fc.constant('revoke' as const),
        key,
        tickets: fc.oneof(
          fc.constantFrom('holders' as const, 'all' as const),
          ...(traits.fencing ? [fc.record({ who, offset: fc.nat(4) })] : []),
        ),
        now: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('inspect' as const), key }) },
    { weight: list ? 1 : 0, arbitrary: fc.record({ do: fc.constant('list' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('repeat' as const), back: fc.nat(12) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('pass' as const),
        thirds: fc.integer({ min: 0, max: 7 }),
        plusMs: fc.integer({ min: -1, max: 1 }),
      }),
    },
  )
  return fc.record({
    people: fc.array(person, { minLength: PEOPLE, maxLength: PEOPLE }),
    commands: fc.array(command, { minLength: 1, maxLength: length, size: 'max' }),
  })
}
