/**
 * Addresses of Consul: an agent, or several of one datacentre with commas between.
 *
 *   consul://host:8500      consul://:TOKEN@host:8500 with an ACL token      consuls:// with TLS
 */
import { parseAddress, refuseAddress } from '../shared/address.ts'
import type { Host } from '../shared/http.ts'

export interface ConsulAddress {
  readonly hosts: readonly Host[]
  readonly tls: boolean
  /** Of its access control; null: the anonymous one. */
  readonly token: string | null
}

const FORM = { of: 'a Consul', examples: ['consul://host:8500', 'consuls://:TOKEN@host:8501,host:8501'] }
const PORT = { plain: 8_500, tls: 8_501 } as const

/** @throws ConfigurationError */
export function consulAddress(text: string): ConsulAddress {
  const { scheme, hosts, username, password, path, parameters } = parseAddress(text, FORM)
  const refuse = (why: string): never => refuseAddress(text, { ...FORM, why })
  if (scheme !== 'consul' && scheme !== 'consuls') return refuse('it begins with another scheme')
  if (path.some(part => part !== '')) return refuse('a path has no meaning; a part of it is chosen by ?namespace=NAME')
  if (parameters.size > 0) return refuse(`there is no parameter "${[...parameters.keys()].join('", "')}"`)
  if (username !== undefined) return refuse('Consul has no users; a token stands where a password would, after ":"')
  const usual = scheme === 'consuls' ? PORT.tls : PORT.plain
  return {
    hosts: hosts.map(({ host, port = usual }) => ({ host, port })),
    tls: scheme === 'consuls',
    token: password ?? null,
  }
}
