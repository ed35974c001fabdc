/**
 * A holdfast server as a store: locks for whoever reaches it by HTTP, whatever database is behind it.
 *
 * Each verb is one request, and its answer is the store's own. What the store can do is asked before the first request
 * and after each failure, since the server may have come back with another. Windows count from the sending of our
 * request, and the time left is by the clock of the store behind, so nobody's clock is compared with ours. Pushes come
 * by one stream.
 *
 * Guarantee: that of the store behind the server; without the server nobody gets in, and nobody loses what he holds
 * before his time. Nothing is needed but `fetch`, so it also runs in Deno, Bun, a worker and a browser.
 */
import { systemClock } from '../base/clock.ts'
import { within } from '../base/deadline.ts'
import { integer, list } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { ConfigurationError, StoreUnavailableError, UnsupportedError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Io, LockView, Store, StoreListener, StoreTraits } from '../store/contract.ts'
import { decodeEntry, decodeInfo, decodeRenewals, decodeView, decodeWas, PATHS, tellPush } from '../store/wire.ts'
import { WIRE_VERSION } from '../store/wire.ts'
import type { StoreInfo } from '../store/wire.ts'
import { placeOf } from './http/address.ts'
import { createHttpConnection } from './http/connection.ts'
import type { FetchLike } from './http/connection.ts'
import { createNews } from './http/news.ts'
import { namespaceOf } from './shared/options.ts'

export type { FetchLike, ReaderLike, RequestLike, ResponseLike } from './http/connection.ts'

export interface HttpStoreOptions {
  /** Put before every key, so that two applications on one server do not meet. */
  readonly namespace?: string
  /** What the server asks for; may as well stand in the address, as its password. */
  readonly secret?: string
  /** Another `fetch`, one that goes through a proxy say. Default: that of the runtime. */
  readonly fetch?: FetchLike
}

interface Asked {
  readonly path: string
  readonly body?: object
  readonly query?: Readonly<Record<string, string>>
}

const INQUIRE_MS = 5_000
const OPTIONS: Known<HttpStoreOptions> = { namespace: true, secret: true, fetch: true }

/**
 * Until the server has told: nothing is refused here that it may well have, and nothing is counted on that it may not.
 */
const PRESUMED: StoreTraits = {
  name: 'http',
  guarantee: 'best-effort',
  reach: 'network',
  fencing: true,
  queue: true,
  shared: true,
  limit: true,
  keep: true,
  clock: 'store',
  clockErrorMs: 0,
  minTtlMs: 1,
  maxTokens: 1,
}

/**
 * Locks on the holdfast server at an address: `http://localhost:7070`, `https://:SECRET@locks.example/path`. `open`
 * asks the server what it has; here await `store.connect()` first, or tasks of one process do not pass a lease on among
 * themselves.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { httpStore } from 'holdfast/http'
 *
 * const store = httpStore('https://locks.example', { secret: 'correct horse', namespace: 'shop' })
 * await store.connect?.({ timeoutMs: 5_000 })
 * const locks = createLocks(store)
 * ```
 */
export function httpStore(address: string, options: HttpStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'httpStore')
  const { fetch: fetching = fetch } = options
  const namespace = namespaceOf(options)
  const connection = createHttpConnection(placeOf(address, options.secret), (url, init) => fetching(url, init))
  const { where } = connection
  const listeners = new Set<StoreListener>()
  let told: StoreInfo | undefined
  let isFresh = false
  let asking: Promise<StoreInfo> | undefined
  let closed = false

  const news = createNews(connection, push => {
    const isOurs = push.event === 'ready' || push.event === 'gap' || push.namespace === namespace
    if (isOurs) for (const listener of listeners) tellPush(push, listener)
  })

  async function inquire(): Promise<StoreInfo> {
    const info = understood(await connection.ask(PATHS.store, null, { timeoutMs: INQUIRE_MS }), decodeInfo)
    if (info.version !== WIRE_VERSION)
      throw new ConfigurationError(`${where} speaks version ${info.version}; this holdfast knows ${WIRE_VERSION}.`)
    return { ...info, traits: { ...info.traits, name: 'http', reach: 'network', clock: 'store' } }
  }

  /** What the server has told, asked again after a failure, once for all who want to know. */
  async function known({ timeoutMs, signal }: Io): Promise<StoreInfo> {
    if (closed)
      throw new StoreUnavailableError(`${where} is no longer asked: close() was called.`, { ambiguous: false })
    if (isFresh && told !== undefined) return told
    const late = (): never => {
      throw connection.late(timeoutMs, { sent: false })
    }
    asking ??= inquire().finally(() => (asking = undefined))
    try {
      told = await within(asking, { timeoutMs, signal, late })
      isFresh = true
      return told
    } catch (cause) {
      // Whatever became of the question, nothing else was sent.
      if (!(cause instanceof StoreUnavailableError)) throw cause
      throw new StoreUnavailableError(cause.message, { cause, ambiguous: false })
    }
  }

  /** `asked`: a body to post, or a query. */
  async function ask<T>(asked: Asked, io: Io, decode: (from: Fields) => T): Promise<T> {
    const startedAt = systemClock.now()
    await known(io)
    const timeoutMs = Math.max(1, io.timeoutMs - (systemClock.now() - startedAt))
    const { path, body = null, query } = asked
    const place = query === undefined ? path : `${path}?${queryOf({ ...query, namespace, timeoutMs: `${timeoutMs}` })}`
    const sent = body === null ? null : { ...body, ...(namespace !== '' && { namespace }), timeoutMs }
    try {
      const answer = await connection.ask(place, sent, { ...io, timeoutMs })
      return understood(answer, decode)
    } catch (cause) {
      isFresh = false
      throw cause
    }
  }

  function understood<T>(answer: Fields, decode: (from: Fields) => T): T {
    try {
      return decode(answer)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new StoreUnavailableError(`${where} answered what is no answer (${why}). Is it another version?`, { cause })
    }
  }

  async function listen(listener: StoreListener): Promise<AsyncDisposable> {
    const { pushes } = await known({ timeoutMs: INQUIRE_MS })
    if (!pushes) throw new UnsupportedError(`The store behind ${where} does not push.`)
    listeners.add(listener)
    await news.start().catch((cause: unknown) => {
      listeners.delete(listener)
      throw cause
    })
    return { [Symbol.asyncDispose]: async () => void listeners.delete(listener) }
  }

  return {
    get traits() {
      return told?.traits ?? PRESUMED
    },
    get listen() {
      return told === undefined || told.pushes ? listen : undefined
    },
    async connect(io) {
      await known(io)
    },
    enter: (request, io) => ask({ path: PATHS.enter, body: request }, io, answer => decodeEntry(answer, request)),
    renew: (renewals, io) =>
      ask({ path: PATHS.renew, body: { renewals } }, io, answer => decodeRenewals(answer, renewals)),
    leave: (request, io) => ask({ path: PATHS.leave, body: request }, io, decodeWas),
    revoke: (key, request, io) =>
      ask({ path: PATHS.revoke, body: { key, ...request } }, io, answer => integer(answer, 'revoked')),
    inspect: (key, io) =>
      ask({ path: PATHS.lock, query: { key } }, io, ({ lock }) => (lock === null ? null : decodeView(lock))),
    async *list(prefix, io): AsyncIterable<LockView> {
      const decode = (answer: Fields): readonly LockView[] => list(answer, 'locks').map(decodeView)
      yield* await ask({ path: PATHS.locks, query: { prefix } }, io, decode)
    },
    async close() {
      closed = true
      news.close()
    },
  }
}

function queryOf(values: Readonly<Record<string, string>>): string {
  return new URLSearchParams(values).toString()
}
