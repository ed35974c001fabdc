/**
 * The files of the project as the tidy tests read them: committed or about to be, never what was built or installed.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Source {
  /** From the root of the project, with slashes. */
  readonly path: string
  readonly text: string
}

const BINARY = /\.(png|jpg|gif|woff2?|ico|cast|db)$/

/** All text files that start with one of `folders` ('' is all), ignored ones left out. */
export function filesOf(...folders: readonly string[]): readonly Source[] {
  return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\0')
    .filter(path => path !== '' && !BINARY.test(path) && folders.some(folder => path.startsWith(folder)))
    .filter(path => statSync(root + path, { throwIfNoEntry: false })?.isFile() === true)
    .map(path => ({ path, text: readFileSync(root + path, 'utf8') }))
}

/** The TypeScript of the library. Never empty: a test over nothing would pass. */
export function librarySources(): readonly Source[] {
  const sources = filesOf('src/').filter(({ path }) => path.endsWith('.ts'))
  if (sources.length < 10)
    throw new Error(`only ${sources.length} files in src: the tidy tests look at the wrong place`)
  return sources
}

export function exists(path: string): boolean {
  return existsSync(root + path)
}

export function read(path: string): string {
  return readFileSync(root + path, 'utf8')
}

const STRING_OR_COMMENT = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[^]*?\*\//g

/** The code without its comments; its lines stay where they are. */
export function withoutComments(text: string): string {
  return text.replace(STRING_OR_COMMENT, found => (/^\/[/*]/.test(found) ? found.replace(/[^\n]/g, ' ') : found))
}

/** The code without comments and texts. */
export function codeOnly(text: string): string {
  return text.replace(STRING_OR_COMMENT, found => found.replace(/[^\n]/g, ' '))
}

export interface Import {
  readonly specifier: string
  /** `import()`: loaded when it is needed. */
  readonly lazy: boolean
}

export function importsOf(text: string): readonly Import[] {
  const found = withoutComments(text).matchAll(/(?:\bfrom\s+|^import\s+|\bimport\s*(\()\s*)'([\w@./:-]+)'/gm)
  return [...found].map(([, lazy, specifier = '']) => ({ specifier, lazy: lazy !== undefined }))
}

/** "path:line  text" of every line that matches. */
export function linesThat(sources: readonly Source[], pattern: RegExp): readonly string[] {
  return sources.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}  ${line.trim().slice(0, 100)}`] : [])),
  )
}
