/**
 * The servers of an address, each with a connection of its own, and which of them has a lock.
 *
 * A lock belongs to the server that scores highest for it (rendezvous hashing: Thaler and Ravishankar 1998, Using
 * name-based mappings to increase hit rates). All who name the same servers agree, in whatever order they name them;
 * one more server takes over its share of the locks, and moves no other. A server that is down keeps its locks: if they
 * went to another, that one would not know who holds.
 */
import { createHash } from 'node:crypto'
import { ConfigurationError, StoreUnavailableError } from '../../base/errors.ts'
import type { HoldfastError } from '../../base/errors.ts'
import { createConnection, madeAnew, reasonOf } from '../shared/connection.ts'
import type { Connection } from '../shared/connection.ts'
import { parseAddress, refuseAddress } from '../shared/address.ts'
import type { AddressForm } from '../shared/address.ts'
import { dial } from './client.ts'
import type { Link, Place } from './client.ts'

export interface Server {
  /** As everybody names it: host:port. */
  readonly name: string
  readonly connection: Connection<Link>
}

const FORM: AddressForm = {
  of: 'memcached',
  examples: ['memcached://host:11211', 'memcached://host:11211,host:11211'],
}
const PORT = 11_211

/** Connects at the first call. @throws ConfigurationError */
export function serversOf(address: string): readonly [Server, ...Server[]] {
  const { scheme, hosts, username, password, path, parameters } = parseAddress(address, FORM)
  const refuse = (why: string): never => refuseAddress(address, { ...FORM, why })
  if (scheme !== 'memcached') return refuse('it begins with another scheme')
  if (username !== undefined || password !== undefined) return refuse('this driver has no login')
  if (path.some(part => part !== '')) return refuse('memcached has no paths')
  if (parameters.size > 0) return refuse(`there is no parameter "${[...parameters.keys()].join('", "')}"`)
  const [first, ...others] = hosts.map(({ host, port = PORT }) => serverAt({ host: host.toLowerCase(), port }))
  if (first === undefined) return refuse('it names no host')
  const servers = [first, ...others] as const
  if (new Set(servers.map(({ name }) => name)).size < servers.length) return refuse('a server is named twice')
  return [...servers]
}

function serverAt(place: Place): Server {
  const name = `${place.host.includes(':') ? `[${place.host}]` : place.host}:${place.port}`
  const where = `memcached at ${name}`
  const supply = madeAnew<Link>({
    where,
    open: timeoutMs => dial(place, timeoutMs),
    ready: link => link.ready,
    end: link => link.end(),
  })
  const connection = createConnection(supply, { failure: (cause, options) => failure(cause, where, options) })
  return { name, connection }
}

/** Which of them has what is so named. */
export function serverFor(servers: readonly [Server, ...Server[]], lock: string): Server {
  const [first, ...others] = servers
  if (others.length === 0) return first
  let best = { server: first, score: scoreOf(first, lock) }
  for (const server of others) {
    const score = scoreOf(server, lock)
    if (score > best.score) best = { server, score }
  }
  return best.server
}

function scoreOf({ name }: Server, lock: string): string {
  return createHash('sha256').update(`${name} ${lock}`).digest('hex')
}

function failure(cause: unknown, where: string, options: { readonly sent: boolean }): HoldfastError {
  if (cause instanceof StoreUnavailableError) return cause
  const why = cause instanceof Error ? reasonOf(cause) : String(cause)
  if (cause instanceof ConfigurationError) return new ConfigurationError(`${where} cannot be used: ${why}`, { cause })
  return new StoreUnavailableError(`${where} cannot be used: ${why}`, { cause, ambiguous: options.sent })
}
