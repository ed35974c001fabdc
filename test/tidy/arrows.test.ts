/** Which part of the library may know which: every import is one that layers.ts allows. */
import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MAY_IMPORT } from './layers.ts'
import { importsOf, librarySources } from './sources.ts'

/** A driver that talks to the servers of another uses its connections, but not the driver itself. */
const BUILT_ON: Readonly<Record<string, RegExp>> = { redlock: /^src\/drivers\/redis\// }

/** How a driver is found, which loads nothing of it. */
const OPENING = /^src\/drivers\/(?!shared\/)[^/]+\/opening\.ts$/
/** What it looks like: types. */
const FORM_OF_OPENINGS = 'src/drivers/shared/opening.ts'

/** Packages from outside, and the only places that know them. All others are told by their shape. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  commander: /^src\/(cli\/|lab\/command\.ts$)/,
  '@photostructure/sqlite': /^src\/drivers\/sqlite/,
  // Its types only.
  'fast-check': /^src\/conformance\/model\/stories\.ts$/,
}
/** The user's own packages: optional, so loaded only when they are asked for. */
const LAZY_PACKAGES: Readonly<Record<string, RegExp>> = {
  ioredis: /^src\/drivers\/redis/,
  iovalkey: /^src\/drivers\/redis/,
  redis: /^src\/drivers\/redis/,
  mysql2: /^src\/drivers\/mysql/,
  'mysql2/promise': /^src\/lab\/databases\/mysql/,
  'better-sqlite3': /^src\/drivers\/sqlite/,
  mongodb: /^src\/drivers\/mongodb/,
  pg: /^src\/(drivers|lab\/databases)\/postgres/,
  postgres: /^src\/drivers\/postgres/,
  'fast-check': /^src\/conformance\/model\/model-test\.ts$/,
}

function layerOf(path: string): string {
  const [, first = '', ...rest] = path.split('/')
  if (rest.length > 0) return first
  return first.slice(0, -3)
}

/** src/drivers/redis.ts and src/drivers/redis/ are one driver; shared/ belongs to all. */
function driverOf(path: string): string {
  return /^src\/drivers\/([^/.]+)/.exec(path)?.[1] ?? ''
}

function allowed(from: string, to: string, lazy: boolean): boolean {
  const layer = layerOf(from)
  const target = layerOf(to)
  const may = MAY_IMPORT[layer] ?? []
  if (layer === 'drivers' && target === 'drivers')
    return [driverOf(from), 'shared'].includes(driverOf(to)) || BUILT_ON[driverOf(from)]?.test(to) === true
  if (layer === target || may.includes(target)) return true
  if (target === 'drivers')
    return may.includes('drivers, lazily') && (lazy || OPENING.test(to) || to === FORM_OF_OPENINGS)
  return target === 'lab' && /^src\/cli\/commands\/lab\.ts$/.test(from)
}

const sources = librarySources()
const arrows = sources.flatMap(({ path, text }) =>
  importsOf(text).map(({ specifier, lazy }) => ({ from: path, specifier, lazy })),
)
const inner = arrows
  .filter(({ specifier }) => specifier.startsWith('.'))
  .map(arrow => ({ ...arrow, to: posix.join(posix.dirname(arrow.from), arrow.specifier) }))
const outer = arrows.filter(({ specifier }) => !specifier.startsWith('.'))

describe('arrows between layers', () => {
  test('there are arrows to check, and every folder of src is a layer', () => {
    expect(inner.length).toBeGreaterThan(50)
    expect(outer.length).toBeGreaterThan(10)
    expect([...new Set(sources.map(({ path }) => layerOf(path)))].filter(layer => !(layer in MAY_IMPORT))).toEqual([])
  })

  test('every import is one that the table allows', () => {
    const wrong = inner.filter(({ from, to, lazy }) => !allowed(from, to, lazy))
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([])
  })

  test('packages are known only where they belong, and clients of the user are loaded lazily', () => {
    const wrong = outer.filter(({ from, specifier, lazy }) => {
      if (specifier.startsWith('node:')) return false
      if (lazy && LAZY_PACKAGES[specifier]?.test(from) === true) return false
      return PACKAGES[specifier]?.test(from) !== true
    })
    expect(wrong.map(({ from, specifier, lazy }) => `${from} -> ${specifier}${lazy ? ' (lazily)' : ''}`)).toEqual([])
  })

  test('how a driver is found loads nothing of it', () => {
    const openings = inner.filter(({ from, lazy }) => OPENING.test(from) && !lazy)
    expect(openings.length).toBeGreaterThan(3)
    expect([...new Set(openings.map(({ to }) => to))]).toEqual([FORM_OF_OPENINGS])
  })

  test('the check itself sees a wrong arrow', () => {
    expect(allowed('src/drivers/redis.ts', 'src/core/acquire.ts', false)).toBe(false)
    expect(allowed('src/drivers/redis.ts', 'src/drivers/sqlite/table.ts', false)).toBe(false)
    expect(allowed('src/drivers/redlock.ts', 'src/drivers/redis.ts', false)).toBe(false)
    expect(allowed('src/core/acquire.ts', 'src/drivers/memory.ts', true)).toBe(false)
    expect(allowed('src/open.ts', 'src/drivers/memory.ts', false)).toBe(false)
    expect(allowed('src/open.ts', 'src/drivers/memory/opening.ts', false)).toBe(true)
    expect(allowed('src/locks/locks.ts', 'src/lab/table.ts', false)).toBe(false)
    expect(allowed('src/cli/run/run.ts', 'src/lab/table.ts', false)).toBe(false)
    expect(
      importsOf(
        "// from './a.ts'\nimport {\n  b,\n} from './b.ts'\nexport * from './c.ts'\nconst d = await import('./d.ts')\nimport './e.ts'",
      ),
    ).toEqual([
      { specifier: './b.ts', lazy: false },
      { specifier: './c.ts', lazy: false },
      { specifier: './d.ts', lazy: true },
      { specifier: './e.ts', lazy: false },
    ])
  })
})
