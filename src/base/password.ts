/**
 * A store's password apart from its address: in a file that HOLDFAST_STORE_PASSWORD_FILE names, as secrets are mounted
 * into containers. It neither shows in `ps` nor in the environment, and what a command starts may read it too.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigurationError } from './errors.ts'

const VARIABLE = 'HOLDFAST_STORE_PASSWORD_FILE'

/** The file's path, absolute, so that it is the same from another directory; undefined: none is named. */
export function passwordFile(environment: NodeJS.ProcessEnv): string | undefined {
  const path = environment[VARIABLE]
  return path === undefined || path === '' ? undefined : resolve(path)
}

/**
 * The address with the password of the file, if it names servers and no password of its own.
 * @throws ConfigurationError  the file cannot be read, or is empty
 */
export function withPasswordOfFile(address: string, environment: NodeJS.ProcessEnv): string {
  const path = passwordFile(environment)
  const [, scheme, authority = '', rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]+)(.*)$/is.exec(address) ?? []
  if (path === undefined || scheme === undefined) return address
  const [login = '', ...hosts] = authority.includes('@') ? authority.split('@') : ['', authority]
  if (login.includes(':') || hosts.length > 1) return address
  return `${scheme}${login}:${encodeURIComponent(readPassword(path))}@${hosts.join()}${rest}`
}

/** The first line, so that editors may end it as they do. */
function readPassword(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigurationError(`The file that ${VARIABLE} names cannot be read: ${why}`, { cause })
  }
  const [password = ''] = text.split(/\r?\n/)
  if (password === '')
    throw new ConfigurationError(`The file that ${VARIABLE} names, "${path}", begins with no password.`)
  return password
}
