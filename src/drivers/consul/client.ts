/** Consul by its HTTP interface: transactions, sessions, and readings that wait until something has changed. */
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { createHttp, jsonOf } from '../shared/http.ts'
import type { HttpAnswer, HttpRequest, HttpTls } from '../shared/http.ts'
import type { ConsulAddress } from './address.ts'
import { keyValuesOf, obstaclesOf, resultsOf, sessionOf } from './answers.ts'
import type { KeyValue, Obstacle } from './answers.ts'
import { asksForAnother, failureOf, isRefused, oddAnswer, refusal } from './failures.ts'
import type { Operation } from './statements.ts'

/** What was read, or why nothing was done. */
export type Outcome =
  | { readonly done: true; readonly results: readonly KeyValue[] }
  | { readonly done: false; readonly obstacles: readonly Obstacle[] }

export interface Change {
  readonly index: number
  readonly found: readonly KeyValue[]
}

export interface ConsulClient {
  /** Carried out whole, or not at all. @throws StoreUnavailableError | ConfigurationError */
  transact(operations: readonly Operation[], io: Io): Promise<Outcome>
  /** As of no earlier than the call. */
  read(operations: readonly Operation[], io: Io): Promise<readonly KeyValue[]>
  createSession(ttlMs: number, io: Io): Promise<string>
  /** False: it is gone. */
  renewSession(session: string, io: Io): Promise<boolean>
  destroySession(session: string, io: Io): Promise<void>
  /**
   * What is under a prefix, once it has changed since `index` or a while is over; at once with 0. `end` makes it
   * reject. It does not keep the process alive.
   */
  changed(
    query: { readonly prefix: string; readonly exactly: boolean; readonly index: number },
    end: AbortSignal,
  ): Promise<Change>
  close(): void
}

/** Consul allows a machine 200 connections, those of readings that wait included. */
const SOCKETS = 32
/** A reading that waits is answered after this and a sixteenth; one that is not is dead. */
const WAIT_S = 15
const CHANGED_MS = WAIT_S * 1_000 * (17 / 16) + 5_000

export function createClient({ hosts, tls, token }: ConsulAddress, options: HttpTls | undefined): ConsulClient {
  const http = createHttp({ name: 'consul', hosts, tls: tls ? (options ?? {}) : null, sockets: SOCKETS })
  const headers = token === null ? {} : { 'x-consul-token': token }

  async function send(request: HttpRequest, expected: readonly number[], io: Io): Promise<HttpAnswer> {
    const answer = await http.send({ ...request, headers }, io)
    if (expected.includes(answer.status)) return answer
    if (asksForAnother(answer.text)) http.avoid(answer.where)
    throw failureOf(answer)
  }

  async function transact(operations: readonly Operation[], io: Io, how = ''): Promise<Outcome> {
    const body = JSON.stringify(operations)
    const answer = await send({ method: 'PUT', path: `/v1/txn${how}`, body }, [200, 409], io)
    if (answer.status === 200) return { done: true, results: reading(answer, resultsOf) }
    const obstacles = reading(answer, obstaclesOf)
    const refused = obstacles.find(({ why }) => isRefused(why))
    if (refused !== undefined) throw refusal(answer.where, refused.why)
    return { done: false, obstacles }
  }

  return {
    transact: (operations, io) => transact(operations, io),
    async read(operations, io) {
      const outcome = await transact(operations, io, '?consistent')
      if (outcome.done) return outcome.results
      const why = outcome.obstacles.map(each => each.why).join('; ')
      throw new StoreUnavailableError(`consul could not be read: ${why}`, { ambiguous: false })
    },
    async createSession(ttlMs, io) {
      // Bound to no check of its node: whoever restarts the agent ends no lease.
      const checks = { Checks: [], NodeChecks: [] }
      const body = JSON.stringify({ TTL: `${ttlMs}ms`, Behavior: 'delete', LockDelay: '0s', ...checks })
      return reading(await send({ method: 'PUT', path: '/v1/session/create', body }, [200], io), sessionOf)
    },
    async renewSession(session, io) {
      const answer = await send({ method: 'PUT', path: `/v1/session/renew/${session}` }, [200, 404], io)
      if (answer.status === 404 && !answer.text.startsWith('Session id')) throw failureOf(answer)
      if (answer.status === 200) reading(answer, keyOfList)
      return answer.status === 200
    },
    async destroySession(session, io) {
      await send({ method: 'PUT', path: `/v1/session/destroy/${session}` }, [200], io)
    },
    async changed({ prefix, exactly, index }, end) {
      const how = `${exactly ? '' : '&recurse'}${index === 0 ? '' : `&index=${index}&wait=${WAIT_S}s`}`
      const path = `/v1/kv/${prefix}?consistent${how}`
      const answer = await waitFor({ method: 'GET', path, headers }, end)
      if (answer.status !== 200 && answer.status !== 404) throw failureOf(answer)
      const next = Number(answer.headers['x-consul-index'])
      if (!Number.isSafeInteger(next) || next < 1) throw oddAnswer(answer, new TypeError('it has no X-Consul-Index'))
      // One that goes back is begun anew, as the documentation of blocking queries says.
      return { index: next < index ? 0 : next, found: answer.status === 404 ? [] : reading(answer, keyValuesOf) }
    },
    close: () => http.close(),
  }

  function waitFor(request: HttpRequest, end: AbortSignal): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      let said = ''
      const whole = (): void => {
        stream.then(
          ({ where, status, headers: names }) => resolve({ status, text: said, headers: names, where }),
          reject,
        )
      }
      const data = (piece: string): void => void (said += piece)
      const stream = http.stream(request, { data, ended: whole }, { timeoutMs: CHANGED_MS, signal: end })
      stream.catch(reject)
    })
  }
}

/** A session that was renewed is told in a list of one. */
function keyOfList(value: unknown): string {
  return sessionOf(Array.isArray(value) ? value[0] : value)
}

function reading<T>(answer: HttpAnswer, read: (value: unknown) => T): T {
  const value = jsonOf(answer)
  try {
    return read(value)
  } catch (cause) {
    throw oddAnswer(answer, cause)
  }
}
