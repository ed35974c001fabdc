/**
 * Options that nobody knows are refused: from JavaScript a mistyped name would pass in silence, and its default with
 * it.
 */
import { ConfigurationError } from './errors.ts'

/** The names that there are, as keys: the compiler checks that none is missing or too many. */
export type Known<Options> = Readonly<Record<keyof Options & string, true>>

/** @throws ConfigurationError  not an object, or one with a name that `known` has not; says which it may have been */
export function refuseUnknown(options: object, known: Readonly<Record<string, true>>, of: string): void {
  if (typeof options !== 'object' || options === null)
    throw new ConfigurationError(`The options of ${of} must be an object, not ${String(options)} (${typeof options}).`)
  for (const name in options) {
    if (known[name] === true) continue
    throw new ConfigurationError(`${of} has no option "${name}"${instead(name, Object.keys(known))}`)
  }
}

/** What was probably meant, else all there is. Ends a sentence. */
export function instead(name: string, names: readonly string[]): string {
  const [nearest] = names
    .map(other => ({ other, far: distance(name.toLowerCase(), other.toLowerCase()) }))
    .toSorted((a, b) => a.far - b.far)
  return nearest !== undefined && nearest.far <= Math.max(1, name.length / 3)
    ? `: did you mean "${nearest.other}"?`
    : `: there are ${names.join(', ')}.`
}

/**
 * Letters to put in, take out, exchange with another or with the neighbour (Damerau 1964, in Wagner and Fischer's
 * table).
 */
function distance(one: string, other: string): number {
  const rows: number[][] = [[...Array(other.length + 1).keys()]]
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Infinity
  for (let row = 1; row <= one.length; row += 1) {
    rows.push([row])
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1
      const turned = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      rows[row]?.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + same,
          turned ? at(row - 2, column - 2) + 1 : Infinity,
        ),
      )
    }
  }
  return at(one.length, other.length)
}
