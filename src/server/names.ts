/**
 * What a key is called at the store, where clients of several namespaces share it. A key without a namespace is called
 * as it is, so that the store's own `holdfast ls` shows it so.
 *
 * In front of the others stands a letter that no key in normal form has (the angstrom sign: its normal form is another
 * letter), and a length that keeps namespace "a" with key "bc" from meeting namespace "ab" with key "c". So no two ever
 * meet.
 */
import { InvalidKeyError } from '../base/errors.ts'
import { normalKey } from '../base/key.ts'

export interface Named {
  readonly namespace: string
  readonly key: string
}

const MARK = '\u212b'
const FORM = new RegExp(`^${MARK}(\\d+):`)
const MAX_BYTES = 1_024

/** @throws InvalidKeyError  no key, or too long together with its namespace */
export function nameOf({ namespace, key }: Named): string {
  const name = frontOf(namespace) + normalKey(key)
  const bytes = Buffer.byteLength(name)
  if (bytes <= MAX_BYTES) return name
  throw new InvalidKeyError(
    `The key "${key.slice(0, 32)}..." and its namespace have ${bytes} bytes; over HTTP both together may have ${MAX_BYTES}.`,
  )
}

/** Of all keys of the namespace that begin so. */
export function prefixOf({ namespace, prefix }: { readonly namespace: string; readonly prefix: string }): string {
  return frontOf(namespace) + prefix
}

export function namedBy(name: string): Named {
  const [front, length] = FORM.exec(name) ?? []
  if (front === undefined) return { namespace: '', key: name }
  const end = front.length + Number(length)
  return { namespace: name.slice(front.length, end), key: name.slice(end) }
}

function frontOf(namespace: string): string {
  return namespace === '' ? '' : `${MARK}${namespace.length}:${namespace}`
}
