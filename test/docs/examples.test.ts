/**
 * What the documentation shows compiles against the package as users get it, and what it says that it prints is what it
 * prints.
 *
 * Every ```ts block of README.md, docs and the doc comments of src is a module of its own and is type-checked. It may
 * use `locks`, `lease`, `tx` and `signal` without saying where they come from, and functions that stand for the
 * reader's own work (WORK below). A block whose first line is `// runs` is executed as well, in an empty folder and
 * with a state folder of its own; it must end well, write nothing to stderr, and print exactly its `// prints: ...`
 * comments, if it has any.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blocksOf, documents, ROOT } from './blocks.ts'
import type { Block } from './blocks.ts'

/** The reader's own work, by names that say what it is. */
const WORK = ['refreshPrices', 'writeInvoice', 'writeReport']

/** What only some users have. It takes a minute to compile, so it is not installed here. */
const ABSENT = `
declare module 'better-sqlite3' {
  const Database: new (path: string) => import('holdfast/sqlite').DatabaseLike
  export default Database
}
`

const GLOBALS = `
import type { Lease, Locks } from 'holdfast'
import type { SqlTransaction } from 'holdfast/sql'
declare global {
  const locks: Locks
  const lease: Lease
  const tx: SqlTransaction
  const signal: AbortSignal
  ${WORK.map(name => `function ${name}(...values: unknown[]): Promise<void>`).join('\n  ')}
}
`

const folder = mkdtempSync(join(tmpdir(), 'holdfast-docs-'))
const blocks = documents().flatMap(document => blocksOf(document))
const running = blocks.filter(block => block.runs)

/** docs/guide.md, line 30 -> docs-guide-30.ts */
function fileOf(block: Block, extension: string): string {
  return `${block.document.replace(/\.md$/, '').replaceAll(/[^\w]+/g, '-')}-${block.line}.${extension}`
}

/** A project as a user has it: holdfast and what it is developed with in node_modules. */
function layOut(): void {
  const declared: { readonly dependencies: object; readonly devDependencies: object } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  )
  for (const name of [...Object.keys(declared.dependencies), ...Object.keys(declared.devDependencies)])
    link(join(ROOT, 'node_modules', name), name)
  link(ROOT, 'holdfast')
  write('package.json', JSON.stringify({ private: true, type: 'module' }))
  const compilerOptions = {
    noEmit: false,
    allowImportingTsExtensions: false,
    outDir: 'out',
    rootDir: '.',
    noUnusedLocals: false,
    noUnusedParameters: false,
  }
  write('tsconfig.json', JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }))
  write('globals.d.ts', GLOBALS)
  write('absent.d.ts', ABSENT)
  // So many empty lines in front that an error is told at the document's own line.
  for (const block of blocks) write(fileOf(block, 'ts'), `${'\n'.repeat(block.line - 1)}${block.code}\nexport {}\n`)
}

function link(target: string, name: string): void {
  const path = join(folder, 'node_modules', name)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(target, path)
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

let problems = ''
beforeAll(() => {
  layOut()
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  problems = spawnSync(process.execPath, [compiler, '-p', folder, '--pretty', 'false'], {
    encoding: 'utf8',
    cwd: folder,
  }).stdout
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('there are examples to check, and some that run', () => {
  expect(blocks.length).toBeGreaterThan(10)
  expect(running.length).toBeGreaterThan(3)
})

describe('type-checks', () => {
  test.each(blocks.map(block => [`${block.document}:${block.line}`, block] as const))('%s', (_name, block) => {
    expect(problems.split('\n').filter(line => line.startsWith(`${fileOf(block, 'ts')}(`))).toEqual([])
  })

  test('and nothing is wrong beside the examples', () => {
    expect(
      problems
        .split('\n')
        .filter(line => line !== '' && !blocks.some(block => line.startsWith(`${fileOf(block, 'ts')}(`))),
    ).toEqual([])
  })
})

describe('runs', () => {
  test.each(running.map(block => [`${block.document}:${block.line}`, block] as const))('%s', (_name, block) => {
    const cwd = mkdtempSync(join(folder, 'run-'))
    const env = { ...process.env, HOLDFAST_STORE: '', NODE_ENV: '', XDG_STATE_HOME: cwd }
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'out', fileOf(block, 'js'))], {
      encoding: 'utf8',
      cwd,
      env,
      timeout: 20_000,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    if (block.prints !== null) expect(stdout.trimEnd().split('\n')).toEqual(block.prints)
  })
})

test('a block that is never closed is an error, not a document without examples', () => {
  expect(() => blocksOf('x.md', 'text\n```ts\nconst a = 1\n')).toThrow('x.md')
  expect(blocksOf('x.md', '- list\n  ```ts\n  // runs\n  console.log(1) // prints: 1\n  ```\n')).toMatchObject([
    { line: 3, runs: true, prints: ['1'] },
  ])
})
