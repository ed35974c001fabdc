import { expect, test } from 'vitest'
import { linesOf } from '../../../src/cli/run/lines.ts'

test('lines come whole, in whatever pieces they arrive', () => {
  const heard: string[] = []
  const hear = linesOf(line => heard.push(line))
  for (const piece of ['on', 'e\ntw', 'o\n', '\nrest']) hear(piece)
  expect(heard).toEqual(['one', 'two', ''])
})
