import { expect, test } from 'vitest'
import { count, mean, percentile, showMs } from '../../src/lab/figures.ts'
import { paragraph, table } from '../../src/lab/table.ts'

test('figures stand to the right, words to the left, and a missing cell is empty', () => {
  const rows = [['none', '7'], ['row-lock', '1234'], ['x']]
  expect(table([{ title: 'way' }, { title: 'errors', figures: true }], rows, '')).toEqual([
    'way       errors',
    'none           7',
    'row-lock    1234',
    'x',
  ])
})

test('a paragraph breaks at spaces only, and keeps a word that is longer than the line', () => {
  expect(paragraph('one two  three\nunbreakable-and-long', '> ', 11)).toEqual([
    '> one two',
    '> three',
    '> unbreakable-and-long',
  ])
  expect(paragraph('   ')).toEqual([])
})

test('of nothing there is no average and no percentile, rather than a zero', () => {
  expect(mean([])).toBeNull()
  expect(percentile([], 0.99)).toBeNull()
  expect(showMs(null)).toBe('-')
})

test('a percentile is a value that was measured, by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(percentile(hundred, 0.99)).toBe(99)
  expect(percentile(hundred, 0.5)).toBe(50)
  expect(percentile([3], 0.99)).toBe(3)
  expect(percentile([2, 1], 0)).toBe(1)
})

test('amounts agree with their nouns', () => {
  expect([0, 1, 2].map(amount => count(amount, 'inconsistency', 'inconsistencies'))).toEqual([
    '0 inconsistencies',
    '1 inconsistency',
    '2 inconsistencies',
  ])
})
