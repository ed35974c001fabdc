/**
 * The clients that people have, told by their shape and brought to one: ioredis 5 and 6, iovalkey (the same shape), and
 * node-redis 5 and 6 (npm `redis`); each alone, as a cluster, and behind Sentinel.
 *
 * A link sends commands and opens twins: connections of our own to the same server, for the subscriber. A twin never
 * reconnects by itself, so that whoever owns it knows of every moment in which a message may have been missed.
 */
import { systemClock } from '../../base/clock.ts'
import { ConfigurationError } from '../../base/errors.ts'

/** The part of an `ioredis` or `iovalkey` client, alone or of a cluster, that this driver needs. */
export interface IoredisLike {
  readonly status: string
  call(command: string, ...args: string[]): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

/** The part of a `redis` (node-redis) client, cluster or sentinel that this driver needs. */
export interface NodeRedisLike {
  readonly isOpen: boolean
  sendCommand(...args: never[]): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

export type RedisLike = IoredisLike | NodeRedisLike

/** ready: a command is sent now. opening: it soon will be. down: not connected, and not known to be connecting. */
export type LinkState = 'ready' | 'opening' | 'down'

export interface Link {
  /** What the client itself puts before every key. */
  readonly keyPrefix: string
  readonly cluster: boolean
  state(): LinkState
  /** Resolves when ready, rejects when it did not come to that. */
  opened(): Promise<void>
  send(command: string, args: readonly string[], key: string | undefined): Promise<unknown>
  /** One for each server that holds keys. */
  masters(): Promise<readonly Link[]>
  /** Rejects if it is not connected by then. */
  twin(timeoutMs: number): Promise<Twin>
  close(): void
}

export interface Twin {
  subscribe(channel: string, message: (text: string) => void): Promise<unknown>
  ping(): Promise<unknown>
  /** Resolves once messages may have been missed; the twin is of no use any more. */
  readonly ended: Promise<void>
  close(): void
}

interface Events {
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}
interface Stream {
  readonly writableCorked: number
  cork(): void
  uncork(): void
  unref(): void
  destroy(): void
}
interface Ioredis extends Events {
  readonly status: string
  readonly isCluster?: boolean
  readonly options?: { readonly keyPrefix?: string }
  readonly stream?: Stream
  call(command: string, ...args: readonly string[]): Promise<unknown>
  connect(): Promise<unknown>
  disconnect(): void
  duplicate(options: object): object
  nodes?(role: 'master'): readonly object[]
  subscribe(channel: string): Promise<unknown>
  ping(): Promise<unknown>
}
interface NodeRedis extends Events {
  readonly isOpen: boolean
  readonly isReady?: boolean
  readonly options?: { readonly socket?: object }
  connect(): Promise<unknown>
  destroy(): unknown
  sendCommand(args: readonly string[]): Promise<unknown>
  duplicate(options: object): object
  subscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  unref(): void
}
interface NodeRedisCluster extends Events {
  readonly isOpen: boolean
  readonly isReady?: boolean
  readonly masters: readonly object[]
  nodeClient(node: object): object | Promise<object>
  sendCommand(firstKey: string | undefined, readOnly: boolean, args: readonly string[]): Promise<unknown>
  connect(): Promise<unknown>
  destroy(): unknown
}
interface NodeRedisSentinel extends Events {
  readonly isOpen: boolean
  readonly isReady: boolean
  getSentinelNode(): unknown
  sendCommand(readOnly: boolean, args: readonly string[]): Promise<unknown>
  connect(): Promise<unknown>
  destroy(): unknown
  subscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: unknown) => void): Promise<unknown>
}

/** One link a client, so that stores that share a client do not each add a listener. */
const links = new WeakMap<object, Link>()

/**
 * The client as a link. Attaches an `error` listener: without one a server restart ends the process.
 * @throws ConfigurationError  none of the clients that we know
 */
export function linkOf(client: object): Link {
  const link =
    links.get(client) ??
    (isIoredis(client)
      ? ioredisLink(client)
      : isCluster(client)
        ? clusterLink(client)
        : isSentinel(client)
          ? sentinelLink(client)
          : isNodeRedis(client)
            ? nodeRedisLink(client)
            : undefined)
  if (link !== undefined) {
    links.set(client, link)
    return link
  }
  throw new ConfigurationError(
    'This is no Redis client that holdfast knows. Pass a client of ioredis, iovalkey or redis (node-redis; not a pool, one connection is enough), or an address such as redis://localhost:6379.',
  )
}

/** A socket that keeps no process alive, now and after every reconnect. */
export function unref(client: object): void {
  if (isIoredis(client)) {
    client.on('connect', () => client.stream?.unref())
    client.on('+node', node => typeof node === 'object' && node !== null && unref(node))
  } else if (isCluster(client)) {
    const all = (): void => {
      for (const node of client.masters) void Promise.resolve(client.nodeClient(node)).then(unref, ignore)
    }
    client.on('node-ready', all)
    client.on('connect', all)
  } else if (isNodeRedis(client)) client.unref()
}

function ioredisLink(client: Ioredis): Link {
  client.on('error', ignore)
  return {
    keyPrefix: client.options?.keyPrefix ?? '',
    cluster: client.isCluster === true,
    state: () =>
      client.status === 'ready'
        ? 'ready'
        : ['wait', 'connecting', 'connect'].includes(client.status)
          ? 'opening'
          : 'down',
    opened: async () =>
      client.status === 'wait' ? void (await client.connect()) : next(client, ['ready'], ['close', 'end']),
    send(command, args) {
      together(client.stream)
      return client.call(command, ...args)
    },
    masters: async () => (client.isCluster === true && client.nodes ? client.nodes('master') : [client]).map(linkOf),
    twin: async timeoutMs =>
      ioredisTwin(anyOf(client.isCluster === true && client.nodes ? client.nodes('master') : [client]), timeoutMs),
    close: () => endIoredis(client),
  }
}

/** Streams that have written in this turn of the event loop. */
const busy = new WeakSet<Stream>()

/**
 * ioredis writes to the socket once for each command. The first of a turn goes out at once, since a single task waits
 * for it; what others send in the same turn is held back to its end and goes out as one.
 */
function together(stream: Stream | undefined): void {
  if (stream === undefined || stream.writableCorked > 0) return
  if (busy.has(stream)) {
    stream.cork()
    process.nextTick(() => stream.uncork())
    return
  }
  busy.add(stream)
  process.nextTick(() => busy.delete(stream))
}

async function ioredisTwin(of: object, timeoutMs: number): Promise<Twin> {
  if (!isIoredis(of)) throw new TypeError('a node of the cluster is no ioredis client')
  const client = of.duplicate({
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
    sentinelRetryStrategy: null,
    keyPrefix: '',
  })
  if (!isIoredis(client)) throw new TypeError('duplicate() gave no client')
  client.on('error', ignore)
  unref(client)
  const ended = next(client, ['end'], [])
  await connected(client, timeoutMs, () => endIoredis(client))
  return {
    ended,
    subscribe: (channel, message) => {
      client.on('message', (_channel, text) => message(String(text)))
      return client.subscribe(channel)
    },
    ping: () => client.ping(),
    close: () => endIoredis(client),
  }
}

/** disconnect() alone waits two seconds for a server that is stopped. */
function endIoredis(client: Ioredis): void {
  client.disconnect()
  client.stream?.destroy()
}

function nodeRedisLink(client: NodeRedis): Link {
  client.on('error', ignore)
  const link: Link = {
    keyPrefix: '',
    cluster: false,
    state: () => stateOf(client),
    opened: () => next(client, ['ready'], ['end', 'error']),
    send: (command, args) => client.sendCommand([command, ...args]),
    masters: async () => [link],
    twin: timeoutMs => nodeRedisTwin(client, timeoutMs),
    close: () => void client.destroy(),
  }
  return link
}

async function nodeRedisTwin(of: NodeRedis, timeoutMs: number): Promise<Twin> {
  const client = of.duplicate({ socket: { ...of.options?.socket, reconnectStrategy: false } })
  if (!isNodeRedis(client)) throw new TypeError('duplicate() gave no client')
  // It never reconnects, so any error is its end.
  const ended = next(client, ['end', 'error'], [])
  client.on('error', ignore)
  client.unref()
  await connected(client, timeoutMs, () => void client.destroy())
  return {
    ended,
    subscribe: (channel, message) => client.subscribe(channel, text => message(String(text))),
    ping: () => client.sendCommand(['PING']),
    close: () => void client.destroy(),
  }
}

function clusterLink(client: NodeRedisCluster): Link {
  client.on('error', ignore)
  const nodes = async (): Promise<readonly object[]> =>
    Promise.all(client.masters.map(async node => client.nodeClient(node)))
  return {
    keyPrefix: '',
    cluster: true,
    state: () => stateOf(client),
    opened: () => next(client, ['ready', 'connect'], ['end', 'error']),
    send: (command, args, key) => client.sendCommand(key, false, [command, ...args]),
    masters: async () => (await nodes()).map(linkOf),
    twin: async timeoutMs => {
      const node = anyOf(await nodes())
      if (!isNodeRedis(node)) throw new TypeError('a node of the cluster is no client')
      return nodeRedisTwin(node, timeoutMs)
    },
    close: () => void client.destroy(),
  }
}

/**
 * node-redis gives no connection of its own to the master behind Sentinel, so the subscriber is the client's: it moves
 * by itself, and a change of the topology counts as the end of the twin.
 */
function sentinelLink(client: NodeRedisSentinel): Link {
  client.on('error', ignore)
  const link: Link = {
    keyPrefix: '',
    cluster: false,
    state: () => stateOf(client),
    opened: () => next(client, ['ready', 'connect'], ['end', 'error']),
    send: (command, args) => client.sendCommand(false, [command, ...args]),
    masters: async () => [link],
    twin: async () => {
      let stop: (() => void) | undefined
      return {
        ended: next(client, ['topology-change', 'end'], []),
        subscribe: async (channel, message) => {
          const listener = (text: unknown): void => message(String(text))
          await client.subscribe(channel, listener)
          stop = () => void client.unsubscribe(channel, listener).catch(ignore)
        },
        ping: () => client.sendCommand(false, ['PING']),
        close: () => stop?.(),
      }
    },
    close: () => void Promise.resolve(client.destroy()).catch(ignore),
  }
  return link
}

/** A server that accepts but does not answer leaves connect() pending for ever. */
async function connected(client: { connect(): Promise<unknown> }, timeoutMs: number, end: () => void): Promise<void> {
  const timer = systemClock.after(timeoutMs, end, { idle: true })
  try {
    await client.connect()
  } catch (cause) {
    end()
    throw cause
  } finally {
    timer.cancel()
  }
}

function stateOf(client: { readonly isOpen: boolean; readonly isReady?: boolean }): LinkState {
  return !client.isOpen ? 'down' : (client.isReady ?? true) ? 'ready' : 'opening'
}

/** Resolves at the first of the `good` events, rejects at the first of the `bad`. */
function next(client: Events, good: readonly string[], bad: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      for (const event of good) client.off(event, pass)
      for (const event of bad) client.off(event, fail)
      act()
    }
    const pass = (): void => settle(resolve)
    const fail = (cause?: unknown): void =>
      settle(() => reject(cause instanceof Error ? cause : new Error('the connection was closed')))
    for (const event of good) client.on(event, pass)
    for (const event of bad) client.on(event, fail)
  })
}

function anyOf(nodes: readonly object[]): object {
  const node = nodes[Math.floor(systemClock.random() * nodes.length)]
  if (node === undefined) throw new Error('no master of the cluster is known')
  return node
}

function can(value: object, ...methods: readonly string[]): boolean {
  return methods.every(method => typeof Reflect.get(value, method) === 'function')
}

function isIoredis(client: object): client is Ioredis {
  return (
    'status' in client &&
    typeof client.status === 'string' &&
    can(client, 'call', 'duplicate', 'connect', 'disconnect', 'on', 'off')
  )
}

function isNodeRedis(client: object): client is NodeRedis {
  return (
    'isOpen' in client &&
    typeof client.isOpen === 'boolean' &&
    can(client, 'sendCommand', 'duplicate', 'subscribe', 'unref', 'on', 'off')
  )
}

function isCluster(client: object): client is NodeRedisCluster {
  return 'isOpen' in client && can(client, 'sendCommand', 'nodeClient', 'on', 'off')
}

function isSentinel(client: object): client is NodeRedisSentinel {
  return 'isOpen' in client && can(client, 'sendCommand', 'getSentinelNode', 'subscribe', 'on', 'off')
}

/** The calls that fail tell it; an event tells it to nobody a second time. */
function ignore(): void {}
