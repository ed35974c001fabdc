/** Addresses of stores: what holds for all of them, and how people may see them. */
import { ConfigurationError } from './errors.ts'

const SECRET_PARAMETER = /([?&][^=&#]*(?:pass|pwd|secret|token)[^=&#]*=)[^&#]*/gi
const NAMESPACE = 'namespace='
const UNESCAPED_PASSWORD = /^[^:@]*:(?!\d*$)[^@]*$/

/**
 * The address without its passwords: those of `user:password@host`, of each host where there are several, and of
 * parameters whose names say that they are secret.
 */
export function withoutPassword(address: string): string {
  const [, scheme, authority, rest] = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)(.*)$/is.exec(address) ?? []
  if (scheme === undefined || authority === undefined || rest === undefined) return address
  // "user:pa" of "user:pa/ss@host": no port, so what follows up to the "@" is of the password.
  if (UNESCAPED_PASSWORD.test(authority) && rest.includes('@'))
    return scheme + loginAt(authority) + address.slice(address.lastIndexOf('@') + 1)
  // One "@": all before it is user and password, commas included. Several: each host has its own.
  const hosts = authority.split('@').length > 2 ? authority.split(',') : [authority]
  return scheme + hosts.map(withoutUserPassword).join(',') + rest.replaceAll(SECRET_PARAMETER, '$1')
}

function withoutUserPassword(host: string): string {
  const at = host.lastIndexOf('@')
  return loginAt(host.slice(0, Math.max(0, at))) + host.slice(at + 1)
}

/** "user:password" as "user@", and nothing of a password without a user. */
function loginAt(login: string): string {
  const user = login.replace(/:.*$/s, '')
  return user === '' ? '' : `${user}@`
}

/**
 * The address without its `?namespace=NAME`, and the name; undefined: it has none. Other parameters stay.
 * @throws ConfigurationError  two of them, or a "%" that is no escape
 */
export function namespaceOf(address: string): { readonly address: string; readonly namespace: string | undefined } {
  const [, before, query] = /^(.*)\?([^?]*)$/s.exec(address) ?? []
  const parameters = query?.split('&') ?? []
  const [own, another] = parameters.filter(parameter => parameter.startsWith(NAMESPACE))
  if (before === undefined || own === undefined) return { address, namespace: undefined }
  const shown = withoutPassword(address)
  if (another !== undefined) throw new ConfigurationError(`"${shown}" names two namespaces. Leave one of them out.`)
  const rest = parameters.filter(parameter => parameter !== own).join('&')
  try {
    return {
      address: rest === '' ? before : `${before}?${rest}`,
      namespace: decodeURIComponent(own.slice(NAMESPACE.length)),
    }
  } catch (cause) {
    throw new ConfigurationError(`The namespace of "${shown}" has a "%" that is no escape: write %25 for it.`, {
      cause,
    })
  }
}
