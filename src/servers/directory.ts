/**
 * The directory of a server, made ready for its start, and the user that it runs as: several servers refuse to run as
 * root, and none needs to, so there it is `nobody`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, openSync, readFileSync, closeSync } from 'node:fs'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { HoldfastError } from '../base/errors.ts'
import { locate } from './find.ts'
import type { Place, Run, ServerKind } from './kind.ts'

export interface User {
  readonly uid: number
  readonly gid: number
}

/** Whom to run as; null: whoever we are. */
export function serverUser(): User | null {
  if (process.getuid?.() !== 0) return null
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find(entry => entry.startsWith('nobody:'))
  const [, , uid, gid] = line?.split(':') ?? []
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) }
}

export function logOf({ home }: Place): string {
  return join(home, 'log')
}

/** The last words of a server: for the message when it did not come up. */
export function lastWords(place: Place): string {
  return readFileSync(logOf(place), 'utf8').trim().split('\n').slice(-5).join('\n')
}

/** The words of a command, its program by its path. */
export function resolved(kind: ServerKind, words: readonly string[]): readonly [string, ...(readonly string[])] {
  const [program = kind.name, ...rest] = words
  return [locate(kind, program) ?? program, ...rest]
}

/**
 * Everything that a start needs: files, and, the first time or once it was cut short, the first data.
 * @throws HoldfastError  a program that makes the first data failed
 */
export async function prepare(kind: ServerKind, place: Place): Promise<void> {
  const user = serverUser()
  await mkdir(join(place.home, 'data'), { recursive: true })
  await chmod(place.home, 0o755)
  for (const path of [place.home, join(place.home, 'data')]) own(path, user)
  for (const name of kind.stale ?? []) await rm(join(place.home, name), { force: true })
  for (const [name, text] of Object.entries(kind.files?.(place) ?? {})) {
    const path = join(place.home, name)
    if (kind.keepsFiles === true && existsSync(path)) continue
    await writeFile(path, text)
    own(path, user)
  }
  const marker = join(place.home, 'prepared')
  if (kind.firstData === undefined || existsSync(marker)) return
  await emptyData(place)
  for (const each of kind.firstData(place)) await run(kind, { place, ...each })
  await writeFile(marker, '')
}

/** As it was before the first start. */
export async function emptyData(place: Place): Promise<void> {
  const data = join(place.home, 'data')
  await rm(data, { recursive: true, force: true })
  await rm(join(place.home, 'prepared'), { force: true })
  await mkdir(data)
  own(data, serverUser())
}

async function run(kind: ServerKind, { place, words, input }: Run & { readonly place: Place }): Promise<void> {
  const [program, ...rest] = resolved(kind, words)
  const log = openSync(logOf(place), 'a')
  const child = spawn(program, rest, { cwd: place.home, stdio: ['pipe', log, log], ...serverUser() })
  closeSync(log)
  // It may end without reading.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input ?? '')
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new HoldfastError(`${basename(program)} of ${kind.name} failed:\n${lastWords(place)}`)
}

function own(path: string, user: User | null): void {
  if (user !== null) chownSync(path, user.uid, user.gid)
}
