/** The examples of docs/sql.md that need a client: the `js` blocks, and the `sql` ones, by their headings. */
import { readFileSync } from 'node:fs'

const PAGE = readFileSync(new URL('../../docs/sql.md', import.meta.url), 'utf8')

/** All blocks of a language under a heading, of any depth. */
export function blocksUnder(heading: string, language: string): readonly string[] {
  const [, section = ''] = PAGE.split(new RegExp(`^#{2,3} ${heading.replace('.', '\\.')}\\n`, 'm'))
  const [own = ''] = section.split(/^#{2,3} /m)
  const found = [...own.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, code = '']) => code)
  if (found.length === 0) throw new Error(`docs/sql.md has no ${language} under "${heading}"`)
  return found
}

/** Runs a block with what it names; what it imports must be among that. Gives what it exports. */
export async function run(code: string, names: Readonly<Record<string, unknown>>): Promise<unknown> {
  const imported = [...code.matchAll(/^import \{ (.*) \} from .*$/gm)].flatMap(([, list = '']) => list.split(', '))
  const missing = imported.filter(name => !(name in names))
  if (missing.length > 0) throw new Error(`the test gives no ${missing.join(', ')}`)
  const exported = /^export (?:const|async function) (\w+)/m.exec(code)?.[1] ?? 'undefined'
  const body = code.replaceAll(/^import .*$/gm, '').replaceAll(/^export /gm, '')
  const { default: make } = await import(
    `data:text/javascript,export default ${encodeURIComponent(
      `async ({ ${Object.keys(names).join(', ')} }) => { ${body}\nreturn ${exported} }`,
    )}`
  )
  return make(names)
}
