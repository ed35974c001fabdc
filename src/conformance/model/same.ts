/**
 * Whether two answers say the same. Lengths of time may differ by the tolerance, tokens by a renaming that keeps their
 * order: the store may make them of another clock than the model. A store that goes by sessions does not tell when
 * another's ends: what it says of that is at least what is left.
 */
import assert from 'node:assert/strict'
import type { Entry, LockView, Renewal, StoreTraits } from '../../store/contract.ts'

export type Tokens = ReturnType<typeof createTokens>

/** The store's tokens by the model's: one to one, and in the same order. */
export function createTokens(traits: StoreTraits) {
  const reals = new Map<string, Map<number, number>>()
  const of = (key: string): Map<number, number> => {
    const found = reals.get(key) ?? new Map<number, number>()
    reals.set(key, found)
    return found
  }
  return {
    /** 0 for one that the store has never told. */
    real: (key: string, token: number): number => of(key).get(token) ?? 0,
    same(key: string, actual: number, expected: number): void {
      if (!traits.fencing) return assert.equal(actual, 0, 'a store without fencing gives no tokens')
      const known = of(key).get(expected)
      if (known !== undefined) return assert.equal(actual, known, 'the token of a ticket changed')
      for (const [model, real] of of(key)) {
        assert.ok(
          model < expected === real < actual && real !== actual,
          `token ${actual} is not in the order of the queue`,
        )
      }
      of(key).set(expected, actual)
    },
  }
}

/** `toleranceMs`: 0 where both have one clock. `sessions`: see above. */
export function createComparer(
  tokens: Tokens,
  { toleranceMs, sessions }: { readonly toleranceMs: number; readonly sessions: boolean },
) {
  const exact = toleranceMs === 0

  function entry(key: string, actual: Entry, expected: Entry): void {
    assert.equal(
      actual.status,
      expected.status,
      `enter answered ${JSON.stringify(actual)}; the rule says ${JSON.stringify(expected)}`,
    )
    if ('token' in expected && 'token' in actual) {
      tokens.same(key, actual.token, expected.token)
      sameMs('leftMs', actual.leftMs, expected.leftMs)
    }
    if (expected.status === 'holds' && actual.status === 'holds')
      assert.equal(actual.waiters, expected.waiters, 'waiters')
    if (expected.status === 'waits' && actual.status === 'waits') assert.equal(actual.ahead, expected.ahead, 'ahead')
    if (expected.status === 'forbidden' && actual.status === 'forbidden')
      assert.equal(actual.reason, expected.reason, 'reason')
    if (expected.status === 'refused' && actual.status === 'refused') ticketViews(key, actual.holders, expected.holders)
    if ('retryMs' in expected && 'retryMs' in actual) {
      assert.ok(
        actual.retryMs >= 0 && (sessions || actual.retryMs <= expected.retryMs + toleranceMs),
        `retryMs is ${actual.retryMs}, but ${expected.retryMs} by the rule`,
      )
    }
  }

  function renewal(actual: Renewal | undefined, expected: Renewal): void {
    assert.equal(
      actual?.status,
      expected.status,
      `renew answered ${JSON.stringify(actual)}; the rule says ${JSON.stringify(expected)}`,
    )
    if (expected.status === 'held' && actual?.status === 'held') {
      sameMs('leftMs', actual.leftMs, expected.leftMs)
      assert.equal(actual.waiters, expected.waiters, 'waiters')
    }
    if (expected.status === 'lost' && actual?.status === 'lost') assert.equal(actual.reason, expected.reason, 'reason')
  }

  function view(key: string, actual: LockView | null, expected: LockView | null): void {
    if (actual === null || expected === null) return assert.equal(actual, expected)
    assert.equal(actual.key, expected.key)
    ticketViews(key, actual.holders, expected.holders)
    ticketViews(key, actual.waiters, expected.waiters)
  }

  function ticketViews(key: string, actual: LockView['holders'], expected: LockView['holders']): void {
    const plain = (tickets: LockView['holders']): unknown =>
      tickets.map(({ holder, mode, limit, tokens: size, meta, revoked, kept }) => ({
        holder,
        mode,
        limit,
        size,
        meta: { ...meta },
        revoked,
        kept,
      }))
    assert.deepEqual(plain(actual), plain(expected))
    for (const [index, want] of expected.entries()) {
      const got = actual[index]
      if (!got) continue
      tokens.same(key, got.token, want.token)
      sameMs('leftMs', sessions ? Math.min(got.leftMs, want.leftMs) : got.leftMs, want.leftMs)
      if (exact) assert.equal(got.sinceMs, want.sinceMs, 'sinceMs')
      else assert.ok(got.sinceMs >= 0, `sinceMs is ${got.sinceMs}`)
    }
  }

  function sameMs(what: string, actual: number, expected: number): void {
    assert.ok(Math.abs(actual - expected) <= toleranceMs, `${what} is ${actual}, but ${expected} by the rule`)
  }

  return { entry, renewal, view }
}
