/**
 * Addresses of Redis and Valkey, and opening them with whichever client package is installed.
 *
 *   redis://user:password@host:6379/0        rediss:// with TLS; valkey:// and valkeys:// the same
 *   redis+sentinel://host:26379,host:26379/NAME/0
 *   redis+cluster://host:6379,host:6379      rediss+sentinel:// and rediss+cluster:// with TLS
 *
 * A client that we open is thrown away when its connection ends and a new one is made at the next call. It neither
 * queues commands nor sends them twice: a command that runs after its caller gave up would take a lock for nobody.
 */
import { withoutPassword } from '../../base/address.ts'
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import { within } from './deadline.ts'
import { linkOf, unref } from './links.ts'
import type { Link } from './links.ts'

export type ClientPackage = 'ioredis' | 'iovalkey' | 'redis'

/** As `tls.connect` takes them, for an authority or a certificate of one's own. */
export interface RedisTls {
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

/** What the Sentinels themselves want to know; user and password of the address are the server's. */
export interface SentinelLogin {
  readonly username?: string
  readonly password?: string
}

export interface OpenOptions {
  readonly package?: ClientPackage
  readonly protocol?: 2 | 3
  readonly tls?: RedisTls
  readonly sentinel?: SentinelLogin
}

export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** Of the primary, as the Sentinels call it. */
  readonly name: string
  readonly tls: boolean
  readonly valkey: boolean
  /** Without the password: for people. */
  readonly shown: string
}

const FORM = /^(redis|rediss|valkey|valkeys)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#]*)((?:\/[^?#]*)?)$/
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/
const FORMS =
  'redis://host:6379/0, rediss://user:password@host, redis+sentinel://host:26379,host:26379/NAME, redis+cluster://host:6379,host:6379'

/** @throws ConfigurationError */
export function parseAddress(address: string): RedisAddress {
  const match = FORM.exec(address)
  const refuse = (why: string): never => {
    throw new ConfigurationError(
      `"${withoutPassword(address)}" is no address of a Redis: ${why}. Write one like ${FORMS}.`,
    )
  }
  if (!match) return refuse('its form is unknown')
  const [, scheme = '', kind, login, places = '', path = ''] = match
  const parts = path.split('/').slice(1)
  const name = kind === 'sentinel' ? decode(parts.shift() ?? '') : ''
  if (kind === 'sentinel' && name === '') refuse('the name of the primary, as the Sentinels know it, is missing')
  const database = parts.shift() ?? ''
  if (!/^\d{0,5}$/.test(database) || parts.length > 0)
    refuse(`the database must be a number, not "${[database, ...parts].join('/')}"`)
  if (kind === 'cluster' && Number(database) !== 0) refuse('a cluster has database 0 only')
  const hosts = (places === '' ? 'localhost' : places).split(',').map(place => {
    const [, six, host = six, port] = HOST.exec(place) ?? []
    if (host === undefined || Number(port) > 65_535)
      return refuse('where host and port should be, there is something else')
    return { host, port: Number(port ?? (kind === 'sentinel' ? 26_379 : 6_379)) }
  })
  if (kind === undefined && hosts.length > 1)
    refuse('it names several servers; say redis+cluster:// or redis+sentinel://, or redlock:// for independent ones')
  const [username = '', ...rest] = (login ?? '').split(':')
  return {
    kind: kind === 'sentinel' || kind === 'cluster' ? kind : 'single',
    hosts,
    username: username === '' ? undefined : decode(username),
    password: rest.length === 0 ? undefined : decode(rest.join(':')),
    database: Number(database),
    name,
    tls: scheme.endsWith('s') && scheme !== 'redis',
    valkey: scheme.startsWith('valkey'),
    shown: withoutPassword(address),
  }
}

/** Makes a client that is not connected yet. @throws ConfigurationError  no client package is installed */
export async function dial(
  address: RedisAddress,
  options: OpenOptions,
): Promise<{ readonly link: Link; connect(): Promise<unknown> }> {
  const { name, module } = await installed(address, options.package)
  const client =
    name !== 'redis'
      ? ioredis(module, address, options)
      : address.kind === 'cluster'
        ? nodeRedisCluster(module, address, options)
        : await nodeRedis(module, address, options)
  const link = linkOf(client)
  unref(client)
  let told: unknown
  method(client, 'on', 'error', (cause: unknown) => (told = cause))
  return {
    link,
    async connect() {
      try {
        await method(client, 'connect')
      } catch (cause) {
        // ioredis rejects with "Connection is closed" and tells the reason, such as a wrong password, by the event
        // alone.
        throw told ?? cause
      }
    },
  }
}

function ioredis(module: object, address: RedisAddress, options: OpenOptions): object {
  const [{ host, port } = { host: 'localhost', port: 6_379 }] = address.hosts
  const tls = address.tls ? { tls: { ...options.tls } } : {}
  const server = {
    ...defined({ username: address.username, password: address.password, protocol: options.protocol }),
    ...tls,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
    autoResendUnfulfilledCommands: false,
  }
  if (address.kind === 'cluster') {
    return construct(module, 'Cluster', address.hosts, {
      redisOptions: server,
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: null,
      ...(address.tls ? { dnsLookup: asItIs } : {}),
    })
  }
  const common = { ...server, enableOfflineQueue: false, db: address.database }
  if (address.kind === 'single') return construct(module, 'Redis', { ...common, host, port })
  const sentinels = {
    sentinels: address.hosts,
    name: address.name,
    sentinelRetryStrategy: null,
    sentinelCommandTimeout: SENTINEL_MS,
    enableTLSForSentinelMode: address.tls,
    ...defined({ sentinelUsername: options.sentinel?.username, sentinelPassword: options.sentinel?.password }),
  }
  return construct(module, 'Redis', {
    ...common,
    ...sentinels,
    ...(address.tls ? { sentinelTLS: { ...options.tls } } : {}),
  })
}

function nodeRedisSettings(
  address: RedisAddress,
  options: OpenOptions,
): { readonly common: object; readonly socket: object } {
  const common = {
    ...defined({ username: address.username, password: address.password, RESP: options.protocol }),
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
  }
  return {
    common,
    socket: {
      reconnectStrategy: false,
      connectTimeout: CONNECT_MS,
      ...(address.tls ? { tls: true, ...options.tls } : {}),
    },
  }
}

function nodeRedisCluster(module: object, address: RedisAddress, options: OpenOptions): object {
  const { common, socket } = nodeRedisSettings(address, options)
  return made(module, 'createCluster', {
    rootNodes: address.hosts.map(place => ({ socket: { ...socket, ...place } })),
    defaults: { ...common, socket },
  })
}

async function nodeRedis(module: object, address: RedisAddress, options: OpenOptions): Promise<object> {
  const { common, socket } = nodeRedisSettings(address, options)
  const place = address.kind === 'sentinel' ? await primaryOf(module, address, options) : address.hosts[0]
  return made(module, 'createClient', { ...common, database: address.database, socket: { ...socket, ...place } })
}

/**
 * Where the primary is, by the first Sentinel that knows. The Sentinel client of node-redis keeps the process alive and
 * does not tell when its subscriber was cut off; a client of ours goes with its connection anyway, and the next asks
 * again.
 */
async function primaryOf(
  module: object,
  address: RedisAddress,
  options: OpenOptions,
): Promise<{ readonly host: string; readonly port: number }> {
  const { socket } = nodeRedisSettings(address, options)
  let failed: unknown
  for (const sentinel of address.hosts) {
    const client = made(module, 'createClient', {
      ...defined({ ...options.sentinel, RESP: options.protocol }),
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
      socket: { ...socket, ...sentinel },
    })
    const link = linkOf(client)
    unref(client)
    const late = (): StoreUnavailableError =>
      new StoreUnavailableError(
        `The Sentinel ${sentinel.host}:${sentinel.port} did not answer within ${SENTINEL_MS} ms.`,
        { ambiguous: false },
      )
    const asked = async (): Promise<unknown> => {
      await method(client, 'connect')
      return link.send('sentinel', ['get-master-addr-by-name', address.name], undefined)
    }
    try {
      const place = await within({ timeoutMs: SENTINEL_MS, idle: true }, asked(), late)
      if (Array.isArray(place)) return { host: String(place[0]), port: Number(place[1]) }
      failed = new ConfigurationError(
        `The Sentinel ${sentinel.host}:${sentinel.port} knows no primary called "${address.name}".`,
      )
    } catch (cause) {
      failed = cause
    } finally {
      link.close()
    }
  }
  throw failed
}

const CONNECT_MS = 5_000
/** A Sentinel that hangs must leave time for the next. */
const SENTINEL_MS = 1_000

/** A certificate names hosts, not the addresses that they have. */
function asItIs(host: string, callback: (error: null, host: string) => void): void {
  callback(null, host)
}

async function installed(
  address: RedisAddress,
  wanted: ClientPackage | undefined,
): Promise<{ readonly name: ClientPackage; readonly module: object }> {
  const names: readonly ClientPackage[] =
    wanted !== undefined
      ? [wanted]
      : address.valkey
        ? ['iovalkey', 'ioredis', 'redis']
        : ['ioredis', 'iovalkey', 'redis']
  for (const name of names) {
    try {
      const module: unknown = await import(name)
      if (typeof module === 'object' && module !== null) return { name, module }
    } catch (cause) {
      if (!isMissing(cause, name))
        throw new ConfigurationError(`The package "${name}" is installed but does not load.`, { cause })
    }
  }
  const one = address.valkey ? 'iovalkey' : 'ioredis'
  throw new ConfigurationError(
    `To open ${address.shown} a client package is needed${wanted === undefined ? '' : ` ("${wanted}" was asked for)`}: npm install ${wanted ?? one}${wanted === undefined ? ' (or redis)' : ''}.`,
  )
}

function isMissing(cause: unknown, name: string): boolean {
  return (
    cause instanceof Error &&
    'code' in cause &&
    cause.code === 'ERR_MODULE_NOT_FOUND' &&
    cause.message.includes(`'${name}'`)
  )
}

function construct(module: object, name: string, ...options: readonly object[]): object {
  const member: unknown = Reflect.get(module, name)
  if (typeof member !== 'function')
    throw new ConfigurationError(
      `The installed client package exports no ${name}: it is older than holdfast supports. Update it.`,
    )
  const client: unknown = Reflect.construct(member, options)
  if (typeof client === 'object' && client !== null) return client
  throw new TypeError(`${name} made no object`)
}

function made(module: object, name: string, options: object): object {
  const client = method(module, name, options)
  if (typeof client === 'object' && client !== null) return client
  throw new TypeError(`${name}() made no object`)
}

function method(of: object, name: string, ...values: readonly unknown[]): unknown {
  const member: unknown = Reflect.get(of, name)
  if (typeof member !== 'function')
    throw new ConfigurationError(
      `The installed client package has no ${name}(): it is older than holdfast supports. Update it.`,
    )
  const result: unknown = Reflect.apply(member, of, values)
  return result
}

function defined(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new ConfigurationError('The address has a "%" that is no %-escape. Write %25 for a "%" itself.', { cause })
  }
}
