/**
 * A store is checked once, when locks are made on it: windows are computed from its traits, and one that is not a
 * number would make a lease that never ends.
 */
import { ConfigurationError } from '../base/errors.ts'
import type { Store, StoreTraits } from '../store/contract.ts'

type Check = (value: unknown) => boolean

const flag: Check = value => typeof value === 'boolean'
const span: Check = value => typeof value === 'number' && value >= 0 && value < Infinity
const oneOf =
  (...values: readonly string[]): Check =>
  value =>
    typeof value === 'string' && values.includes(value)

/** Trait -> what it must be, in words and as a check. */
const RULES: Readonly<Record<keyof StoreTraits, readonly [string, Check]>> = {
  name: ['text', value => typeof value === 'string' && value !== ''],
  guarantee: [
    'a guarantee that holdfast knows',
    oneOf('consensus', 'durable', 'quorum', 'volatile', 'best-effort', 'process'),
  ],
  reach: ["'process', 'host' or 'network'", oneOf('process', 'host', 'network')],
  fencing: ['true or false', flag],
  queue: ['true or false', flag],
  shared: ['true or false', flag],
  limit: ['true or false', flag],
  keep: ['true or false', flag],
  clock: ["'store', 'session', 'host' or 'observer'", oneOf('store', 'session', 'host', 'observer')],
  clockErrorMs: ['a number of milliseconds, 0 or more', span],
  minTtlMs: ['a number of milliseconds, 0 or more', span],
  maxTokens: ['a whole number, 1 or more', value => Number.isSafeInteger(value) && Number(value) >= 1],
}
const VERBS = ['enter', 'renew', 'leave', 'inspect', 'list', 'revoke', 'close'] as const

/** @throws ConfigurationError  no store, or one whose traits cannot be computed with */
export function checkStore(store: Store): void {
  const missing = VERBS.find(verb => typeof store?.[verb] !== 'function')
  if (missing !== undefined || typeof store.traits !== 'object' || store.traits === null)
    throw new ConfigurationError(
      `This is not a store: it has no ${missing ?? 'traits'}. Pass an address, or what redisStore(...) and its like make; ` +
        'options come second.',
    )
  for (const [name, [what, check]] of Object.entries(RULES)) {
    const value: unknown = Reflect.get(store.traits, name)
    if (check(value)) continue
    throw new ConfigurationError(
      `The trait ${name} of the store "${String(store.traits.name)}" must be ${what}, not ${String(value)}.`,
    )
  }
}
