/** The nodes of a redlock, from clients or addresses: each a server of its own, none of them twice. */
import { withoutPassword } from '../../base/address.ts'
import { ConfigurationError } from '../../base/errors.ts'
import { connect } from '../redis/connection.ts'
import type { OpenOptions } from '../redis/address.ts'
import type { RedisLike } from '../redis/client.ts'
import { createNode } from './node.ts'
import type { Node } from './node.ts'

const FORM = 'redlock://host:6379,host:6379,host:6379 (redlock://user:password@... where all have the same login)'

/** @throws ConfigurationError */
export function openNodes(
  nodes: readonly (RedisLike | string)[] | string,
  timeoutMs: number,
  options: OpenOptions,
): readonly Node[] {
  const places = typeof nodes === 'string' ? addressesOf(nodes) : nodes
  if (!Array.isArray(places) || places.length === 0)
    throw new ConfigurationError(`A redlock needs nodes: clients, addresses, or ${FORM}.`)
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
  const match = /^redlock:\/\/(?:([^@/]*)@)?([^/?#@]+)(\/\d+)?\/?$/.exec(address)
  if (!match)
    throw new ConfigurationError(`The address of a redlock has the form ${FORM}, not "${withoutPassword(address)}".`)
  const [, login, places = '', database = ''] = match
  return places.split(',').map(place => `redis://${login === undefined ? '' : `${login}@`}${place}${database}`)
}
