/** A folder that a user has named: made if it is not there. */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigurationError } from '../base/errors.ts'

/** Its whole path. @throws ConfigurationError  it cannot be made */
export function folderOf(path: string, option: string): string {
  try {
    mkdirSync(path, { recursive: true })
    return resolve(path)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigurationError(`${option}: "${path}" cannot be used: ${why}`, { cause })
  }
}
