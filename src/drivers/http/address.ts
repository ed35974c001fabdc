/** Where a holdfast server is, and the secret that it wants: http://:SECRET@host:port/path. */
import { ConfigurationError } from '../../base/errors.ts'
import { parseAddress, refuseAddress } from '../shared/address.ts'
import type { AddressForm } from '../shared/address.ts'

export interface ServerPlace {
  /** What the paths of the protocol are put behind. */
  readonly base: string
  readonly secret: string | undefined
  /** For messages. */
  readonly where: string
}

const FORM: AddressForm = {
  of: 'a holdfast server',
  examples: ['http://localhost:7070', 'https://:SECRET@locks.example'],
}

/** @throws ConfigurationError */
export function placeOf(address: string, option: string | undefined): ServerPlace {
  const { scheme, hosts, username, password, path, parameters } = parseAddress(address, FORM)
  const refuse = (why: string): never => refuseAddress(address, { ...FORM, why })
  if (scheme !== 'http' && scheme !== 'https') return refuse('it begins with another scheme')
  const [first, ...others] = hosts
  if (first === undefined || others.length > 0) return refuse('it names several hosts; put a balancer before them')
  if (username !== undefined) return refuse('a server has no users, only a secret')
  if (parameters.size > 0) return refuse(`there is no parameter "${[...parameters.keys()].join('", "')}"`)
  const secret = option ?? password
  if (secret !== undefined && !/^[\x20-\x7e]+$/.test(secret))
    throw new ConfigurationError(
      'The secret of a server must be printable ASCII, and not empty: it travels in a header.',
    )
  const { host, port } = first
  const name = host.includes(':') ? `[${host}]` : host
  const parts = path.filter(part => part !== '').map(part => `/${encodeURIComponent(part)}`)
  const base = `${scheme}://${name}${port === undefined ? '' : `:${port}`}${parts.join('')}`
  return { base, secret, where: `the holdfast server at ${base}` }
}
