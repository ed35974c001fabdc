/** From journals to what happened: the table that one asks for afterwards, and what went wrong. */
import { expect, test } from 'vitest'
import type { Entry } from '../../src/journal/beliefs.ts'
import { storiesOf } from '../../src/journal/stories.ts'
import { tableOf, tellTrouble } from '../../src/journal/tell.ts'

type Line = { readonly at: number; readonly holder: string; readonly type: string; readonly [name: string]: unknown }

/** Of one host, about the lock "room". */
function journal(...lines: readonly Line[]): readonly Entry[] {
  return lines
    .map(({ at, ...line }) => ({ key: 'room', boot: 'b', wall: at, ms: at, at, ...line }))
    .toSorted((a, b) => a.ms - b.ms)
}

const told = (entries: readonly Entry[]): readonly string[] =>
  storiesOf(entries).flatMap(({ troubles }) => troubles.map(trouble => tellTrouble(trouble).text))

/** The lease of 5 s meets a write of 6 s: two users are confirmed for one room. */
const DOUBLE_BOOKING = journal(
  { at: 1_000, holder: 'A', type: 'acquired', token: 1, mode: 'exclusive' },
  { at: 6_000, holder: 'A', type: 'lost', token: 1, heldMs: 5_000, reason: 'expired' },
  { at: 6_010, holder: 'B', type: 'acquired', token: 33, mode: 'exclusive' },
  { at: 7_000, holder: 'A', type: 'committed' },
  { at: 7_100, holder: 'A', type: 'confirmed' },
  { at: 12_010, holder: 'B', type: 'committed', token: 33 },
  { at: 12_020, holder: 'B', type: 'confirmed', token: 33 },
  { at: 12_030, holder: 'B', type: 'released', token: 33, heldMs: 6_020 },
)

test('tells of both users when they acquired, when that was over, when they committed and confirmed', () => {
  const [story] = storiesOf(DOUBLE_BOOKING)
  if (story === undefined) throw new Error('no story')
  expect(tableOf(story)).toEqual({
    titles: ['holder', 'token', 'acquired', 'over', 'by', 'committed', 'confirmed'],
    rows: [
      ['A', '1', '0.0 ms', '5000.0 ms', 'expired', '6000.0 ms', '6100.0 ms'],
      ['B', '33', '5010.0 ms', '11.03 s', 'released', '11.01 s', '11.02 s'],
    ],
  })
})

test('names the lost lease, who was at work together, and the write that came too late', () => {
  expect(told(DOUBLE_BOOKING)).toEqual([
    'A lost its lease: expired',
    'A was still at work, 1.1 s after its lease was over, while B held it: together for 1.1 s',
    'A wrote 1 s after its lease was over',
  ])
})

test('two who believe at once are told as that', () => {
  const both = journal(
    { at: 0, holder: 'A', type: 'acquired', token: 1, mode: 'exclusive' },
    { at: 50, holder: 'B', type: 'acquired', token: 33, mode: 'exclusive' },
    { at: 80, holder: 'A', type: 'released', token: 1, heldMs: 80 },
    { at: 90, holder: 'B', type: 'released', token: 33, heldMs: 40 },
  )
  expect(told(both)).toEqual(['A and B both believed to hold it: together for 30 ms'])
})

test('what belongs to no lease of its holder troubles nobody, nor does a confirmation after the release', () => {
  const quiet = journal(
    { at: 0, holder: 'A', type: 'acquired', token: 1, mode: 'exclusive' },
    { at: 10, holder: 'A', type: 'committed', token: 1 },
    { at: 20, holder: 'A', type: 'released', token: 1, heldMs: 20 },
    { at: 30, holder: 'A', type: 'confirmed', token: 1 },
    { at: 40, holder: 'C', type: 'read' },
    { at: 50, holder: 'C', type: 'timed-out', waitedMs: 50 },
    { at: 60, holder: 'B', type: 'acquired', token: 33, mode: 'exclusive' },
  )
  expect(told(quiet)).toEqual([])
  expect(storiesOf(quiet)[0]?.leases).toMatchObject([
    { holder: 'A', ended: 'released', deeds: { commit: 10, confirmation: 30 } },
    { holder: 'B', ended: null, overAt: null },
  ])
})

test('readers who hold together are no trouble', () => {
  const shared = journal(
    { at: 0, holder: 'A', type: 'acquired', token: 1, mode: 'shared', limit: null },
    { at: 1, holder: 'B', type: 'acquired', token: 33, mode: 'shared', limit: null },
    { at: 9, holder: 'A', type: 'released', token: 1, heldMs: 9 },
    { at: 9, holder: 'B', type: 'released', token: 33, heldMs: 8 },
  )
  expect(told(shared)).toEqual([])
})
