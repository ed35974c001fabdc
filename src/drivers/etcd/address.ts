/**
 * Addresses of etcd, its members with commas between.
 *
 *   etcd://user:password@host:2379,host:2379      etcds:// with TLS
 */
import { parseAddress, refuseAddress } from '../shared/address.ts'
import type { Host } from '../shared/http.ts'

export interface EtcdAddress {
  readonly hosts: readonly Host[]
  readonly tls: boolean
  /** null: no login. */
  readonly login: { readonly name: string; readonly password: string } | null
}

const FORM = {
  of: 'an etcd',
  examples: ['etcd://host:2379', 'etcds://user:password@host:2379,host:2379,host:2379'],
}
const PORT = 2_379

/** @throws ConfigurationError */
export function etcdAddress(text: string): EtcdAddress {
  const { scheme, hosts, username, password, path, parameters } = parseAddress(text, FORM)
  const refuse = (why: string): never => refuseAddress(text, { ...FORM, why })
  if (scheme !== 'etcd' && scheme !== 'etcds') return refuse('it begins with another scheme')
  if (path.some(part => part !== '')) return refuse('etcd has no paths; a part of it is chosen by ?namespace=NAME')
  if (parameters.size > 0) return refuse(`there is no parameter "${[...parameters.keys()].join('", "')}"`)
  if ((username === undefined) !== (password === undefined)) return refuse('a login is a user and a password')
  return {
    hosts: hosts.map(({ host, port = PORT }) => ({ host, port })),
    tls: scheme === 'etcds',
    login: username === undefined || password === undefined ? null : { name: username, password },
  }
}
