/**
 * Addresses of ZooKeeper, the members of an ensemble with commas between; what follows them is the node below which
 * holdfast has its own.
 *
 *   zookeeper://user:password@host:2181,host:2181/app/locks?tick=2s
 */
import { duration, milliseconds } from '../../base/duration.ts'
import { parseAddress, refuseAddress } from '../shared/address.ts'

export interface Host {
  readonly host: string
  readonly port: number
}

export interface ZookeeperAddress {
  readonly hosts: readonly Host[]
  readonly chroot: readonly string[]
  /** user:password; null: no login. */
  readonly login: string | null
  readonly tickMs: number | null
}

const FORM = {
  of: 'a ZooKeeper',
  examples: ['zookeeper://host:2181', 'zookeeper://user:password@host:2181,host:2181,host:2181/app'],
}
const PORT = 2_181

/** @throws ConfigurationError */
export function zookeeperAddress(text: string): ZookeeperAddress {
  const { scheme, hosts, username, password, path, parameters } = parseAddress(text, FORM)
  const refuse = (why: string): never => refuseAddress(text, { ...FORM, why })
  if (scheme === 'zookeepers')
    return refuse('this driver speaks no TLS: begin with zookeeper://, and keep it within a network of your own')
  if (scheme !== 'zookeeper') return refuse('it begins with another scheme')
  const chroot = path.at(-1) === '' ? path.slice(0, -1) : path
  if (chroot.some(part => part === '' || part === '.' || part === '..' || part.includes('/')))
    return refuse('its path is none of a node')
  if ((username === undefined) !== (password === undefined)) return refuse('a login is a user and a password')
  const { tick, ...others } = Object.fromEntries(parameters)
  if (Object.keys(others).length > 0) return refuse(`there is no parameter "${Object.keys(others).join('", "')}"`)
  return {
    hosts: hosts.map(({ host, port = PORT }) => ({ host, port })),
    chroot,
    login: username === undefined || password === undefined ? null : `${username}:${password}`,
    tickMs: tick === undefined ? null : milliseconds(duration(tick), 'tick', { min: 1 }),
  }
}
