/**
 * Keys: any non-empty text of up to 1,024 UTF-8 bytes, in one normal form, so that two ways to write a name meet in one
 * lock.
 */
import { InvalidKeyError } from './errors.ts'

const MAX_BYTES = 1_024
const PLAIN = /^[\x20-\x7e]+$/

/**
 * The key in Unicode's normal form C, which is what every store sees.
 * @throws InvalidKeyError  not a string, empty, over 1,024 bytes, or with a surrogate that has no partner (it has no
 * UTF-8 form)
 */
export function normalKey(key: string): string {
  if (typeof key !== 'string')
    throw new InvalidKeyError(`A key must be a string, not ${key === null ? 'null' : typeof key}.`)
  if (key.length === 0) throw new InvalidKeyError('A key must not be empty.', { key })
  const normal = PLAIN.test(key) ? key : key.normalize('NFC')
  if (!PLAIN.test(key) && !isWellFormed(normal))
    throw new InvalidKeyError('The key holds half of a surrogate pair, so it has no UTF-8 form.', { key })
  const bytes = Buffer.byteLength(normal)
  if (bytes > MAX_BYTES) {
    throw new InvalidKeyError(
      `The key "${normal.slice(0, 32)}..." is ${bytes} bytes long; at most ${MAX_BYTES} are allowed. Hash the long part.`,
      { key },
    )
  }
  return normal
}

function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text
}
