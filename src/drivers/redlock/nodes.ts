/** The nodes of a redlock, from clients or addresses: each a server of its own, none of them twice. */
import { ConfigurationError } from '../../base/errors.ts'
import { parseAddress, refuseAddress } from '../shared/address.ts'
import { connect } from '../redis/connection.ts'
import type { OpenOptions } from '../redis/address.ts'
import type { RedisLike } from '../redis/client.ts'
import { createNode } from './node.ts'
import type { Node } from './node.ts'

const FORM = {
  of: 'a redlock',
  examples: ['redlock://host:6379,host:6379,host:6379', 'redlock://user:password@host,host,host/0'],
  mustNameHosts: true,
}
const PORT = 6_379

/** @throws ConfigurationError */
export function openNodes(
  nodes: readonly (RedisLike | string)[] | string,
  timeoutMs: number,
  options: OpenOptions,
): readonly Node[] {
  const places = typeof nodes === 'string' ? addressesOf(nodes) : nodes
  if (!Array.isArray(places) || places.length === 0)
    throw new ConfigurationError(`A redlock needs nodes: clients, addresses, or one like ${FORM.examples.join(', ')}.`)
  if (new Set(places).size < places.length)
    throw new ConfigurationError(
      'A node of the redlock is named twice: it would have two votes. Name each server once.',
    )
  return places.map((place: RedisLike | string, index) => {
    if (typeof place === 'string' && /^\w+\+/.test(place)) {
      throw new ConfigurationError(
        `Node ${index + 1} is a group of servers that fail over, which forgets tickets without a restart. A node of a redlock is one server: redis://host:6379.`,
      )
    }
    const connection = connect(place, options)
    if (connection.cluster)
      throw new ConfigurationError(
        `Node ${index + 1} is a client of a cluster. A node of a redlock is one server of its own.`,
      )
    return createNode(connection, index, timeoutMs)
  })
}

/** redlock://login@host:port,host:port/0 -> redis://login@host:port/0 for each. */
function addressesOf(address: string): readonly string[] {
  const { scheme, username, password, hosts, path, parameters } = parseAddress(address, FORM)
  const refuse = (why: string): never => refuseAddress(address, { ...FORM, why })
  if (scheme !== 'redlock') return refuse('it begins with another scheme')
  if (parameters.size > 0) return refuse('it takes no parameters')
  const [database = '', ...more] = path
  if (!/^\d{0,5}$/.test(database) || more.length > 0)
    return refuse(`the database must be a number, not "${path.join('/')}"`)
  const words = password === undefined ? [username ?? ''] : [username ?? '', password]
  const login = words.map(encodeURIComponent).join(':')
  return hosts.map(({ host, port = PORT }) => {
    const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
    return `redis://${login === '' ? '' : `${login}@`}${place}/${database}`
  })
}
