/**
 * What we know to be on a server without asking: what we have written there last, as long as nobody has written since.
 *
 * It is only ever compared with, never believed, and only over the connection by which it was learnt: a server that was
 * started anew counts its writings from the beginning, and another's could have the number of ours.
 */
import type { Link } from './client.ts'

/** A writing: the server's number of it, and over which connection it was told. */
export interface Writing {
  readonly link: Link
  readonly cas: string
}

export interface Known {
  note(name: string, writing: Writing): void
  /** The number, and forgets it: it is good for one comparison. null: there is none for this connection. */
  take(name: string, link: Link): string | null
  forget(name: string): void
}

/** `most`: the oldest goes for one more. */
export function createKnown(most: number): Known {
  const writings = new Map<string, Writing>()
  return {
    note(name, writing) {
      writings.delete(name)
      const [oldest] = writings.size < most ? [] : writings.keys()
      if (oldest !== undefined) writings.delete(oldest)
      writings.set(name, writing)
    },
    take(name, link) {
      const writing = writings.get(name)
      writings.delete(name)
      return writing?.link === link ? writing.cas : null
    },
    forget: name => void writings.delete(name),
  }
}
