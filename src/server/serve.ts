/**
 * A store for others over HTTP: the four verbs, what people want to see, and the stream of pushes (store/wire.ts has
 * the paths). Everything is the store's: its guarantee, its clock, its tokens. The server adds nothing and remembers
 * nothing, so it may be restarted, and several may stand before one store.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConfigurationError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Store } from '../store/contract.ts'
import { PATHS } from '../store/wire.ts'
import { encodeError, RefusedRequest } from '../store/wire-errors.ts'
import { admit, checkSecret, isLoopback } from './access.ts'
import { bodyOf, queryOf } from './body.ts'
import { createEvents } from './events.ts'
import { answerOrigin, checkOrigins } from './origins.ts'
import { answer, ROUTES } from './routes.ts'

export interface ServeOptions {
  /** What clients must know. Without one the server listens on the loopback only, and answers nobody else. */
  readonly secret?: string
  /**
   * Origins of pages that may ask from a browser ([]): `['https://app.example']`. Who sees such a page knows the secret
   * that it uses.
   */
  readonly origins?: readonly string[]
}

export interface StoreServer {
  /** For a server of your own: `createServer(server.handle)`. */
  handle(request: IncomingMessage, response: ServerResponse): void
  /**
   * Listens, on the loopback by default; resolves with the address that clients open.
   * @throws ConfigurationError  another host, without a secret
   */
  listen(at?: { readonly port?: number; readonly host?: string }): Promise<{ readonly url: string }>
  /** Ends the streams and the listening. The store stays open: it is yours. */
  close(): Promise<void>
}

const OPTIONS: Known<ServeOptions> = { secret: true, origins: true }
const HOST = '127.0.0.1'
/** Longer than clients keep a connection that they do not use: they never send on one that ends right now. */
const KEEP_ALIVE_MS = 65_000
const REQUEST_MS = 30_000

/**
 * Serves a store to holdfast's `http` driver, and to whoever speaks HTTP.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { redisStore } from 'holdfast/redis'
 * import { serveStore } from 'holdfast/server'
 *
 * const server = serveStore(redisStore('redis://localhost'), { secret: 'correct horse' })
 * const { url } = await server.listen({ host: '0.0.0.0', port: 7070 })
 * ```
 */
export function serveStore(store: Store, options: ServeOptions = {}): StoreServer {
  refuseUnknown(options, OPTIONS, 'serveStore')
  const { secret, origins = [] } = options
  checkSecret(secret)
  checkOrigins(origins)
  const events = createEvents(store)
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MS }, handle)

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (answerOrigin(request, response, origins)) return
    admit(request, secret)
    const { method = '', url = '' } = request
    const [path = '', query = ''] = url.split('?', 2)
    if (`${method} ${path}` === `GET ${PATHS.events}`) return events.open(response)
    const route = ROUTES[`${method} ${path}`]
    if (route === undefined) throw new RefusedRequest(404, `There is no ${method} ${path}.`)
    const asked = method === 'POST' ? await bodyOf(request) : queryOf(new URLSearchParams(query))
    send(response, 200, await answer(route, store, asked))
  }

  function refuse(error: unknown, response: ServerResponse): void {
    if (response.headersSent) return void response.destroy()
    const { status, body } = encodeError(error, store.traits.name)
    // What is left of a body goes nowhere, and ends with the connection.
    if (!response.req.complete) response.setHeader('connection', 'close')
    response.req.resume()
    send(response, status, body)
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {})
    respond(request, response).catch((error: unknown) => refuse(error, response))
  }

  return {
    handle,
    async listen({ port = 0, host = HOST } = {}) {
      if (secret === undefined && !isLoopback(host))
        throw new ConfigurationError(
          `Without a secret a server listens on the loopback only, not on ${host}. Give it one: serveStore(store, { secret }).`,
        )
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          resolve()
        })
      })
      const bound = server.address()
      const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port
      return { url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}` }
    },
    async close() {
      await events.close()
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeIdleConnections()
      })
    },
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
  })
  response.end(text)
}
