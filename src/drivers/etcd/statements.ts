/**
 * What is said to etcd, as data: the names of keys, and the parts of a transaction. Its JSON gateway has keys and
 * values in base64, and 64-bit numbers as text.
 *
 *   holdfast/NAMESPACE/lease/LEASE          counts the tickets that a lease has had
 *   holdfast/NAMESPACE/mark/KEY/ID          this id is forbidden
 *   holdfast/NAMESPACE/notice/KEY/ID        this ticket was revoked, and why
 *   holdfast/NAMESPACE/ping/PROCESS         written to hear whether a watch still tells
 *   holdfast/NAMESPACE/ticket/KEY/LEASE     a ticket; its place is its create_revision
 *
 * Namespace and key are in hexadecimal, so that one is never a part of another, and a prefix of a key stays one. A
 * ticket is named by the lease that it was made on, which is used again: until its history is compacted etcd walks over
 * each name that there ever was under a prefix to find what is there now.
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
  readonly ticket: (key: string, lease: string) => string
  readonly mark: (key: string, id: string) => string
  readonly notice: (key: string, id: string) => string
  readonly lease: (lease: string) => string
  readonly ping: (id: string) => string
  /** What a watch is to tell while something is held: marks, notices and pings. While something waits: also tickets. */
  readonly watched: { readonly notices: Range; readonly lines: Range }
  /** What a name is of; null: none of ours. */
  readonly read: (name: string) => Named | null
}

export interface Range {
  readonly key: string
  readonly range_end: string
}

export interface Named {
  readonly kind: string
  readonly key: string
  /** Of a ticket the lease that it was made on, else an id. */
  readonly last: string
}

export function namesIn(namespace: string): Names {
  const base = `holdfast/${hex(namespace)}/`
  const tickets = (key: string): string => `${base}ticket/${hex(key)}/`
  return {
    tickets,
    ticketsOf: prefix => `${base}ticket/${hex(prefix)}`,
    ticket: (key, lease) => tickets(key) + lease,
    mark: (key, id) => `${base}mark/${hex(key)}/${base64url(id)}`,
    notice: (key, id) => `${base}notice/${hex(key)}/${base64url(id)}`,
    lease: lease => `${base}lease/${lease}`,
    ping: id => `${base}ping/${base64url(id)}`,
    watched: {
      notices: { key: base64(`${base}mark/`), range_end: endOf(`${base}ping/`) },
      lines: { key: base64(`${base}ping/`), range_end: endOf(`${base}ticket/`) },
    },
    read(name) {
      const [kind = '', key = '', last] = name.startsWith(base) ? name.slice(base.length).split('/') : []
      if (last === undefined) return null
      const of = { kind, key: Buffer.from(key, 'hex').toString() }
      return { ...of, last: kind === 'ticket' ? last : Buffer.from(last, 'base64url').toString() }
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
