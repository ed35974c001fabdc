/**
 * Redis and Valkey: one primary, a cluster, or one behind Sentinel.
 *
 * A lock is one hash with its tickets in order (redis/scripts.ts). One script a verb, so a verb is atomic and costs one
 * round trip. Time is the server's; no ticket ever has more than its own ttl left, so a clock set back cannot stretch a
 * lease. Whoever comes to hold is told on the channel of the store that its ticket came from, and nobody else is.
 *
 * Guarantee: volatile. A failover may forget the newest tickets, and a server without an append-only file forgets all
 * when it is restarted; tokens keep growing all the same, so fenced resources refuse the loser. Where that is not
 * enough use postgres, etcd or redlock.
 */
import { systemClock } from '../base/clock.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type {
  Entry,
  Io,
  LockView,
  Renewal,
  RenewRequest,
  Store,
  StoreListener,
  StoreTraits,
  Was,
} from '../store/contract.ts'
import type { ClientPackage, RedisTls, SentinelLogin } from './redis/address.ts'
import { cellOf, enterWords, entryOf, leaveOf, leaveWords, lockOf, micros, renewalsOf } from './redis/answers.ts'
import type { RedisLike } from './redis/client.ts'
import { connect } from './redis/connection.ts'
import { createNews } from './redis/news.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'
import { ENTER, ENTERS, LEAVE, LEAVES, LOOK, RENEW, REVOKE } from './redis/statements.ts'
import { createSteps, createTurn } from './redis/steps.ts'

export type { ClientPackage, RedisTls, SentinelLogin } from './redis/address.ts'
export type { IoredisLike, NodeRedisLike, RedisLike } from './redis/client.ts'

export interface RedisStoreOptions {
  /** Put before every key, so that two applications on one server do not meet. */
  readonly namespace?: string
  /** What all names on the server, of keys and channels, begin with. Default: holdfast. */
  readonly prefix?: string
  /**
   * How far the server's clock may step, and the clocks of primary and replica differ, before exclusion may break.
   * Default: 10.
   */
  readonly clockErrorMs?: number
  /** For an address: which package to open it with. Default: whichever is installed. */
  readonly package?: ClientPackage
  /** For an address: the version of the protocol. Default: the client's. */
  readonly protocol?: 2 | 3
  /** For an address with TLS: an authority or a certificate of your own. */
  readonly tls?: RedisTls
  /** For an address of Sentinels that want a password themselves. */
  readonly sentinel?: SentinelLogin
}

const OPTIONS: Known<RedisStoreOptions> = {
  ...{ namespace: true, prefix: true, clockErrorMs: true },
  ...{ package: true, protocol: true, tls: true, sentinel: true },
}
const CLOCK_ERROR_MS = 10
/** How long a revoked waiter's id stays forbidden at least: its owner asks every few seconds. */
const REVOKED_MS = 60_000

/**
 * Locks on a server that `client` (ioredis 5 or 6, iovalkey, redis 5 or 6) is connected to, or at an address. A client
 * that is passed stays yours: it is never closed, and needs one more connection, which is made with its options, to
 * subscribe.
 * @throws ConfigurationError  neither a client that we know nor an address
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { redisStore } from 'holdfast/redis'
 * import { Redis } from 'ioredis'
 *
 * const locks = createLocks(redisStore(new Redis(), { namespace: 'shop' }))
 * ```
 */
export function redisStore(client: RedisLike | string, options: RedisStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'redisStore')
  const clockErrorMs = clockErrorOf(options, CLOCK_ERROR_MS)
  const connection = connect(client, options)
  const base = `${options.prefix ?? 'holdfast'}:${encodeURIComponent(namespaceOf(options))}:`
  const channel = `${base}push:${systemClock.id()}`
  const listeners = new Set<StoreListener>()
  const nameOf = (key: string): string => base + key
  /** A client of the user's may put something before every key; the server's scripts see it. */
  const keyOf = (name: string): string => name.slice(connection.keyPrefix.length + base.length)

  const gap = (): void => {
    for (const listener of listeners) listener.gap()
  }
  const news = createNews(connection, channel, {
    gap,
    news(one) {
      for (const listener of listeners) {
        if ('tokens' in one) listener.holds(keyOf(one.name), one.tokens)
        else listener.revoked(keyOf(one.name), one.token, one.reason)
      }
    },
  })
  const turn = createTurn()
  const leaves = createSteps<{ readonly was: Was }>(connection, { one: LEAVE, many: LEAVES, turn })
  const enters = createSteps<Entry>(connection, { one: ENTER, many: ENTERS, turn })

  const traits: StoreTraits = {
    name: 'redis',
    guarantee: 'volatile',
    reach: 'network',
    fencing: true,
    queue: true,
    shared: true,
    limit: true,
    keep: true,
    clock: 'store',
    clockErrorMs,
    minTtlMs: 50,
    maxTokens: 1_000_000,
  }

  async function renewTogether(renewals: readonly RenewRequest[], io: Io): Promise<readonly Renewal[]> {
    const args = renewals.flatMap(({ id, ttlMs }) => [cellOf(id), micros(ttlMs)])
    const keys = renewals.map(({ key }) => nameOf(key))
    return connection.run({ script: RENEW, keys, args, read: renewalsOf }, io)
  }

  async function look(key: string, io: Io): Promise<LockView | null> {
    const read = (answer: string): LockView | null => lockOf(key, answer)
    return connection.run({ script: LOOK, keys: [nameOf(key)], args: [], read }, io)
  }

  return {
    traits,
    connect: io => connection.ready(io),
    enter(request, io) {
      const { key, id } = request
      return enters.run({ key: nameOf(key), id: cellOf(id), words: enterWords(request, channel), read: entryOf }, io)
    },
    async renew(renewals, io) {
      if (renewals.length === 0) return []
      if (!connection.cluster) return renewTogether(renewals, io)
      // Keys of a cluster hardly ever share a slot, and only those that do may share a call. The calls go out together.
      const answers = await Promise.allSettled(renewals.map(renewal => renewTogether([renewal], io)))
      return answers.map(answer =>
        answer.status === 'fulfilled'
          ? (answer.value[0] ?? { status: 'unknown', cause: answer })
          : { status: 'unknown', cause: answer.reason },
      )
    },
    leave(request, io) {
      const { key, id } = request
      const read = (answer: string): { readonly was: Was } => {
        const { was, holds } = leaveOf(answer)
        if (holds.length > 0) for (const listener of listeners) listener.holds(key, holds)
        return { was }
      }
      const left = leaves.run({ key: nameOf(key), id: cellOf(id), words: leaveWords(request, channel), read }, io)
      left.catch((cause: unknown) => {
        // The answer that is lost may have named who holds now.
        if (cause instanceof StoreUnavailableError && cause.ambiguous) gap()
      })
      return left
    },
    async listen(listener) {
      await news.start()
      listeners.add(listener)
      return { [Symbol.asyncDispose]: async () => void listeners.delete(listener) }
    },
    inspect: look,
    async *list(prefix, io) {
      const seen = new Set<string>()
      for await (const names of connection.scan(`${glob(connection.keyPrefix + nameOf(prefix))}*`, io)) {
        const keys = names.map(keyOf).filter(key => !seen.has(key))
        for (const key of keys) seen.add(key)
        for (const lock of await Promise.all([...new Set(keys)].map(key => look(key, io))))
          if (lock !== null) yield lock
      }
    },
    async revoke(key, { tickets, reason, now }, io) {
      const args = [String(tickets), JSON.stringify(reason), now ? '1' : '0', micros(REVOKED_MS)]
      return connection.run({ script: REVOKE, keys: [nameOf(key)], args, read: Number }, io)
    },
    async close() {
      news.close()
      listeners.clear()
      await connection.close()
    },
  }
}

/** Text that a pattern of Redis takes as it is. */
function glob(text: string): string {
  return text.replace(/[*?[\]\\^-]/g, '\\$&')
}
