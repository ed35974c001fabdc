/** What the compiler knows of errors: that this file compiles is most of the test. */
import { expect, test } from 'vitest'
import { LeaseLostError, StaleTokenError, WaitTimeoutError } from '../../src/index.ts'
import type { ErrorCode, HoldfastError } from '../../src/index.ts'

type Failure = WaitTimeoutError | LeaseLostError | StaleTokenError

/** A switch over `code` narrows, and the compiler knows that nothing is left. */
function told(error: Failure): string {
  switch (error.code) {
    case 'HOLDFAST_WAIT_TIMEOUT':
      return `waited ${error.waitedMs}`
    case 'HOLDFAST_LEASE_LOST':
      return `lost by ${error.reason}`
    case 'HOLDFAST_STALE_TOKEN':
      return `${error.newest} came first`
  }
}

test('an error is told by its code, with all that its class has', () => {
  expect(told(new WaitTimeoutError('', { waitedMs: 5 }))).toBe('waited 5')
  expect(told(new LeaseLostError('', { reason: 'revoked' }))).toBe('lost by revoked')
  expect(told(new StaleTokenError('', { newest: 7 }))).toBe('7 came first')
})

test('a mistyped code does not compile', () => {
  const error: HoldfastError = new WaitTimeoutError('')
  // @ts-expect-error: TIMOUT
  expect(error.code === 'HOLDFAST_WAIT_TIMOUT').toBe(false)
  // @ts-expect-error: not the code of this class
  expect(new LeaseLostError('').code === 'HOLDFAST_STALE_TOKEN').toBe(false)
  // @ts-expect-error: there is no such error
  const none: ErrorCode = 'HOLDFAST_NONE'
  expect(none).not.toBe(error.code)
})
