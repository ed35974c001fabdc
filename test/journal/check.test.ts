/** Did two believe at once? */
import { describe, expect, test } from 'vitest'
import type { Entry } from '../../src/journal/beliefs.ts'
import { check } from '../../src/journal/check.ts'

const line = (at: number, holder: string, type: string, rest: object = {}): Entry => ({
  ...{ at, ms: at, wall: 1_000_000 + at, boot: 'b', holder, type, key: 'k', token: holder.codePointAt(0) ?? 0 },
  ...rest,
})
const held = (holder: string, from: number, to: number, rest: object = {}): readonly Entry[] => [
  line(from, holder, 'acquired', { mode: 'exclusive', limit: null, ...rest }),
  line(to, holder, 'released', rest),
]
const found = (...lines: readonly (readonly Entry[])[]): readonly string[] =>
  check(lines.flat().toSorted((a, b) => a.ms - b.ms)).overlaps.map(
    ({ first, second, overlapMs }) => `${first.holder}${second.holder} ${overlapMs}`,
  )

describe('two leases of one lock', () => {
  test('that meet at one instant do not overlap, nor do those of two locks', () => {
    expect(found(held('A', 0, 10), held('B', 10, 20), held('C', 5, 15, { key: 'other' }))).toEqual([])
  })

  test('that overlap are both named, with how long it lasted', () => {
    expect(found(held('A', 0, 10), held('B', 8, 20))).toEqual(['AB 2'])
    expect(found(held('A', 0, 100), held('B', 8, 20), held('C', 30, 40))).toEqual(['AB 12', 'AC 10'])
  })

  test('are both lost by then if their ends say so', () => {
    expect(found([line(0, 'A', 'acquired'), line(10, 'A', 'lost')], held('B', 10, 20))).toEqual([])
    expect(found([line(0, 'A', 'acquired'), line(12, 'A', 'lost')], held('B', 10, 20))).toEqual(['AB 2'])
  })

  test('do not overlap because the line of an end was written late', () => {
    const late = [line(0, 'A', 'acquired'), line(12, 'A', 'released', { heldMs: 9 })]
    expect(found(late, held('B', 10, 20))).toEqual([])
    expect(found(late, held('B', 7, 20))).toEqual(['AB 2'])
  })

  test('one of which has no end are judged up to its last line', () => {
    const killed = [line(0, 'A', 'acquired'), line(5, 'A', 'renewed')]
    expect(found(killed, held('B', 6, 20))).toEqual([])
    expect(found(killed, held('B', 4, 20))).toEqual(['AB 1'])
    expect(check(killed)).toMatchObject({ leases: 1, open: 1 })
  })

  test('of two hosts are compared by their wall clocks, which may differ a little', () => {
    const there = { boot: 'c', at: 7, wall: 1_000_008 }
    const other = (to: number): readonly Entry[] => [
      line(8, 'B', 'acquired', there),
      line(to, 'B', 'released', { ...there, at: to + 7, wall: 1_000_000 + to }),
    ]
    expect(found(held('A', 0, 10), other(20))).toEqual([])
    expect(found(held('A', 0, 1_000), other(900))).toEqual(['AB 892'])
  })
})

describe('shared leases', () => {
  const shared = { mode: 'shared', limit: null }
  test('hold together, but not with an exclusive one', () => {
    expect(found(held('A', 0, 10, shared), held('B', 5, 20, shared))).toEqual([])
    expect(found(held('A', 0, 10, shared), held('B', 5, 20, shared), held('C', 15, 30))).toEqual(['BC 5'])
  })

  test('with a limit hold while fewer than that are in front', () => {
    const two = { mode: 'shared', limit: 2 }
    expect(found(held('A', 0, 10, two), held('B', 5, 20, two))).toEqual([])
    expect(found(held('A', 0, 10, two), held('B', 5, 20, two), held('C', 10, 30, two))).toEqual([])
    expect(found(held('A', 0, 10, two), held('B', 5, 20, two), held('C', 8, 30, two))).toEqual(['AC 2', 'BC 12'])
    expect(found(held('B', 0, 10, shared), held('A', 5, 20, { mode: 'shared', limit: 1 }))).toEqual([])
  })
})
