/** A ticket as a node: its words, and in front of them its place, if it is no longer where it was made. */
import { foreign, decodeWords, encodeWords, tokenOf } from '../shared/queue-keys/line.ts'
import type { LineTicket, Words } from '../shared/queue-keys/line.ts'
import { decoded } from './statements.ts'
import type { Node } from './statements.ts'

export const BLOCK = 32

/** `token` null: its place is the transaction that makes the node. */
export function encodeTicket(words: Words, token: number | null): string {
  return `${token === null ? 0 : token / BLOCK} ${encodeWords(words)}`
}

/** @throws ConfigurationError  it is not what we write */
export function ticketOf(key: string, name: string, { data, made, version, life }: Node): LineTicket {
  const of = { store: 'zookeeper', key }
  const [, place, json] = /^(\d{1,16}) (.*)$/s.exec(data) ?? []
  const id = decoded(name)
  if (place === undefined || json === undefined || id === null) throw foreign(of, `the node "${name}" is no ticket`)
  if (life === '0') throw foreign(of, `the node "${name}" has no session, and would never end`)
  const token = tokenOf(place === '0' ? made : Number(place), { block: BLOCK, key })
  return { ...decodeWords(json, of), id, name, token, version: String(version), life }
}
