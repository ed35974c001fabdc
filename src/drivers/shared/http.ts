/**
 * A store that is spoken to by HTTP: requests over connections that are kept, to one of several servers.
 *
 * One server is asked until it fails; then the next is. A request that was never sent goes to the next at once. One
 * that may have been is not sent twice: whether it is to be repeated is for its caller to say.
 *
 * `node:http` and its agent: a request costs half of what the built-in fetch takes for it.
 */
import http from 'node:http'
import https from 'node:https'
import { onAbort } from '../../base/abort.ts'
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { reasonOf } from './connection.ts'

/** As `tls.connect` takes them, for an authority or a certificate of one's own. */
export interface HttpTls {
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface Host {
  readonly host: string
  readonly port: number
}

export interface HttpOptions {
  /** The store's name, for messages. */
  readonly name: string
  readonly hosts: readonly Host[]
  /** null: not encrypted. */
  readonly tls: HttpTls | null
  /** Calls at once; more wait for their turn. Default: 64. */
  readonly sockets?: number
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface HttpAnswer {
  readonly status: number
  readonly text: string
  readonly headers: http.IncomingHttpHeaders
  /** Who answered, for messages: the store's name, host and port. */
  readonly where: string
}

/** An answer that does not end, or takes its time to begin. */
export interface HttpStream {
  readonly where: string
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  close(): void
}

export interface Http {
  /** @throws StoreUnavailableError  settles within `io.timeoutMs` */
  send(request: HttpRequest, io: Io): Promise<HttpAnswer>
  /**
   * Resolves when the answer has begun. Nothing of it keeps the process alive. `ended` is called once when it is over,
   * unless it was closed before.
   */
  stream(request: HttpRequest, on: { data(text: string): void; ended(): void }, io: Io): Promise<HttpStream>
  /** The server that answered so is not the one to ask: the next call goes to another. */
  avoid(where: string): void
  close(): void
}

/** A request that has certainly not been sent. */
class NotSent extends StoreUnavailableError {
  constructor(message: string, cause: unknown) {
    super(message, { ambiguous: false, cause })
  }
}

const SOCKETS = 64

export function createHttp({ name, hosts, tls, sockets = SOCKETS }: HttpOptions): Http {
  const { request: open } = tls === null ? http : https
  const kept = { keepAlive: true, noDelay: true, scheduling: 'lifo' } as const
  const agentOf = (maxSockets: number): http.Agent =>
    tls === null ? new http.Agent({ ...kept, maxSockets }) : new https.Agent({ ...kept, ...own(tls), maxSockets })
  const agents = { calls: agentOf(sockets), streams: agentOf(Infinity) }
  let current = 0
  let closed = false

  const whereOf = ({ host, port }: Host): string => `${name} at ${host.includes(':') ? `[${host}]` : host}:${port}`

  function avoid(where: string): void {
    if (hosts.length > 1 && whereOf(hostNow()) === where) current = (current + 1) % hosts.length
  }

  function hostNow(): Host {
    const host = hosts[current]
    if (host === undefined) throw new TypeError('no host')
    return host
  }

  /** Asks one host after the other while nothing has been sent. */
  async function inTurn<T>(io: Io, attempt: (host: Host, left: Io) => Promise<T>): Promise<T> {
    const until = systemClock.now() + io.timeoutMs
    const failures: string[] = []
    for (let tries = 1; ; tries += 1) {
      if (closed)
        throw new StoreUnavailableError(`The connection to ${name} was closed by close().`, { ambiguous: false })
      const host = hostNow()
      try {
        return await attempt(host, { ...io, timeoutMs: Math.max(1, until - systemClock.now()) })
      } catch (cause) {
        avoid(whereOf(host))
        if (!(cause instanceof NotSent)) throw cause
        failures.push(cause.message)
        if (tries >= hosts.length || systemClock.now() >= until)
          throw new StoreUnavailableError(failures.join(' '), { cause, ambiguous: false })
      }
    }
  }

  function start(
    { host, port }: Host,
    { method, path, headers, body = '' }: HttpRequest,
    agent: http.Agent,
  ): http.ClientRequest {
    const length = { 'content-length': Buffer.byteLength(body) }
    const call = open({ hostname: host, port, method, path, headers: { ...headers, ...length }, agent })
    call.end(body)
    return call
  }

  /** What ends a call, as one of ours. */
  function failing(
    call: http.ClientRequest,
    host: Host,
    { fail, idle, io }: { fail(error: Error): void; readonly idle: boolean; readonly io: Io },
  ): () => void {
    let isSent = false
    call.on('socket', socket => {
      if (socket.connecting) socket.once(tls === null ? 'connect' : 'secureConnect', () => (isSent = true))
      else isSent = true
    })
    const where = whereOf(host)
    // A host that is silent before it was even connected to leaves time for the others.
    const give = (): void => {
      if (!isSent) end(new NotSent(`${where} could not be reached in time.`, undefined))
    }
    const share = hosts.length > 1 ? systemClock.after(io.timeoutMs / hosts.length, give, { idle }) : null
    const timer = systemClock.after(io.timeoutMs, () => end(late()), { idle })
    const unlisten = io.signal && onAbort(io.signal, () => end(late()))
    const done = (): void => {
      share?.cancel()
      timer.cancel()
      unlisten?.()
    }
    function late(): Error {
      const waited = `within ${Math.round(io.timeoutMs)} ms`
      if (!isSent) return new NotSent(`${where} could not be reached ${waited}.`, undefined)
      return new StoreUnavailableError(`${where} did not answer ${waited}; the request may have been carried out.`)
    }
    function end(error: Error): void {
      done()
      call.destroy()
      fail(error)
    }
    call.on('error', cause => end(isSent ? brokenOff(where, cause) : unreachable(where, cause)))
    return done
  }

  return {
    avoid,
    send: (request, io) =>
      inTurn(io, (host, left) => {
        return new Promise((resolve, reject) => {
          const call = start(host, request, agents.calls)
          const done = failing(call, host, { fail: reject, idle: false, io: left })
          call.on('response', answer => {
            const chunks: Buffer[] = []
            answer.on('data', (chunk: Buffer) => chunks.push(chunk))
            answer.on('error', cause => call.emit('error', cause))
            answer.on('end', () => {
              done()
              const text = Buffer.concat(chunks).toString()
              resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers, where: whereOf(host) })
            })
          })
        })
      }),
    stream: (request, on, io) =>
      inTurn(io, (host, left) => {
        return new Promise((resolve, reject) => {
          const call = start(host, request, agents.streams)
          const where = whereOf(host)
          let isOver = false
          const over = (): void => {
            if (!isOver) on.ended()
            isOver = true
          }
          const done = failing(call, host, { fail: reject, idle: true, io: left })
          call.on('socket', socket => socket.unref().setKeepAlive(true, 10_000))
          call.on('response', answer => {
            done()
            answer.setEncoding('utf8').on('data', on.data)
            answer.on('error', over)
            answer.on('close', over)
            const close = (): void => {
              isOver = true
              call.destroy()
            }
            resolve({ where, status: answer.statusCode ?? 0, headers: answer.headers, close })
          })
        })
      }),
    close() {
      closed = true
      agents.calls.destroy()
      agents.streams.destroy()
    },
  }
}

/** As the types of Node want it. */
function own({ ca, ...tls }: HttpTls): https.AgentOptions {
  if (ca === undefined) return tls
  return { ...tls, ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : ca.map(each => each) }
}

function unreachable(where: string, cause: Error): NotSent {
  return new NotSent(`${where} cannot be reached: ${reasonOf(cause)}${adviceFor(cause)}.`, cause)
}

function brokenOff(where: string, cause: Error): StoreUnavailableError {
  if (cause instanceof StoreUnavailableError) return cause
  return new StoreUnavailableError(`${where} did not answer: ${reasonOf(cause)}; the request may be carried out.`, {
    cause,
  })
}

function adviceFor(cause: Error): string {
  const { message } = cause
  if (/certificate|altnames/i.test(message))
    return '. Name its authority (option tls.ca, or NODE_EXTRA_CA_CERTS), or the server by the name in its certificate'
  if (/wrong version number|packet length too long|EPROTO|before secure TLS/.test(message))
    return '. It does not speak TLS; is it the right scheme and port?'
  return ''
}

/** What the answer holds, if it is JSON. @throws StoreUnavailableError  it is not */
export function jsonOf({ status, text, where }: HttpAnswer): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch (cause) {
    const start = text.trim().slice(0, 80).replaceAll(/\s+/g, ' ')
    throw new StoreUnavailableError(
      `${where} answered (HTTP ${status}) what is not JSON: "${start}". Is it the right host and port, and no proxy?`,
      { cause },
    )
  }
}
