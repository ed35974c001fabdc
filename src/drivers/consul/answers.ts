/** What Consul answers, decoded. */
import { integer, list, record, text } from '../../base/decode.ts'

export interface KeyValue {
  readonly name: string
  /** null: it was written, and is not shown. */
  readonly value: string | null
  readonly created: number
  readonly modified: number
  /** '': it is bound to none, and so never goes by itself. */
  readonly session: string
}

/** Which operation of a transaction kept it from being carried out, and why. */
export interface Obstacle {
  readonly index: number
  readonly why: string
}

/** @throws TypeError */
export function resultsOf(value: unknown): readonly KeyValue[] {
  const from = record(value, 'the answer')
  if (from['Results'] === null) return []
  return list(from, 'Results').flatMap(each => {
    const { KV } = record(each, 'a result')
    return KV === undefined ? [] : keyValueOf(KV)
  })
}

/** @throws TypeError */
export function obstaclesOf(value: unknown): readonly Obstacle[] {
  return list(record(value, 'the answer'), 'Errors').map(each => {
    const from = record(each, 'an error')
    return { index: integer(from, 'OpIndex'), why: text(from, 'What') }
  })
}

/** Of a reading by path. @throws TypeError */
export function keyValuesOf(value: unknown): readonly KeyValue[] {
  return list({ keys: value }, 'keys').map(keyValueOf)
}

/** @throws TypeError */
export function sessionOf(value: unknown): string {
  return text(record(value, 'the answer'), 'ID')
}

function keyValueOf(value: unknown): KeyValue {
  const from = record(value, 'a key')
  return {
    name: text(from, 'Key'),
    value: from['Value'] === null ? null : Buffer.from(text(from, 'Value'), 'base64').toString(),
    created: integer(from, 'CreateIndex'),
    modified: integer(from, 'ModifyIndex'),
    session: from['Session'] === undefined ? '' : text(from, 'Session'),
  }
}
