/** The parts of the command line that decide something, without a process. */
import { describe, expect, test } from 'vitest'
import { linesOf } from '../../src/cli/lines.ts'
import { defaultGraceMs, guardDelayMs, marginMs, stopTimes } from '../../src/cli/stopping.ts'
import { plain, table } from '../../src/base/text.ts'
import { changes } from '../../src/cli/watch.ts'
import { withoutPassword } from '../../src/base/address.ts'
import type { LockView, TicketView } from '../../src/store/contract.ts'

describe('when a job must end', () => {
  test('it is asked when the grace is left of the window, and killed before the window closes', () => {
    const { termAt, killAt } = stopTimes({ deadline: 15_000, graceMs: 5_000, since: null })
    expect(termAt).toBe(10_000)
    expect(killAt).toBe(14_500)
  })

  test('asked earlier for another reason it has the whole grace, but never beyond the window', () => {
    expect(stopTimes({ deadline: 15_000, graceMs: 5_000, since: 1_000 })).toEqual({ termAt: 1_000, killAt: 6_000 })
    expect(stopTimes({ deadline: 15_000, graceMs: 5_000, since: 12_000 })).toEqual({ termAt: 10_000, killAt: 14_500 })
  })

  test('the guard asks a little after holdfast, and kills no later', () => {
    for (const graceMs of [1, 100, 333, 5_000, 60_000]) {
      const own = stopTimes({ deadline: 90_000, graceMs, since: null })
      const guard = stopTimes({ deadline: 90_000, graceMs, since: null, afterMs: guardDelayMs(graceMs) })
      expect(guard.termAt).toBeGreaterThan(own.termAt)
      expect(guard.termAt).toBeLessThan(guard.killAt)
      expect(guard.killAt).toBeLessThanOrEqual(90_000 - marginMs(graceMs))
    }
  })

  test('the grace is 5 s, or a third of a shorter lease', () => {
    expect([60_000, 15_000, 3_000].map(defaultGraceMs)).toEqual([5_000, 5_000, 1_000])
  })
})

describe('an address without its passwords', () => {
  test.each([
    ['redis://user:secret@host:6379/0', 'redis://user@host:6379/0'],
    ['redis://:secret@host', 'redis://@host'],
    ['redlock://:secret@a:1,:secret@b:2,c:3', 'redlock://@a:1,@b:2,c:3'],
    ['mongodb://u:secret@a,b,c/db?replicaSet=r', 'mongodb://u@a,b,c/db?replicaSet=r'],
    [
      'postgres://u:se,cret@host/db?sslmode=require&password=secret&x=1',
      'postgres://u@host/db?sslmode=require&password=&x=1',
    ],
    ['redis://u:sec@ret@host', 'redis://u@host'],
    ['redis://u:sec/ret@host:1/0', 'redis://u@host:1/0'],
    ['sqlite:/var/lib/a@b:c/locks.db', 'sqlite:/var/lib/a@b:c/locks.db'],
    ['sqlite:', 'sqlite:'],
  ])('%s', (address, shown) => {
    expect(withoutPassword(address)).toBe(shown)
  })
})

describe('text', () => {
  test('what others have written stays on its line and moves no cursor', () => {
    expect(plain('plain text/with:marks')).toBe('plain text/with:marks')
    for (const nasty of ['a\nb', '\u001b[2J', 'a\u202eb', '\u009b31m', '\u2028', '\0'])
      expect(plain(nasty)).toMatch(/^"[\x20-\x7e]*"$/)
  })

  test('columns stand under their heads, wide letters counted as two', () => {
    expect(
      table(
        ['A', 'B'],
        [
          ['数据', 'x'],
          ['e\u0301', 'y'],
        ],
        { bold: false },
      ),
    ).toBe('A     B\n数据  x\ne\u0301     y')
    expect(table(['A'], [], { bold: true })).toBe('\u001b[1mA\u001b[22m')
  })

  test('lines come whole, in whatever pieces they arrive', () => {
    const heard: string[] = []
    const hear = linesOf(line => heard.push(line))
    for (const piece of ['on', 'e\ntw', 'o\n', '\nrest']) hear(piece)
    expect(heard).toEqual(['one', 'two', ''])
  })
})

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
