/**
 * A statement cut at its placeholders, for clients that want others than the database's own. Texts, names and comments
 * in it are left alone.
 */
import { ConfigurationError } from '../../base/errors.ts'
import type { Dialect } from '../transaction.ts'

export interface Pieces {
  /** One more than values. */
  readonly texts: readonly string[]
  /** In the order in which they stand in the text. */
  readonly values: readonly unknown[]
}

const QUOTED = [/"(?:[^"]|"")*"/, /`(?:[^`]|``)*`/, /--[^\n]*/, /\/\*[^]*?\*\//].map(({ source }) => source)
const NUMBERED = new RegExp(
  [...QUOTED, /'(?:[^']|'')*'/.source, /\$\$[^]*?\$\$/.source, /\$(\d+)/.source].join('|'),
  'g',
)
const PLAIN: Readonly<Record<'mysql' | 'sqlite', RegExp>> = {
  mysql: new RegExp([...QUOTED, /'(?:[^'\\]|''|\\[^])*'/.source, /(\?)/.source].join('|'), 'g'),
  sqlite: new RegExp([...QUOTED, /'(?:[^']|'')*'/.source, /(\?)/.source].join('|'), 'g'),
}

/** @throws ConfigurationError  a placeholder without a value */
export function pieces(dialect: Dialect, text: string, values: readonly unknown[]): Pieces {
  const texts: string[] = []
  const taken: unknown[] = []
  let from = 0
  for (const match of text.matchAll(dialect === 'postgres' ? NUMBERED : PLAIN[dialect])) {
    const [whole, placeholder] = match
    if (placeholder === undefined) continue
    const place = placeholder === '?' ? taken.length : Number(placeholder) - 1
    if (place >= values.length) throw new ConfigurationError(`The statement has no value for ${whole}: ${text}`)
    texts.push(text.slice(from, match.index))
    taken.push(values[place])
    from = match.index + whole.length
  }
  return { texts: [...texts, text.slice(from)], values: taken }
}
