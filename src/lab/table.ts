/** Tables as plain text: readable in a terminal, in a log and in a bug report alike. */

export interface Column {
  readonly title: string
  /** Figures go to the right, words (the default) to the left. */
  readonly figures?: boolean
}

/** One line for the titles and one a row. Columns are as wide as their widest cell; a missing cell is empty. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], indent = '  '): string[] {
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map(row => (row[index] ?? '').length)),
  )
  const line = (cells: readonly string[]): string => {
    const padded = columns.map((column, index) => {
      const cell = cells[index] ?? ''
      const width = widths[index] ?? 0
      return column.figures === true ? cell.padStart(width) : cell.padEnd(width)
    })
    return (indent + padded.join('  ')).trimEnd()
  }
  return [line(columns.map(column => column.title)), ...rows.map(line)]
}

/** A paragraph broken at spaces, so that it reads well in a terminal of ordinary width. */
export function paragraph(words: string, indent = '  ', width = 100): string[] {
  const lines: string[] = []
  let line = indent
  for (const word of words.split(/\s+/).filter(part => part !== '')) {
    if (line !== indent && line.length + 1 + word.length > width) {
      lines.push(line)
      line = indent
    }
    line += line === indent ? word : ` ${word}`
  }
  return line === indent ? lines : [...lines, line]
}

/** A heading under a line of its own length. */
export function heading(title: string): string[] {
  return ['', title, '-'.repeat(title.length)]
}

/** A heading, and texts under it with an empty line between them. */
export function paragraphs(title: string, texts: readonly string[]): string[] {
  return [...heading(title), ...texts.flatMap((words, index) => [...(index === 0 ? [] : ['']), ...paragraph(words)])]
}
