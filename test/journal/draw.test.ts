import { expect, test } from 'vitest'
import { drawTimeline } from '../../src/journal/draw.ts'
import type { Mark } from '../../src/journal/model.ts'

test('lanes share one scale, and marks are told in order of time over all lanes', () => {
  const drawing = drawTimeline(
    [
      {
        name: 'A',
        spans: [{ kind: 'held', from: 100, to: 105 }],
        marks: [{ at: 105, text: 'wrote 2', kind: 'write' }],
      },
      {
        name: 'worker B',
        spans: [
          { kind: 'waiting', from: 100, to: 105 },
          { kind: 'held', from: 105, to: 110 },
        ],
        marks: [{ at: 101, text: 'asked', kind: 'moment' }],
      },
    ],
    { width: 11, indent: '' },
  )
  expect(drawing).toEqual([
    '          0   10.0 ms',
    'A         ━━━━━2',
    'worker B  ·1···━━━━━━',
    '          ··· waiting   ━━━ holding',
    '1  1.0 ms  worker B  asked',
    '2  5.0 ms  A         wrote 2',
  ])
})

test('two marks at one place are drawn beside each other, and a single instant has a scale', () => {
  const marks: Mark[] = [
    { at: 5, text: 'read', kind: 'read' },
    { at: 5, text: 'wrote', kind: 'write' },
  ]
  const [, lane] = drawTimeline([{ name: 'A', spans: [], marks }], { width: 10, indent: '' })
  expect(lane).toBe('A  1 2')
})

test('nothing happened: nothing is drawn', () => {
  expect(drawTimeline([])).toEqual([])
  expect(drawTimeline([{ name: 'A', spans: [], marks: [] }])).toEqual([])
})
