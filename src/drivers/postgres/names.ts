/** Names and lengths of time as the server's functions have them. */

/** A name as SQL text, whatever is in it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Text as SQL text. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** All times are whole microseconds: a token is one. */
export function micros(ms: number): number {
  return Math.min(Math.floor(ms * 1_000), LONGEST_MICROS)
}

/** About a century: nothing that anybody means is longer, and an end so far away is a safe integer. */
const LONGEST_MICROS = 3e15
