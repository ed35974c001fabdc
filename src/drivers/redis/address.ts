/**
 * Addresses of Redis and Valkey.
 *
 *   redis://user:password@host:6379/0        rediss:// with TLS; valkey:// and valkeys:// the same
 *   redis+sentinel://host:26379,host:26379/NAME/0
 *   redis+cluster://host:6379,host:6379      rediss+sentinel:// and rediss+cluster:// with TLS
 */
import { parseAddress, refuseAddress } from '../shared/address.ts'

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

export interface Place {
  readonly host: string
  readonly port: number
}

export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly hosts: readonly [Place, ...Place[]]
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

const FORM = {
  of: 'a Redis',
  examples: [
    'redis://host:6379/0',
    'rediss://user:password@host',
    'redis+sentinel://host:26379,host:26379/NAME',
    'redis+cluster://host:6379,host:6379',
  ],
}
const SCHEME = /^(redis|valkey)(s?)(?:\+(sentinel|cluster))?$/

/** @throws ConfigurationError */
export function redisAddress(text: string): RedisAddress {
  const { scheme, hosts, path, parameters, username, password, shown } = parseAddress(text, FORM)
  const [, server, secure, group] = SCHEME.exec(scheme) ?? []
  const kind = group === 'sentinel' || group === 'cluster' ? group : 'single'
  const refuse = (why: string): never => refuseAddress(text, { ...FORM, why })
  if (server === undefined) refuse('its form is unknown')
  if (parameters.size > 0) refuse('it takes no parameters')
  const [name = '', ...rest] = kind === 'sentinel' ? path : ['', ...path]
  if (kind === 'sentinel' && name === '') refuse('the name of the primary, as the Sentinels know it, is missing')
  const [database = '', ...more] = rest
  if (!/^\d{0,5}$/.test(database) || more.length > 0) refuse(`the database must be a number, not "${rest.join('/')}"`)
  if (kind === 'cluster' && Number(database) !== 0) refuse('a cluster has database 0 only')
  const usual = kind === 'sentinel' ? 26_379 : 6_379
  const [first = { host: 'localhost', port: usual }, ...others] = hosts.map(({ host, port = usual }) => ({
    host,
    port,
  }))
  if (kind === 'single' && others.length > 0)
    refuse('it names several servers; say redis+cluster:// or redis+sentinel://, or redlock:// for independent ones')
  return {
    kind,
    hosts: [first, ...others],
    username,
    password,
    database: Number(database),
    name,
    tls: secure === 's',
    valkey: server === 'valkey',
    shown,
  }
}
