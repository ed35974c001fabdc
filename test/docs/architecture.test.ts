/** docs/architecture.md names files that are there and has the arrows that are checked. */
import { expect, test } from 'vitest'
import { exists, read } from '../tidy/sources.ts'
import { MAY_IMPORT } from '../tidy/layers.ts'

const page = read('docs/architecture.md')

test('every file named in it exists', () => {
  const named = [...page.matchAll(/[\w-]+(?:\/[\w-]+)+(?:\.\w+)*\.ts/g)].map(([path]) => path)
  expect(named.length).toBeGreaterThan(30)
  expect(named.filter(path => !exists(path.startsWith('test/') ? path : `src/${path}`))).toEqual([])
})

test('its arrows are those that every import is held to', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| ([\w, ]+) \|/gm)].map(([, part = '', may = '']) => [
    part,
    may === 'nothing' ? '' : may,
  ])
  const table = Object.entries(MAY_IMPORT).map(([part, may]) => [
    part,
    may.join(', ').replace('drivers, lazily', 'drivers lazily'),
  ])
  expect(rows).toEqual(table)
})
