/**
 * Addresses with several hosts, which URL does not read: scheme://user:password@host:port,host:port/path?name=value.
 *
 * User, password, path and parameters are %-escaped; an IPv6 host stands in brackets.
 */
import { withoutPassword } from '../../base/address.ts'
import { ConfigurationError } from '../../base/errors.ts'

export interface Address {
  readonly scheme: string
  readonly username: string | undefined
  readonly password: string | undefined
  /** At least one. */
  readonly hosts: readonly { readonly host: string; readonly port: number | undefined }[]
  /** What stands between the slashes. */
  readonly path: readonly string[]
  readonly parameters: ReadonlyMap<string, string>
  /** Without the password: for people. */
  readonly shown: string
}

export interface AddressForm {
  /** Of what, for messages: "a Redis". */
  readonly of: string
  /** Addresses as they should be. */
  readonly examples: readonly string[]
  /** Else no host means localhost. */
  readonly mustNameHosts?: boolean
}

const FORM = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/]*)@)?([^/?#]*)((?:\/[^?#]*)?)(?:\?([^#]*))?$/i
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/

/** @throws ConfigurationError */
export function parseAddress(text: string, form: AddressForm): Address {
  const [, scheme, login, places = '', path = '', query = ''] = FORM.exec(text) ?? []
  const refuse = (why: string): never => refuseAddress(text, { ...form, why })
  if (scheme === undefined) return refuse('its form is unknown')
  if (places === '' && form.mustNameHosts === true) return refuse('it names no host')
  const hosts = (places === '' ? 'localhost' : places).split(',').map(place => {
    const [, six, host = six, port] = HOST.exec(place) ?? []
    if (host === undefined || Number(port) > 65_535)
      return refuse('where host and port should be, there is something else')
    return { host, port: port === undefined ? undefined : Number(port) }
  })
  const [username = '', ...password] = (login ?? '').split(':')
  const parameters = query.split('&').filter(parameter => parameter !== '')
  try {
    return {
      scheme: scheme.toLowerCase(),
      username: username === '' ? undefined : decodeURIComponent(username),
      password: password.length === 0 ? undefined : decodeURIComponent(password.join(':')),
      hosts,
      path: path.split('/').slice(1).map(decodeURIComponent),
      parameters: new Map(parameters.map(parameterOf)),
      shown: withoutPassword(text),
    }
  } catch {
    return refuse('it has a "%" that is no %-escape; write %25 for a "%" itself')
  }
}

/** @throws ConfigurationError */
export function refuseAddress(text: string, { of, why, examples }: AddressForm & { readonly why: string }): never {
  throw new ConfigurationError(
    `"${withoutPassword(text)}" is no address of ${of}: ${why}. Write one like ${examples.join(', ')}.`,
  )
}

function parameterOf(parameter: string): [string, string] {
  const [name = '', ...value] = parameter.split('=')
  return [decodeURIComponent(name), decodeURIComponent(value.join('='))]
}
