/**
 * Markup in which whatever comes from data is escaped, without anybody having to think of it: `html` escapes every
 * value that is not markup itself, and nothing else makes markup. The same escaping holds for HTML and SVG, in text and
 * in quoted attributes.
 */

const MARKUP = Symbol('markup')

/** Made by `html` only. */
export interface Html {
  readonly [MARKUP]: string
}

/** Lists are put one after the other; null and false are nothing. */
export type Piece = string | number | Html | null | false | readonly Piece[]

export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  const text = parts.map((part, index) => (index === 0 ? part : render(pieces[index - 1] ?? null) + part)).join('')
  return { [MARKUP]: text }
}

/** Text that was written by us and is no data: style and script of a page, which know no escapes. */
export function verbatim(text: string): Html {
  return { [MARKUP]: text }
}

export function markupOf(markup: Html): string {
  return markup[MARKUP]
}

function render(piece: Piece): string {
  if (piece === null || piece === false) return ''
  if (typeof piece === 'number') return String(piece)
  if (typeof piece === 'string') return escape(piece)
  return MARKUP in piece ? piece[MARKUP] : piece.map(render).join('')
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** What no page may contain (most control characters, halves of pairs) becomes the sign for that. */
function escape(text: string): string {
  return text
    .replaceAll(/[^\P{Cc}\t\n]|\p{Surrogate}/gu, '\ufffd')
    .replaceAll(/[&<>"']/g, character => ENTITIES[character] ?? '')
}
