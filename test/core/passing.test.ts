import { expect, test } from 'vitest'
import { isFresh, mayPass, UNUSED } from '../../src/core/passing.ts'
import type { Passing } from '../../src/core/passing.ts'

const limits = { contendedPasses: 2, contendedForMs: 100 }
const alone = { tokens: 4, ttlMs: 1_000, validUntil: 1_000, waiters: 0, newsAt: 0 }
const contended = { ...alone, waiters: 1 }

/** Verdicts until it is not passed on any more. */
function verdicts(ticket: typeof alone, now: number): string[] {
  const told: string[] = []
  let passing: Passing = UNUSED
  for (let times = 0; times < 10; times += 1) {
    const { verdict, next } = mayPass(passing, { ticket, limits, now })
    told.push(verdict)
    if (verdict !== 'pass') break
    passing = next
  }
  return told
}

test('a ticket carries as many leases as it has tokens', () => {
  expect(verdicts(alone, 10)).toEqual(['pass', 'pass', 'pass', 'pass', 'stop'])
})

test('while others wait it is passed on few times', () => {
  expect(verdicts(contended, 10)).toEqual(['pass', 'pass', 'pass', 'stop'])
})

test('while others wait it is passed on for a short time', () => {
  const passing = { used: 2, contendedSince: 0, contendedPasses: 1 }
  expect(mayPass(passing, { ticket: { ...contended, newsAt: 100 }, limits, now: 100 }).verdict).toBe('pass')
  expect(mayPass(passing, { ticket: { ...contended, newsAt: 101 }, limits, now: 101 }).verdict).toBe('stop')
})

test('when nobody waits any more, what was counted is forgotten', () => {
  const passing = { used: 2, contendedSince: 0, contendedPasses: 2 }
  const { next } = mayPass(passing, { ticket: { ...alone, newsAt: 500 }, limits, now: 500 })
  expect(next).toEqual({ used: 3, contendedSince: null, contendedPasses: 0 })
})

test('the store is asked first when its news are old, or the window is half over', () => {
  const passing = { used: 1, contendedSince: null, contendedPasses: 0 }
  const verdict = (now: number, newsAt: number): string =>
    mayPass(passing, { ticket: { ...alone, newsAt }, limits, now }).verdict
  expect(verdict(100, 0)).toBe('pass')
  expect(verdict(101, 0)).toBe('ask')
  expect(verdict(500, 500)).toBe('pass')
  expect(verdict(501, 501)).toBe('ask')
  expect(isFresh({ ticket: alone, limits, now: 101 })).toBe(false)
})

test('the first lease of a ticket needs no news', () => {
  expect(mayPass(UNUSED, { ticket: { ...alone, newsAt: -Infinity }, limits, now: 900 }).verdict).toBe('pass')
})

test('while others wait, what the store was asked between two leases takes nothing from what was counted', () => {
  const passing = { used: 2, contendedSince: 50, contendedPasses: 1 }
  const stale = { ticket: { ...contended, newsAt: 0 }, limits, now: 120 }
  expect(mayPass(passing, stale)).toEqual({ verdict: 'ask', next: passing })
  const told = { ...stale, ticket: { ...contended, newsAt: 120 } }
  expect(mayPass(passing, told)).toEqual({
    verdict: 'pass',
    next: { used: 3, contendedSince: 50, contendedPasses: 2 },
  })
})

test('the time for which others wait counts from when that was first known', () => {
  const { next } = mayPass(
    { used: 1, contendedSince: null, contendedPasses: 0 },
    { ticket: contended, limits, now: 90 },
  )
  expect(next).toEqual({ used: 2, contendedSince: 90, contendedPasses: 1 })
})

test('a ticket that was asked about while nobody waits has carried no more for it', () => {
  const passing = { used: 1, contendedSince: 0, contendedPasses: 2 }
  const { verdict, next } = mayPass(passing, { ticket: alone, limits, now: 101 })
  expect({ verdict, next }).toEqual({ verdict: 'ask', next: { used: 1, contendedSince: null, contendedPasses: 0 } })
})
