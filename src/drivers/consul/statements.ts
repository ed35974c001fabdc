/**
 * What is said to Consul, as data: the names of keys, and the operations of a transaction.
 *
 *   holdfast/nsNAMESPACE/mark/KEY/ID.        this id is forbidden
 *   holdfast/nsNAMESPACE/session/SESSION     its version counts the tickets that a session has had
 *   holdfast/nsNAMESPACE/ticket/KEY/SESSION. a ticket; its place is its CreateIndex
 *   holdfast/nsNAMESPACE/told/KEY/ID.        this ticket was revoked
 *
 * Each is locked by a session that deletes it when it ends. Namespace and key are in hexadecimal, so that one is never
 * a part of another, and a prefix of a key stays one; no name is the beginning of another. A ticket is named by the
 * session that it was made on, which is used again: for a quarter of an hour Consul walks over each name that there was
 * under a prefix to tell when something there has changed.
 */
export interface Operation {
  readonly KV: {
    readonly Verb:
      | 'get'
      | 'get-tree'
      | 'set'
      | 'lock'
      | 'unlock'
      | 'delete'
      | 'delete-cas'
      | 'check-index'
      | 'check-not-exists'
    readonly Key: string
    readonly Value?: string
    readonly Session?: string
    readonly Index?: number
  }
}

export interface Names {
  readonly tickets: (key: string) => string
  /** Of all locks whose key begins so. */
  readonly ticketsOf: (prefix: string) => string
  readonly ticket: (key: string, session: string) => string
  readonly mark: (key: string, id: string) => string
  readonly told: (key: string, id: string) => string
  readonly allTold: string
  readonly session: (session: string) => string
  /** What the name of a ticket, a mark or what was told ends with: a session or an id. null: none of ours. */
  readonly read: (name: string) => { readonly key: string; readonly last: string } | null
}

export function namesIn(namespace: string): Names {
  const base = `holdfast/ns${hex(namespace)}/`
  const tickets = (key: string): string => `${base}ticket/${hex(key)}/`
  const named = (id: string): string => `${Buffer.from(id).toString('base64url')}.`
  return {
    tickets,
    ticketsOf: prefix => `${base}ticket/${hex(prefix)}`,
    ticket: (key, id) => tickets(key) + named(id),
    mark: (key, id) => `${base}mark/${hex(key)}/${named(id)}`,
    told: (key, id) => `${base}told/${hex(key)}/${named(id)}`,
    allTold: `${base}told/`,
    session: session => `${base}session/${session}`,
    read(name) {
      const [, key, last] = name.startsWith(base) ? name.slice(base.length).split('/') : []
      if (key === undefined || last === undefined) return null
      return { key: Buffer.from(key, 'hex').toString(), last: Buffer.from(last.slice(0, -1), 'base64url').toString() }
    },
  }
}

/** All under a prefix. */
export function tree(prefix: string): Operation {
  return { KV: { Verb: 'get-tree', Key: prefix } }
}

/** The transaction fails unless it is there. */
export function there(name: string): Operation {
  return { KV: { Verb: 'get', Key: name } }
}

/** Bound to the session, whose end deletes it. The transaction fails if it is bound to another. */
export function lock(name: string, value: string, session: string): Operation {
  return { KV: { Verb: 'lock', Key: name, Value: base64(value), Session: session } }
}

export function unlock(name: string, session: string): Operation {
  return { KV: { Verb: 'unlock', Key: name, Session: session } }
}

/** It stays bound to the session that it has. */
export function set(name: string, value: string): Operation {
  return { KV: { Verb: 'set', Key: name, Value: base64(value) } }
}

export function absent(name: string): Operation {
  return { KV: { Verb: 'check-not-exists', Key: name } }
}

export function unchanged(name: string, version: number): Operation {
  return { KV: { Verb: 'check-index', Key: name, Index: version } }
}

/** Whatever it is bound to. */
export function remove(name: string): Operation {
  return { KV: { Verb: 'delete', Key: name } }
}

export function removeUnchanged(name: string, version: number): Operation {
  return { KV: { Verb: 'delete-cas', Key: name, Index: version } }
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex')
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
