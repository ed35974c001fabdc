/** node-redis 5 and 6 (npm `redis`): alone, as a cluster, and behind Sentinel. */
import { within } from '../../../base/deadline.ts'
import { ConfigurationError, StoreUnavailableError } from '../../../base/errors.ts'
import { endingLate } from '../../shared/connection.ts'
import { can, defined, made } from '../../shared/package.ts'
import type { Ear } from '../../shared/subscription.ts'
import type { OpenOptions, Place, RedisAddress } from '../address.ts'
import { anyOf, ignore, next, oneLink } from '../link.ts'
import type { Channel, Events, Link, LinkState } from '../link.ts'

/** The part of a `redis` (node-redis) client, cluster or sentinel that this driver needs. */
export interface NodeRedisLike {
  readonly isOpen: boolean
  sendCommand(...args: never[]): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

interface AnyClient extends Events {
  readonly isOpen: boolean
  readonly isReady?: boolean
  connect(): Promise<unknown>
  destroy(): unknown
}
interface Client extends AnyClient {
  readonly options?: { readonly socket?: object }
  sendCommand(args: readonly string[]): Promise<unknown>
  duplicate(options: object): object
  subscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
  unref(): void
}
interface Cluster extends AnyClient {
  readonly masters: readonly object[]
  nodeClient(node: object): object | Promise<object>
  sendCommand(firstKey: string | undefined, readOnly: boolean, args: readonly string[]): Promise<unknown>
}
interface Sentinel extends AnyClient {
  sendCommand(readOnly: boolean, args: readonly string[]): Promise<unknown>
  subscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
}

/** A Sentinel that hangs must leave time for the next. */
const SENTINEL_MS = 1_000

/** undefined: a client of another make. */
export function nodeRedisLink(client: object): Link | undefined {
  if (isCluster(client)) return oneLink(client, () => clusterLink(client))
  if (isSentinel(client)) return oneLink(client, () => sentinelLink(client))
  return isClient(client) ? oneLink(client, () => clientLink(client)) : undefined
}

function clientLink(client: Client): Link {
  client.on('error', ignore)
  const link: Link = {
    keyPrefix: '',
    cluster: false,
    state: () => stateOf(client),
    opened: () => next(client, ['ready'], ['end', 'error']),
    send: (command, args) => client.sendCommand([command, ...args]),
    masters: async () => [link],
    hear: (channel, timeoutMs) => hear(client, channel, timeoutMs),
    close: () => void client.destroy(),
  }
  return link
}

async function hear(of: object, channel: Channel, timeoutMs: number): Promise<Ear> {
  const client = isClient(of) ? of.duplicate({ socket: { ...of.options?.socket, reconnectStrategy: false } }) : of
  if (!isClient(client)) throw new TypeError('a node of the cluster is no client')
  // It never reconnects, so any error is its end.
  client.on('error', channel.ended)
  client.on('end', channel.ended)
  client.unref()
  const subscribed = async (): Promise<void> => {
    await client.connect()
    await client.subscribe(channel.name, text => channel.message(String(text)))
  }
  await endingLate(subscribed, { timeoutMs, end: () => end(client) })
  return { ping: () => client.sendCommand(['PING']), close: () => end(client) }
}

function clusterLink(client: Cluster): Link {
  client.on('error', ignore)
  const nodes = async (): Promise<readonly object[]> =>
    Promise.all(client.masters.map(async node => client.nodeClient(node)))
  return {
    keyPrefix: '',
    cluster: true,
    state: () => stateOf(client),
    opened: () => next(client, ['ready', 'connect'], ['end', 'error']),
    send: (command, args, key) => client.sendCommand(key, false, [command, ...args]),
    masters: async () => (await nodes()).flatMap(node => nodeRedisLink(node) ?? []),
    hear: async (channel, timeoutMs) => hear(anyOf(await nodes()), channel, timeoutMs),
    close: () => void client.destroy(),
  }
}

/**
 * node-redis gives no connection of its own to the master behind Sentinel, so the subscriber is the client's: it moves
 * by itself, and a change of the topology counts as the end of what was heard.
 */
function sentinelLink(client: Sentinel): Link {
  client.on('error', ignore)
  const link: Link = {
    keyPrefix: '',
    cluster: false,
    state: () => stateOf(client),
    opened: () => next(client, ['ready', 'connect'], ['end', 'error']),
    send: (command, args) => client.sendCommand(false, [command, ...args]),
    masters: async () => [link],
    async hear({ name, message, ended }) {
      const listener = (text: unknown): void => message(String(text))
      const close = (): void => {
        client.off('topology-change', ended)
        client.off('end', ended)
        void client.unsubscribe(name, listener).catch(ignore)
      }
      client.on('topology-change', ended)
      client.on('end', ended)
      await client.subscribe(name, listener).catch((cause: unknown) => {
        close()
        throw cause
      })
      return { ping: () => client.sendCommand(false, ['PING']), close }
    },
    close: () => void Promise.resolve(client.destroy()).catch(ignore),
  }
  return link
}

export async function openNodeRedis(
  module: object,
  address: RedisAddress,
  options: OpenOptions & { readonly timeoutMs: number },
): Promise<Link> {
  const { common, socket } = settingsOf(address, options)
  const login = { ...common, ...defined({ username: address.username, password: address.password }) }
  if (address.kind === 'cluster') {
    const rootNodes = address.hosts.map(place => ({ socket: { ...socket, ...place } }))
    const cluster = made(module, 'createCluster', { rootNodes, defaults: { ...login, socket } })
    if (!isCluster(cluster)) throw new TypeError('the package made no cluster')
    unrefNodes(cluster)
    return connected(cluster, () => clusterLink(cluster), options.timeoutMs)
  }
  const place = address.kind === 'sentinel' ? await primaryOf(module, address, options) : address.hosts[0]
  const client = clientAt(module, { ...login, database: address.database, socket: { ...socket, ...place } })
  return connected(client, () => clientLink(client), options.timeoutMs)
}

async function connected(client: AnyClient, link: () => Link, timeoutMs: number): Promise<Link> {
  client.on('error', ignore)
  await endingLate(() => client.connect(), { timeoutMs, end: () => end(client) })
  return oneLink(client, link)
}

function clientAt(module: object, settings: object): Client {
  const client = made(module, 'createClient', settings)
  if (!isClient(client)) throw new TypeError('the package made no client')
  client.unref()
  return client
}

function settingsOf(
  address: RedisAddress,
  { protocol, tls, timeoutMs }: OpenOptions & { readonly timeoutMs: number },
): { readonly common: object; readonly socket: object } {
  return {
    common: { ...defined({ RESP: protocol }), disableOfflineQueue: true, maintNotifications: 'disabled' },
    socket: { reconnectStrategy: false, connectTimeout: timeoutMs, ...(address.tls ? { tls: true, ...tls } : {}) },
  }
}

/**
 * Where the primary is, by the first Sentinel that knows. The Sentinel client of node-redis keeps the process alive and
 * does not tell when its subscriber was cut off; a client of ours goes with its connection anyway, and the next asks
 * again.
 */
async function primaryOf(
  module: object,
  address: RedisAddress,
  options: OpenOptions & { readonly timeoutMs: number },
): Promise<Place> {
  const { common, socket } = settingsOf(address, options)
  let failed: unknown
  for (const sentinel of address.hosts) {
    const where = `The Sentinel ${sentinel.host}:${sentinel.port}`
    const client = clientAt(module, { ...common, ...options.sentinel, socket: { ...socket, ...sentinel } })
    client.on('error', ignore)
    const asked = async (): Promise<unknown> => {
      await client.connect()
      return client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', address.name])
    }
    const late = (): never => {
      throw new StoreUnavailableError(`${where} did not answer within ${SENTINEL_MS} ms.`, { ambiguous: false })
    }
    try {
      const place = await within(asked(), { timeoutMs: SENTINEL_MS, idle: true, late })
      if (Array.isArray(place)) return { host: String(place[0]), port: Number(place[1]) }
      failed = new ConfigurationError(`${where} knows no primary called "${address.name}".`)
    } catch (cause) {
      failed = cause
    } finally {
      end(client)
    }
  }
  throw failed
}

function unrefNodes(cluster: Cluster): void {
  const unref = (node: object): void => {
    if (isClient(node)) node.unref()
  }
  const all = (): void => {
    for (const node of cluster.masters) void Promise.resolve(cluster.nodeClient(node)).then(unref, ignore)
  }
  cluster.on('node-ready', all)
  cluster.on('connect', all)
}

/** It throws if it was closed already. */
function end(client: AnyClient): void {
  if (client.isOpen) client.destroy()
}

function stateOf(client: AnyClient): LinkState {
  return !client.isOpen ? 'down' : (client.isReady ?? true) ? 'ready' : 'opening'
}

function isAny(client: object): client is AnyClient {
  return 'isOpen' in client && typeof client.isOpen === 'boolean' && can(client, 'sendCommand', 'on', 'off')
}

function isClient(client: object): client is Client {
  return isAny(client) && can(client, 'duplicate', 'subscribe', 'unref')
}

function isCluster(client: object): client is Cluster {
  return isAny(client) && can(client, 'nodeClient')
}

function isSentinel(client: object): client is Sentinel {
  return isAny(client) && can(client, 'getSentinelNode', 'subscribe')
}
