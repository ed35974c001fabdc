/**
 * No import leads back to where it came from. Imports of types count: a reader follows them too, and the linter does
 * not.
 */
import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { filesOf, importsOf } from './sources.ts'

type Imports = ReadonlyMap<string, readonly string[]>

const imports: Imports = new Map(
  filesOf('src/', 'test/', 'bench/', 'scripts/')
    .filter(({ path }) => /\.(ts|mjs)$/.test(path))
    .map(({ path, text }) => [
      path,
      importsOf(text)
        .filter(({ specifier, lazy }) => specifier.startsWith('.') && !lazy)
        .map(({ specifier }) => posix.join(posix.dirname(path), specifier)),
    ]),
)

/** The first circle that is met, as the way round it; null: there is none. */
function circleIn(graph: Imports): readonly string[] | null {
  const done = new Set<string>()
  function follow(path: string, way: readonly string[]): readonly string[] | null {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path]
    if (done.has(path)) return null
    for (const next of graph.get(path) ?? []) {
      const circle = follow(next, [...way, path])
      if (circle !== null) return circle
    }
    done.add(path)
    return null
  }
  for (const path of graph.keys()) {
    const circle = follow(path, [])
    if (circle !== null) return circle
  }
  return null
}

test('no file imports itself by way of others', () => {
  expect(imports.size).toBeGreaterThan(200)
  expect(imports.get('src/core/acquire.ts')).toContain('src/core/attempt.ts')
  expect(circleIn(imports)).toBeNull()
})

test('the check itself sees a circle', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', []],
    ['d', ['b']],
  ])
  expect(circleIn(graph)).toEqual(['b', 'd', 'b'])
})
