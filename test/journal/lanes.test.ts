/** From journals to a timeline. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readJournals } from '../../src/journal/read.ts'
import { timelines } from '../../src/journal/lanes.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-lanes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function journal(
  holder: string,
  entries: readonly { readonly at: number; readonly [name: string]: unknown }[],
): string {
  const path = join(folder, `${holder}.journal`)
  writeFileSync(
    path,
    entries.map(entry => `${JSON.stringify({ wall: entry.at, boot: 'b', holder, ...entry })}\n`).join(''),
  )
  return path
}

test('a holder that works on after its lease was lost is drawn as stale, and its refusal is told', () => {
  const paused = journal('A', [
    { at: 100, type: 'acquired', key: 'k', token: 1, waitedMs: 0 },
    { at: 150, type: 'lost', key: 'k', token: 1, heldMs: 50, reason: 'expired' },
    { at: 190, type: 'stale', resource: 'k', token: 1, newest: 33 },
  ])
  const next = journal('B', [
    { at: 120, type: 'waiting', key: 'k', ahead: 1, heldBy: 'A' },
    { at: 155, type: 'acquired', key: 'k', token: 33, waitedMs: 35 },
    { at: 180, type: 'renewed', key: 'k', token: 33, tookMs: 1 },
    { at: 185, type: 'committed', key: 'k', token: 33, balance: 40 },
    { at: 200, type: 'released', key: 'k', token: 33, heldMs: 45 },
  ])
  const [timeline] = timelines(readJournals([paused, next]).entries, { last: 100 })
  expect(timeline).toEqual({
    key: 'k',
    left: 0,
    lanes: [
      {
        name: 'A',
        spans: [
          { kind: 'held', from: 100, to: 150 },
          { kind: 'stale', from: 150, to: 190 },
        ],
        marks: [
          { at: 100, text: 'acquired, token 1', kind: 'moment' },
          { at: 150, text: 'LOST, token 1, held for 50 ms: expired', kind: 'lost' },
          { at: 190, text: 'REFUSED, token 1: the resource has seen 33', kind: 'refused' },
        ],
      },
      {
        name: 'B',
        spans: [
          { kind: 'waiting', from: 120, to: 155 },
          { kind: 'held', from: 155, to: 200 },
        ],
        marks: [
          { at: 120, text: 'waits, 1 ahead, held by A', kind: 'moment' },
          { at: 155, text: 'acquired, token 33, after waiting 35 ms', kind: 'moment' },
          { at: 185, text: 'committed, token 33, balance 40', kind: 'commit' },
          { at: 200, text: 'released, token 33, held for 45 ms', kind: 'moment' },
        ],
      },
    ],
  })
})

test('a holder that was killed is drawn up to the next one, and is said never to have released', () => {
  const killed = journal('K', [{ at: 10, type: 'acquired', key: 'k', token: 1, waitedMs: 0 }])
  const next = journal('N', [{ at: 60, type: 'acquired', key: 'k', token: 33, waitedMs: 0 }])
  const [timeline] = timelines(readJournals([next, killed]).entries, { last: 100 })
  expect(timeline?.lanes[0]).toEqual({
    name: 'K',
    spans: [{ kind: 'held', from: 10, to: 60 }],
    marks: [{ at: 10, text: 'acquired, token 1, and never released in these journals', kind: 'moment' }],
  })
})

test('each key has a timeline of its own, of which the newest entries are drawn', () => {
  const many = Array.from({ length: 10 }, (_, index) => ({
    at: index,
    type: 'read',
    key: index % 2 === 0 ? 'even' : 'odd',
  }))
  const all = timelines(readJournals([journal('M', many)]).entries, { last: 3 })
  expect(all.map(({ key, left, lanes }) => ({ key, left, marks: lanes[0]?.marks.length }))).toEqual([
    { key: 'even', left: 2, marks: 3 },
    { key: 'odd', left: 2, marks: 3 },
  ])
})
