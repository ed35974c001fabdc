/**
 * What is said to etcd, as data: the names of keys, and the parts of a transaction. Its JSON gateway has keys and
 * values in base64, and 64-bit numbers as text.
 *
 *   holdfast/NAMESPACE/lease/LEASE          counts the tickets that a lease has had
 *   holdfast/NAMESPACE/mark/KEY/ID          this id is forbidden
 *   holdfast/NAMESPACE/ping/PROCESS         written to hear whether the watch still tells
 *   holdfast/NAMESPACE/ticket/KEY/ID        a ticket; its place is its create_revision
 *
 * Namespace and key are in hexadecimal, so that one is never a part of another, and a prefix of a key stays one.
 */
export interface Compare {
  readonly key: string
  readonly range_end?: string
  readonly target: 'CREATE' | 'MOD' | 'VERSION'
  readonly result: 'EQUAL' | 'LESS'
  readonly create_revision?: string
  readonly mod_revision?: string
  readonly version?: string
}

export type Operation =
  | { readonly request_range: Readonly<Record<string, string>> }
  | { readonly request_put: Readonly<Record<string, string | boolean>> }
  | { readonly request_delete_range: Readonly<Record<string, string>> }
  | { readonly request_txn: Transaction }

export interface Transaction {
  readonly compare: readonly Compare[]
  readonly success: readonly Operation[]
  readonly failure: readonly Operation[]
}

export interface Names {
  readonly tickets: (key: string) => string
  /** Of all locks whose key begins so. */
  readonly ticketsOf: (prefix: string) => string
  readonly ticket: (key: string, id: string) => string
  readonly mark: (key: string, id: string) => string
  readonly lease: (lease: string) => string
  readonly ping: (id: string) => string
  /** From marks to tickets: all that a watch is to tell. */
  readonly watched: { readonly key: string; readonly range_end: string }
  /** What a name is of; null: none of ours. */
  readonly read: (name: string) => Named | null
}

export interface Named {
  readonly kind: string
  readonly key: string
  readonly id: string
}

export function namesIn(namespace: string): Names {
  const base = `holdfast/${hex(namespace)}/`
  const tickets = (key: string): string => `${base}ticket/${hex(key)}/`
  return {
    tickets,
    ticketsOf: prefix => `${base}ticket/${hex(prefix)}`,
    ticket: (key, id) => tickets(key) + base64url(id),
    mark: (key, id) => `${base}mark/${hex(key)}/${base64url(id)}`,
    lease: lease => `${base}lease/${lease}`,
    ping: id => `${base}ping/${base64url(id)}`,
    watched: { key: base64(`${base}mark/`), range_end: endOf(`${base}ticket/`) },
    read(name) {
      const [kind = '', key = '', id] = name.startsWith(base) ? name.slice(base.length).split('/') : []
      if (kind === 'ping') return { kind, key: '', id: Buffer.from(key, 'base64url').toString() }
      if (id === undefined) return null
      return { kind, key: Buffer.from(key, 'hex').toString(), id: Buffer.from(id, 'base64url').toString() }
    },
  }
}

/** All under a prefix, oldest first. */
export function range(prefix: string): Operation {
  return {
    request_range: { key: base64(prefix), range_end: endOf(prefix), sort_order: 'ASCEND', sort_target: 'CREATE' },
  }
}

export function get(name: string): Operation {
  return { request_range: { key: base64(name) } }
}

export function put(name: string, value: string, lease: string): Operation {
  return { request_put: { key: base64(name), value: base64(value), lease } }
}

/** The key goes on living by the lease that it has. */
export function putOver(name: string, value: string): Operation {
  return { request_put: { key: base64(name), value: base64(value), ignore_lease: true } }
}

export function remove(name: string): Operation {
  return { request_delete_range: { key: base64(name) } }
}

export function absent(name: string): Compare {
  return { key: base64(name), target: 'CREATE', result: 'EQUAL', create_revision: '0' }
}

/** There is no key under this prefix. */
export function empty(prefix: string): Compare {
  return { ...absent(prefix), range_end: endOf(prefix) }
}

/** No key under this prefix has been written since; some may have gone. */
export function unwritten(prefix: string, revision: number): Compare {
  const since = { target: 'MOD', result: 'LESS', mod_revision: String(revision + 1) } as const
  return { key: base64(prefix), range_end: endOf(prefix), ...since }
}

export function unchanged(name: string, version: string): Compare {
  return { key: base64(name), target: 'MOD', result: 'EQUAL', mod_revision: version }
}

/** The very key that was made at that revision is there. */
export function made(name: string, revision: number): Compare {
  return { key: base64(name), target: 'CREATE', result: 'EQUAL', create_revision: String(revision) }
}

/** It has been written so many times. */
export function written(name: string, times: number): Compare {
  return { key: base64(name), target: 'VERSION', result: 'EQUAL', version: String(times) }
}

function endOf(prefix: string): string {
  const end = Buffer.from(prefix)
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1
  return end.toString('base64')
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex')
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
