/** What every file and every driver owes the reader. */
import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exists, filesOf, librarySources, linesThat, read } from './sources.ts'

/** A file has one subject, read in one sitting. */
const MAX_LINES = 400
const MAX_COLUMNS = 120
/** In quotes, or a regular expression with a line of its own. */
const TEXT = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|^\s*\/.*\/\w*,?$/g

/** So has an experiment; what it needs beyond that other experiments will need too, and belongs to the machinery. */
const EXPERIMENT = { files: 3, bytes: 12 * 1024 }

const { exports, peerDependencies, peerDependenciesMeta, files } = packageJson()
const drivers = librarySources().flatMap(({ path }) => /^src\/drivers\/([a-z-]+)\.ts$/.exec(path)?.[1] ?? [])

interface PackageJson {
  readonly exports: ReadonlyMap<string, unknown>
  readonly peerDependencies: ReadonlyMap<string, unknown>
  readonly peerDependenciesMeta: ReadonlyMap<string, unknown>
  readonly files: unknown
}

function packageJson(): PackageJson {
  const fields = entriesOf(JSON.parse(read('package.json')))
  return {
    exports: entriesOf(fields.get('exports')),
    peerDependencies: entriesOf(fields.get('peerDependencies')),
    peerDependenciesMeta: entriesOf(fields.get('peerDependenciesMeta')),
    files: fields.get('files'),
  }
}

function entriesOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])
}

/** A message or a pattern may be longer than a line. What stands around it may not, nor may a comment. */
function isTooLong(line: string): boolean {
  if (line.length <= MAX_COLUMNS) return false
  if (/^\s*(\/\/|\/?\*|#|--)/.test(line)) return true
  return line.replace(TEXT, '').length > MAX_COLUMNS / 2
}

describe('a driver', () => {
  test('there are drivers', () => {
    expect(drivers).toContain('memory')
    expect(drivers).toContain('sqlite')
  })

  test.each(drivers)('%s is held to the conformance suite', driver => {
    const suites = filesOf('test/drivers/').filter(
      ({ path, text }) =>
        path.startsWith(`test/drivers/${driver}`) && path.endsWith('.test.ts') && text.includes('describeStore'),
    )
    expect(suites.length).toBeGreaterThan(0)
  })

  test.each(drivers)('%s has an import path of its own', driver => {
    expect(exports.get(`./${driver}`)).toBe(`./dist/drivers/${driver}.js`)
  })

  test.each(drivers)('%s has a page with the parts that each page has, and the index links to it', driver => {
    const page = read(`docs/drivers/${driver}.md`)
    const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    expect(headings).toEqual(expect.arrayContaining(['Use', 'Guarantee', 'How it works', 'Options', 'Limits']))
    expect(read('docs/README.md')).toContain(`drivers/${driver}.md`)
  })

  test.each(drivers)('%s opens with its design and its guarantee', driver => {
    const header = /^\/\*\*[^]*?\*\//.exec(read(`src/drivers/${driver}.ts`))?.[0] ?? ''
    expect(header).toContain('Guarantee:')
  })
})

describe('an experiment', () => {
  const FOLDER = 'src/lab/experiments/'
  const parts = filesOf(FOLDER).map(({ path, text }) => ({ name: path.slice(FOLDER.length).split('/'), text }))
  const names = [...new Set(parts.filter(({ name }) => name.length > 1).map(({ name: [first = ''] }) => first))]

  test('there are experiments', () => {
    expect(names).toContain('employee')
    expect(parts.filter(({ name }) => name.length === 1).map(({ name }) => name.join('/'))).toEqual(['index.ts'])
  })

  test.each(names)(`%s is at most ${EXPERIMENT.files} files of ${EXPERIMENT.bytes} bytes in all`, experiment => {
    const own = parts.filter(({ name: [first] }) => first === experiment)
    expect(own.length).toBeLessThanOrEqual(EXPERIMENT.files)
    expect(own.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)).toBeLessThanOrEqual(EXPERIMENT.bytes)
  })
})

describe('the package', () => {
  test('every export is a file after the build, with types beside it', () => {
    expect(exports.size).toBeGreaterThan(1)
    const targets = [...exports.values()].map(String)
    expect(targets.filter(target => !exists(target))).toEqual([])
    expect(targets.filter(target => target.endsWith('.js') && !exists(target.replace(/\.js$/, '.d.ts')))).toEqual([])
  })

  test('clients are optional: nobody must install one to use another', () => {
    const optional = [...peerDependenciesMeta]
      .filter(([, meta]) => entriesOf(meta).get('optional') === true)
      .map(([name]) => name)
    expect([...peerDependencies.keys()].toSorted()).toEqual(optional.toSorted())
  })

  test('what is published is there', () => {
    expect(files).toEqual(expect.arrayContaining(['dist']))
    for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md']) expect(exists(path)).toBe(true)
  })

  // `npm ci` refuses a lock file that leaves out the programs of other platforms, and a registry that lacks some makes
  // npm write such a one.
  test('the lock file has the optional parts of its packages for every platform', () => {
    const packages = entriesOf(entriesOf(JSON.parse(read('package-lock.json'))).get('packages'))
    const optional = [...packages.values()].flatMap(entry => [
      ...entriesOf(entriesOf(entry).get('optionalDependencies')).keys(),
    ])
    expect(optional.length).toBeGreaterThan(10)
    expect(optional.filter(name => ![...packages.keys()].some(path => path.endsWith(`node_modules/${name}`)))).toEqual(
      [],
    )
  })

  test('the lock file names no registry', () => {
    expect(linesThat(filesOf('package-lock.json'), /"resolved": "http/)).toEqual([])
  })
})

describe('documentation', () => {
  test('links to files that are there', () => {
    const pages = filesOf('').filter(({ path }) => path.endsWith('.md'))
    const links = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => ({ path, target }))
        .filter(({ target }) => !/^[a-z]+:/.test(target)),
    )
    expect(links.length).toBeGreaterThan(10)
    expect(links.filter(({ path, target }) => !exists(posix.join(posix.dirname(path), target)))).toEqual([])
  })
})

describe('every file', () => {
  test(`of src has at most ${MAX_LINES} lines`, () => {
    const long = librarySources().filter(({ text }) => text.split('\n').length > MAX_LINES + 1)
    expect(long.map(({ path, text }) => `${path}: ${text.split('\n').length - 1}`)).toEqual([])
  })

  test(`has lines of at most ${MAX_COLUMNS} columns, unless one text is what makes it longer`, () => {
    const all = filesOf('src/', 'test/', 'bench/', 'scripts/').filter(({ path }) => !path.endsWith('package-lock.json'))
    expect(all.length).toBeGreaterThan(200)
    const long = all.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (isTooLong(line) ? [`${path}:${index + 1}  ${line.trim()}`] : [])),
    )
    expect(long).toEqual([])
    expect(isTooLong(`  const a = ${'b + '.repeat(30)}c`)).toBe(true)
    expect(isTooLong(`  // ${'word '.repeat(24)}'${'word '.repeat(20)}'`)).toBe(true)
    expect(isTooLong(`  throw new Error('${'word '.repeat(30)}')`)).toBe(false)
  })

  test('of src opens with what it is about', () => {
    expect(
      librarySources()
        .filter(({ text }) => !/^(#!.*\n)?\/(\*\*|\/)/.test(text))
        .map(({ path }) => path),
    ).toEqual([])
  })

  test('leaves nothing for later', () => {
    const word = ['TO', 'DO'].join('')
    const all = filesOf('').filter(({ path }) => path !== 'package-lock.json')
    expect(all.length).toBeGreaterThan(50)
    expect(linesThat(all, new RegExp(`\\b(${word}|FIX${'ME'}|XX${'X'})\\b`))).toEqual([])
  })

  test('works on every machine: no path of one, no mirror of one', () => {
    // What a path looks like that somebody's editor or shell has put in.
    const foreign = new RegExp(
      String.raw`(^|[\s'"(=])/(home|Users|root|work)/\w|[A-Z]:\\Users\\|https?://(localhost|127\.0\.0\.1):\d+/(npm|repository|artifactory)|registry\.npmjs\.org|npm\.pkg\.github\.com`,
    )
    const all = filesOf('').filter(({ path }) => path !== 'package-lock.json' && path !== 'test/tidy/layout.test.ts')
    expect(linesThat(all, foreign)).toEqual([])
  })
})
