/**
 * Starts the command of a run: found as a shell would find it, run without one.
 *
 * It is born waiting. Between holdfast's last look at the lease and the fork anything may happen to holdfast (SIGKILL,
 * SIGSTOP), so the new process itself first tells the guard its number, waits for the guard's leave, and only then
 * becomes the command. Node cannot fork without exec, so /bin/sh does this; it never sees the command as text. The pipe
 * to the guard stands in for stdin until then, because only there does Node hand over a pipe that blocks.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { delimiter, join } from 'node:path'
import { CliError, EXIT } from '../exit.ts'

const WAIT_FOR_LEAVE = `echo $$ >&0 && read -r leave || exit ${EXIT.lost}; exec "$@" <&3 3<&-`

export interface Launch {
  readonly command: readonly string[]
  /** Own process group. */
  readonly leads: boolean
  readonly environment: NodeJS.ProcessEnv
}

export function launch({ command, leads, environment }: Launch, pipe: Socket): ChildProcess {
  return spawn('/bin/sh', ['-c', WAIT_FOR_LEAVE, 'holdfast', ...restoring(environment), ...command], {
    detached: leads,
    env: environment,
    stdio: [pipe, 'inherit', 'inherit', 0],
  })
}

/** A shell passes on only variables whose names it could have made itself; the others go through `env`. */
function restoring(environment: NodeJS.ProcessEnv): readonly string[] {
  const dropped = Object.entries(environment).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name))
  return dropped.length === 0 ? [] : ['env', ...dropped.map(([name, value]) => `${name}=${value ?? ''}`)]
}

/**
 * Said before the lock is taken: nobody waits for an hour to learn of a typing error.
 * @throws CliError  127: there is no such program; 126: it cannot be run
 */
export function checkCommand(name: string, environment: NodeJS.ProcessEnv): void {
  const folders = (environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter)
  const places = name.includes('/')
    ? [name]
    : folders.map(folder => join(folder || '.', name)).filter(place => kindOf(place) === 'file')
  const there = places.filter(place => kindOf(place) !== 'nothing')
  if (there.length === 0) throw new CliError(`${name}: command not found`, EXIT.notFound)
  if (there.some(place => kindOf(place) === 'file' && isExecutable(place))) return
  throw new CliError(
    `${name}: ${there.some(place => kindOf(place) === 'folder') ? 'is a directory' : 'permission denied'}`,
    EXIT.notExecutable,
  )
}

function kindOf(path: string): 'file' | 'folder' | 'nothing' {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file'
  } catch {
    return 'nothing' // or hidden from us, which is the same here
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
