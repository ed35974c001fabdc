/** The examples of the documentation and of doc comments, each as a program of its own. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { librarySources } from '../tidy/sources.ts'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Block {
  /** Such as docs/guide.md. */
  readonly document: string
  /** Of its first line of code. */
  readonly line: number
  readonly code: string
  /** Its first line is `// runs`: it is executed, too. */
  readonly runs: boolean
  /** The text of its `// prints: ...` comments, which must be what it prints; null: it has none. */
  readonly prints: readonly string[] | null
}

export function documents(): readonly string[] {
  const inDocs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  const pages = ['README.md', ...inDocs.map(name => `docs/${name}`)].filter(name => name.endsWith('.md'))
  return [
    ...pages.toSorted(),
    ...librarySources().flatMap(({ path, text }) => (text.includes('@example') ? [path] : [])),
  ]
}

/** What stands between ```ts and ```. Indented blocks, as in lists, count as well, and those of doc comments. */
export function blocksOf(document: string, given = readFileSync(join(ROOT, document), 'utf8')): readonly Block[] {
  const text = document.endsWith('.ts') ? given.replaceAll(/^ *\* ?/gm, '') : given
  const blocks: Block[] = []
  let open: { readonly line: number; readonly lines: string[] } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    if (open === undefined) {
      if (/^\s*```ts\s*$/.test(line)) open = { line: index + 2, lines: [] }
    } else if (/^\s*```\s*$/.test(line)) {
      blocks.push(blockOf(document, open.line, open.lines))
      open = undefined
    } else open.lines.push(line)
  }
  if (open !== undefined)
    throw new Error(`${document}: the block that begins before line ${open.line} is never closed.`)
  return blocks
}

function blockOf(document: string, line: number, lines: readonly string[]): Block {
  const prints = lines.flatMap(text => /\/\/ prints: (.*)$/.exec(text)?.[1] ?? [])
  return {
    document,
    line,
    code: lines.join('\n'),
    runs: lines[0]?.trim() === '// runs',
    prints: prints.length === 0 ? null : prints,
  }
}
