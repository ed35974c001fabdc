/** Puts a page where it was asked for: whole or not at all. */
import { accessSync, constants, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigurationError } from '../base/errors.ts'

/**
 * Before anything is begun: can a page be written there?
 * @throws ConfigurationError  naming the option
 */
export function refuseUnwritable(path: string, option = '--report'): void {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error('it is a folder')
    accessSync(dirname(path), constants.W_OK)
  } catch (cause) {
    throw refused(path, option, cause)
  }
}

/** @throws ConfigurationError  it cannot be written */
export function writePage(path: string, text: string): void {
  const fresh = `${path}.${process.pid}.part`
  try {
    writeFileSync(fresh, text)
    renameSync(fresh, path)
  } catch (cause) {
    rmSync(fresh, { force: true })
    throw refused(path, '--report', cause)
  }
}

function refused(path: string, option: string, cause: unknown): ConfigurationError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new ConfigurationError(`${option}: "${path}" cannot be written: ${why}`, { cause })
}
