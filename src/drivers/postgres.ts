/**
 * PostgreSQL 13 and later.
 *
 * A lock is a row, with whoever is alone in it; a crowd has a row a ticket beside it (postgres/layout.ts). One function
 * of the server a verb (postgres/functions.ts), so a verb is atomic and costs one round trip. Time is the server's,
 * read after the row's lock. Whoever comes to hold is told by NOTIFY on the channel of its process, and nobody else is;
 * they are heard on the connection that the commands go by, so a process costs the server one of its own. Where a
 * pooler lies between, which gives each transaction another session, those who wait look instead.
 *
 * Guarantee: durable. A grant counts once it is on the server's disk (and on its synchronous standbys'). A failover to
 * a standby that follows asynchronously may forget the newest; tokens keep growing all the same.
 */
import { systemClock } from '../base/clock.ts'
import { ConfigurationError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Io, Store, StoreListener, StoreTraits } from '../store/contract.ts'
import type { Queue } from '../store/queue.ts'
import { view } from '../store/queue.ts'
import { postgresAddress, schemaOf } from './postgres/address.ts'
import type { ClientPackage, PostgresTls } from './postgres/address.ts'
import { countOf, entryOf, lookOf, pageOf, renewalsOf, sweptTo, wasOf } from './postgres/answers.ts'
import { sourceOfAddress, sourceOfClient } from './postgres/client.ts'
import type { PostgresLike } from './postgres/client.ts'
import { connectionTo } from './postgres/connection.ts'
import { renewAll } from './postgres/renewing.ts'
import { tell } from './postgres/news.ts'
import { statements } from './postgres/statements.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'
import { createSubscription } from './shared/subscription.ts'
import { createWatch } from './shared/watch.ts'

export type { ClientPackage, PostgresTls } from './postgres/address.ts'
export type { PgLike, PostgresJsLike, PostgresLike } from './postgres/client.ts'

export interface PostgresStoreOptions {
  /** Kept beside every key, so that two applications in one schema do not meet. */
  readonly namespace?: string
  /** The schema with holdfast's tables and functions. Default: that of the address (`?schema=`), else public. */
  readonly schema?: string
  /**
   * How far the server's clock may step, and the clocks of primary and standby differ, before exclusion may break.
   * Default: 10.
   */
  readonly clockErrorMs?: number
  /** For an address: which package to open it with. Default: whichever is installed. */
  readonly package?: ClientPackage
  /** For an address: an authority or a certificate of your own. It turns TLS on. */
  readonly tls?: PostgresTls
}

const OPTIONS: Known<PostgresStoreOptions> = {
  ...{ namespace: true, schema: true, clockErrorMs: true },
  ...{ package: true, tls: true },
}
const CLOCK_ERROR_MS = 10
const PAGE = 100
/** Every so many leaves look whether so many locks may be forgotten; so there are never many more than a day's. */
const SWEEP = 64
/** Above every byte of UTF-8. */
const BEYOND = Buffer.from([0xff])

/**
 * Locks in the database that `client` (a Pool or a Client of `pg`, or the `sql` of `postgres`) is for, or at an
 * address. What is passed stays yours: a pool lends one connection for as long as the store is used; beside a Client
 * and a `sql` one more connection is made with its settings. Your own transactions are never touched.
 * @throws ConfigurationError  neither a client that we know nor an address
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { postgresStore } from 'holdfast/postgres'
 * import { Pool } from 'pg'
 *
 * const locks = createLocks(postgresStore(new Pool(), { namespace: 'shop' }))
 * ```
 */
export function postgresStore(client: PostgresLike | string, options: PostgresStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'postgresStore')
  const { schema: wanted } = options
  if (wanted !== undefined && (typeof wanted !== 'string' || wanted === ''))
    throw new ConfigurationError('schema must be the name of a schema of the database.')
  const address = typeof client === 'string' ? postgresAddress(client, options) : undefined
  const source = address === undefined ? sourceOf(client) : sourceOfAddress(address, options)
  const connection = connectionTo(source, schemaOf(wanted, address))
  const calls = statements(schemaOf(wanted, address), namespaceOf(options))
  const channel = `holdfast_${systemClock.id()}`
  const listeners = new Set<StoreListener>()
  const watch = createWatch(lookAt, systemClock)
  const news = createSubscription({
    where: connection.where,
    open: (ended, timeoutMs) =>
      connection.hear({ name: channel, message: text => tell(text, listeners), ended }, timeoutMs),
    gap() {
      for (const listener of listeners) listener.gap()
    },
  })
  let leaves = 0
  let swept: readonly [space: string, key: string] = ['', '']

  const traits: StoreTraits = {
    name: 'postgres',
    guarantee: 'durable',
    reach: 'network',
    fencing: true,
    queue: true,
    shared: true,
    limit: true,
    keep: true,
    clock: 'store',
    clockErrorMs: clockErrorOf(options, CLOCK_ERROR_MS),
    minTtlMs: 50,
    maxTokens: 1_000_000,
  }

  async function lookAt(keys: readonly string[]): Promise<ReadonlyMap<string, Queue>> {
    const io = { timeoutMs: 5_000 }
    const found = await Promise.all(keys.map(key => look(key, io)))
    return new Map(keys.flatMap((key, index) => (found[index] ? [[key, found[index].queue] as const] : [])))
  }

  const look = (key: string, io: Io): Promise<ReturnType<typeof lookOf>> =>
    connection.ask({ of: key, call: () => calls.look(key), read: lookOf }, io)

  /** In nobody's way, and of no consequence: what fails is swept the next time. */
  function sweepNow(io: Io): void {
    leaves += 1
    if (leaves % SWEEP !== 0) return
    connection
      .ask({ of: 'old locks', call: () => calls.sweep(swept, SWEEP), read: sweptTo }, io)
      .then(last => void (swept = last), ignore)
  }

  const store: Store = {
    traits,
    connect: async io => void (await connection.ready(io)),
    enter: (request, io) =>
      connection.ask(
        { of: request.key, call: ({ direct }) => calls.enter(request, direct ? channel : null), read: entryOf },
        io,
      ),
    renew: (renewals, io) =>
      renewAll(
        renewals,
        (some, left) => connection.ask({ of: 'leases', call: () => calls.renew(some), read: renewalsOf }, left),
        io,
      ),
    async leave(request, io) {
      const left = await connection.ask({ of: request.key, call: () => calls.leave(request), read: wasOf }, io)
      sweepNow(io)
      return left
    },
    async listen(listener) {
      if (!(await connection.ready({ timeoutMs: 5_000 }))) return watch.listen(listener)
      await news.start()
      listeners.add(listener)
      return { [Symbol.asyncDispose]: async () => void listeners.delete(listener) }
    },
    async inspect(key, io) {
      const found = await look(key, io)
      return found === null ? null : view(key, found.queue, found.now)
    },
    async *list(prefix, io) {
      const start = Buffer.from(prefix)
      const end = Buffer.concat([start, BEYOND])
      let after = start
      for (;;) {
        const page = await connection.ask({ of: prefix, call: () => calls.list(after, end, PAGE), read: pageOf }, io)
        for (const { key, queue, now } of page) {
          const lock = view(key, queue, now)
          if (lock !== null) yield lock
        }
        const last = page.at(-1)
        if (last === undefined || page.length < PAGE) return
        after = Buffer.concat([Buffer.from(last.key), Buffer.alloc(1)])
      }
    },
    revoke: (key, request, io) =>
      connection.ask({ of: key, call: () => calls.revoke(key, request), read: countOf }, io),
    async close() {
      watch.stop()
      news.close()
      listeners.clear()
      connection.close()
    },
  }
  return watch.over(store)
}

function sourceOf(client: unknown): ReturnType<typeof sourceOfClient> {
  if ((typeof client === 'object' || typeof client === 'function') && client !== null) return sourceOfClient(client)
  throw new ConfigurationError(`postgresStore needs a client or an address, not ${String(client)}.`)
}

function ignore(): void {}
