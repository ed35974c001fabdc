/** How things look to people: keys and holders on one line, tables in columns, emphasis only where it can be seen. */
import { humanMs } from './duration.ts'
import type { TicketView } from './view.ts'

/** Text that comes from others (keys, holders, reasons) must not move the cursor or forge a line. */
export function plain(text: string): string {
  return /[\p{C}\p{Z}]/u.test(text.replaceAll(' ', ''))
    ? JSON.stringify(text).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped)
    : text
}

function escaped(character: string): string {
  return [...Array(character.length).keys()]
    .map(index => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('')
}

/** held by HOST:PID for 3 s */
export function heldBy(holders: readonly TicketView[]): string {
  const [first, ...others] = holders
  if (first === undefined) return 'held by somebody else'
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return `held by ${plain(first.holder)} for ${humanMs(first.sinceMs)}${more}`
}

/** "1 raise", "2 raises". */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : many}`
}

/** JSON for programs, with whole milliseconds. */
export function json(value: unknown, indent = 0): string {
  return JSON.stringify(
    value,
    (name, field: unknown) => (name.endsWith('Ms') && typeof field === 'number' ? Math.round(field) : field),
    indent,
  )
}

/** Columns under their heads, two blanks between. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  options: { readonly bold: boolean },
): string {
  const widths = heads.map((head, column) => Math.max(width(head), ...rows.map(row => width(row[column] ?? ''))))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
      .join('  ')
      .trimEnd()
  const head = line(heads)
  return [options.bold ? `\x1b[1m${head}\x1b[22m` : head, ...rows.map(line)].join('\n')
}

/** True if emphasis is seen and wanted (https://no-color.org). */
export function hasEmphasis(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
}

const WIDE =
  /\p{Emoji_Presentation}|[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\uff01-\uff60]/u

/** In cells of a terminal, near enough. */
function width(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let cells = 0
  for (const { segment } of new Intl.Segmenter().segment(text)) cells += WIDE.test(segment) ? 2 : 1
  return cells
}
