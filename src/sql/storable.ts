/**
 * A name (of a resource, of an operation) as every database keeps it: two names never share a row.
 *
 * Clients cut text at a NUL or refuse it, store half a surrogate pair as something else, MySQL takes 'a ' for 'a', and
 * indexes bear only so many bytes. So such names are kept as JSON, and long ones by their digest.
 */
import { createHash } from 'node:crypto'

const ODD = /[\0\p{Surrogate}]| $/u
const ESCAPED = /^(json|sha256):/
/** Of UTF-16 units, so at most 1,536 bytes. */
const LONGEST = 512
const SHOWN = 100

export function storable(name: string): string {
  const kept = ODD.test(name) || ESCAPED.test(name) ? `json:${JSON.stringify(name)}` : name
  if (kept.length <= LONGEST) return kept
  // JSON, since its first characters may end in the middle of one.
  const digest = createHash('sha256').update(kept).digest('hex')
  return `sha256:${digest}:${JSON.stringify(kept.slice(0, SHOWN))}`
}
