/**
 * One request, one answer, by `fetch` and nothing else. Each has a deadline of ours, after which it is cut off; what
 * the server then still does is unknown.
 */
import { within } from '../../base/deadline.ts'
import { record } from '../../base/decode.ts'
import type { Fields } from '../../base/decode.ts'
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { AUTHORIZATION, PATHS } from '../../store/wire.ts'
import { decodeError } from '../../store/wire-errors.ts'
import type { ServerPlace } from './address.ts'
import { failure, foreign } from './failures.ts'
import { letGo } from './idle.ts'
import { createLanes } from './lanes.ts'

/** The part of `fetch` that this driver needs. */
export type FetchLike = (url: string, init: RequestLike) => Promise<ResponseLike>

export interface RequestLike {
  readonly method: 'GET' | 'POST'
  readonly headers: Record<string, string>
  readonly body?: string
  readonly signal: AbortSignal
  /** The secret goes to the server that was named, and to no other. */
  readonly redirect: 'manual'
  /** What a proxy has kept says nothing about now. */
  readonly cache: 'no-store'
}

export interface ResponseLike {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: { getReader(): ReaderLike } | null
  text(): Promise<string>
}

export interface ReaderLike {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
}

export interface HttpConnection {
  readonly where: string
  /** What a call is told that was not answered in time. */
  late(timeoutMs: number, how: { readonly sent: boolean }): StoreUnavailableError
  /** POST with a body, else GET. @throws HoldfastError  the server's, or what `failures.ts` makes of it */
  ask(path: string, body: object | null, io: Io): Promise<Fields>
  /** A GET whose answer is read bit by bit, until `signal` aborts. */
  stream(path: string, signal: AbortSignal): Promise<ReaderLike>
}

const SHOWN_CHARACTERS = 60
/** A burst of new wishes must not cost what is held already, nor keep what is to be free. */
const URGENT: readonly string[] = [PATHS.renew, PATHS.leave]

export function createHttpConnection({ base, secret, where }: ServerPlace, fetch: FetchLike): HttpConnection {
  const headers = { accept: 'application/json', ...(secret !== undefined && { authorization: AUTHORIZATION + secret }) }

  function request(path: string, body: object | null, signal: AbortSignal): Promise<ResponseLike> {
    return fetch(base + path, {
      method: body === null ? 'GET' : 'POST',
      headers: body === null ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body !== null && { body: JSON.stringify(body) }),
      signal,
      redirect: 'manual',
      cache: 'no-store',
    })
  }

  async function answerTo(path: string, body: object | null, signal: AbortSignal): Promise<Fields> {
    try {
      const response = await request(path, body, signal)
      return fieldsOf(response, await response.text(), where)
    } catch (cause) {
      throw failure(cause, where)
    }
  }

  const lanes = createLanes()

  function late(timeoutMs: number, { sent }: { readonly sent: boolean }): StoreUnavailableError {
    const waited = `${where} did not answer within ${Math.round(timeoutMs)} ms`
    return new StoreUnavailableError(sent ? `${waited}.` : `${waited} what was asked earlier.`, { ambiguous: sent })
  }

  return {
    where,
    late,
    ask(path, body, io) {
      const cutting = new AbortController()
      const { timeoutMs, signal } = io
      let sent = false
      const cut = (): never => {
        cutting.abort()
        throw late(timeoutMs, { sent })
      }
      const send = (): Promise<Fields> => {
        sent = true
        return answerTo(path, body, cutting.signal)
      }
      const answered = lanes.use(send, { signal: cutting.signal, urgent: URGENT.includes(path) })
      return within(answered, { timeoutMs, signal, late: cut })
    },
    async stream(path, signal) {
      letGo(new URL(base + path).href)
      try {
        const response = await request(path, null, signal)
        if (response.status === 200 && isOf(response, 'text/event-stream') && response.body !== null)
          return response.body.getReader()
        throw unlike(response, await response.text(), where)
      } catch (cause) {
        throw failure(cause, where)
      }
    },
  }
}

function isOf(response: ResponseLike, type: string): boolean {
  return response.headers.get('content-type')?.toLowerCase().startsWith(type) === true
}

/** @throws HoldfastError */
function fieldsOf(response: ResponseLike, text: string, where: string): Fields {
  const fields = jsonIn(response, text)
  if (response.status === 200 && fields !== null) return fields
  throw unlike(response, text, where)
}

/** What an answer tells that is not the one that was asked for. */
function unlike(response: ResponseLike, text: string, where: string): Error {
  const fields = jsonIn(response, text)
  const told = fields === null ? null : decodeError(fields, where)
  if (told !== null && response.status === 401)
    return new ConfigurationError(`${told.message} Put it into the address: http://:SECRET@host:port.`)
  if (told !== null && response.status !== 200) return told
  return foreign(
    response,
    where,
    text === '' ? 'it said nothing' : `it said ${JSON.stringify(text.slice(0, SHOWN_CHARACTERS))}`,
  )
}

function jsonIn(response: ResponseLike, text: string): Fields | null {
  if (!isOf(response, 'application/json')) return null
  try {
    return record(JSON.parse(text), 'the answer')
  } catch {
    return null
  }
}
