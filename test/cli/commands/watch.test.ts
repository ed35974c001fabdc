import { describe, expect, test } from 'vitest'
import { changes } from '../../../src/cli/commands/watch.ts'
import type { LockView, TicketView } from '../../../src/store/contract.ts'

describe('what watch tells', () => {
  const ticket = (token: number): TicketView => ({
    holder: `h${token}`,
    token,
    tokens: 1,
    mode: 'exclusive',
    limit: null,
    sinceMs: 5,
    leftMs: 9,
    meta: {},
  })
  const view = (holders: readonly number[], waiters: readonly number[]): LockView => ({
    key: 'k',
    token: 9,
    holders: holders.map(ticket),
    waiters: waiters.map(ticket),
  })
  const told = (before: readonly LockView[], now: readonly LockView[]): readonly string[] =>
    changes(before, now).map(({ change, token }) => `${change} ${token}`)

  test('who comes, who moves up, who goes', () => {
    expect(told([], [view([1], [2])])).toEqual(['waiting 2', 'held 1'])
    expect(told([view([1], [2, 3])], [view([2], [])])).toEqual(['gave-up 3', 'released 1', 'held 2'])
    expect(told([view([1], [])], [view([1], [])])).toEqual([])
    expect(told([view([1], [])], [])).toEqual(['released 1'])
  })
})
