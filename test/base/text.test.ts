import { describe, expect, test } from 'vitest'
import { plain, table } from '../../src/base/text.ts'

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
})
