/** What somebody probably meant who mistyped a word: by edit distance (Levenshtein), at most two letters off. */

const MOST_OFF = 2

/** " Did you mean employee?", or nothing if no word is near. */
export function meant(typed: string, words: readonly string[]): string {
  const [nearest] = words
    .map(word => ({ word, off: distance(typed.toLowerCase(), word) }))
    .filter(({ word, off }) => off <= MOST_OFF && off < word.length / 2)
    .toSorted((a, b) => a.off - b.off)
  return nearest === undefined ? '' : ` Did you mean ${nearest.word}?`
}

/** Letters to add, leave out or change. Row by row of the table; each row is that of one more letter of `a`. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [line, letter] of [...a].entries()) {
    const next = [line + 1]
    for (const [column, other] of [...b].entries()) {
      const changed = (row[column] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(changed, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
