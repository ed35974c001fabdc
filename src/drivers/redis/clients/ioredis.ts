/** ioredis 5 and 6, and iovalkey, which has the same shape: alone, as a cluster, and behind Sentinel. */
import { can, construct, defined } from '../../shared/package.ts'
import { endingLate } from '../../shared/connection.ts'
import type { OpenOptions, RedisAddress } from '../address.ts'
import { anyOf, ignore, next, oneLink } from '../link.ts'
import type { Channel, Events, Link } from '../link.ts'
import type { Ear } from '../../shared/subscription.ts'

/** The part of an `ioredis` or `iovalkey` client, alone or of a cluster, that this driver needs. */
export interface IoredisLike {
  readonly status: string
  call(command: string, ...args: string[]): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

interface Ioredis extends Events {
  readonly status: string
  readonly isCluster?: boolean
  readonly options?: { readonly keyPrefix?: string }
  readonly stream?: { unref(): void; destroy(): void }
  call(command: string, ...args: readonly string[]): Promise<unknown>
  connect(): Promise<unknown>
  disconnect(): void
  duplicate(options: object): object
  nodes?(role: 'master'): readonly object[]
  subscribe(channel: string): Promise<unknown>
  ping(): Promise<unknown>
}

const OPENING = new Set(['wait', 'connecting', 'connect'])
/** A Sentinel that hangs must leave time for the next. */
const SENTINEL_MS = 1_000

/** undefined: a client of another make. */
export function ioredisLink(client: object): Link | undefined {
  return isIoredis(client) ? oneLink(client, () => linkTo(client)) : undefined
}

function linkTo(client: Ioredis): Link {
  client.on('error', ignore)
  const masters = (): readonly object[] =>
    client.isCluster === true && client.nodes ? client.nodes('master') : [client]
  return {
    keyPrefix: client.options?.keyPrefix ?? '',
    cluster: client.isCluster === true,
    state: () => (client.status === 'ready' ? 'ready' : OPENING.has(client.status) ? 'opening' : 'down'),
    opened: async () =>
      client.status === 'wait' ? void (await client.connect()) : next(client, ['ready'], ['close', 'end']),
    send: (command, args) => client.call(command, ...args),
    masters: async () => masters().flatMap(node => ioredisLink(node) ?? []),
    hear: async (channel, timeoutMs) => hear(anyOf(masters()), channel, timeoutMs),
    close: () => end(client),
  }
}

async function hear(of: object, channel: Channel, timeoutMs: number): Promise<Ear> {
  const client = isIoredis(of) ? of.duplicate({ ...ONCE, enableOfflineQueue: false, keyPrefix: '' }) : of
  if (!isIoredis(client)) throw new TypeError('a node of the cluster is no ioredis client')
  client.on('error', ignore)
  client.on('end', channel.ended)
  client.on('message', (_name, text) => channel.message(String(text)))
  unref(client)
  const subscribed = async (): Promise<void> => {
    await client.connect()
    await client.subscribe(channel.name)
  }
  await endingLate(subscribed, { timeoutMs, end: () => end(client) })
  return { ping: () => client.ping(), close: () => end(client) }
}

/** Connects once, and neither queues nor repeats anything. */
const ONCE = {
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  retryStrategy: null,
  sentinelRetryStrategy: null,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
}

export async function openIoredis(
  module: object,
  address: RedisAddress,
  options: OpenOptions & { readonly timeoutMs: number },
): Promise<Link> {
  const client = clientFor(module, address, options)
  if (!isIoredis(client)) throw new TypeError('the package made no client')
  unref(client)
  let told: unknown
  client.on('error', cause => (told = cause))
  const { timeoutMs } = options
  await endingLate(() => client.connect(), { timeoutMs, end: () => end(client) }).catch((cause: unknown) => {
    // It rejects with "Connection is closed" and tells the reason, such as a wrong password, by the event alone.
    throw told ?? cause
  })
  return oneLink(client, () => linkTo(client))
}

function clientFor(
  module: object,
  address: RedisAddress,
  options: OpenOptions & { readonly timeoutMs: number },
): object {
  const { username, password, kind, hosts, name } = address
  const tls = { ...options.tls }
  const server = {
    ...ONCE,
    ...defined({ username, password, protocol: options.protocol, tls: address.tls ? tls : undefined }),
    connectTimeout: options.timeoutMs,
  }
  if (kind === 'cluster') {
    const settings = { redisOptions: server, lazyConnect: true, enableOfflineQueue: false, clusterRetryStrategy: null }
    return construct(module, 'Cluster', hosts, { ...settings, ...(address.tls ? { dnsLookup: asItIs } : {}) })
  }
  const one = { ...server, enableOfflineQueue: false, db: address.database }
  if (kind === 'single') return construct(module, 'Redis', { ...one, ...hosts[0] })
  return construct(module, 'Redis', {
    ...one,
    sentinels: hosts,
    name,
    sentinelCommandTimeout: SENTINEL_MS,
    enableTLSForSentinelMode: address.tls,
    ...defined({
      sentinelUsername: options.sentinel?.username,
      sentinelPassword: options.sentinel?.password,
      sentinelTLS: address.tls ? tls : undefined,
    }),
  })
}

/** A certificate names hosts, not the addresses that they have. */
function asItIs(host: string, callback: (error: null, host: string) => void): void {
  callback(null, host)
}

/** A socket that keeps no process alive, now and after every reconnect. */
function unref(client: Ioredis): void {
  client.on('connect', () => client.stream?.unref())
  client.on('+node', node => typeof node === 'object' && node !== null && isIoredis(node) && unref(node))
}

/** disconnect() alone waits two seconds for a server that is stopped. */
function end(client: Ioredis): void {
  client.disconnect()
  client.stream?.destroy()
}

function isIoredis(client: object): client is Ioredis {
  return (
    'status' in client &&
    typeof client.status === 'string' &&
    can(client, 'call', 'duplicate', 'connect', 'disconnect', 'on', 'off')
  )
}
