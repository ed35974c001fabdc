/** Which programs are on this machine: on the PATH, where servers lie beside it, or among the tools. */
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import type { ServerKind } from './kind.ts'

/** Programs of `scripts/stores install` that are no package of the system. */
export const TOOLS = resolve(process.env['HOLDFAST_TOOLS_DIR'] ?? join(tmpdir(), 'holdfast-tools'))

/** The path of a program or file of a kind; null where there is none. */
export function locate(kind: ServerKind, program: string): string | null {
  if (isAbsolute(program)) return allows(program, constants.R_OK) ? program : null
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  // Of no use without a PATH: what was taken from it is meant to be missing.
  const beside = onPath.includes('/usr/bin') ? ['/usr/sbin'] : []
  const paths = [...onPath, ...beside, ...(kind.folders ?? [])].map(folder => join(folder, program))
  return paths.find(path => allows(path, constants.X_OK)) ?? null
}

/** The programs that are missing here. */
export function missingOf(kind: ServerKind): readonly string[] {
  return Object.keys(kind.programs).filter(program => locate(kind, program) === null)
}

/** Why a kind cannot run here, and what to do about it; null where it can. */
export function obstacleOf(kind: ServerKind): string | null {
  const [program] = missingOf(kind)
  if (program === undefined) return null
  const where = isAbsolute(program) ? 'not there' : 'not on the PATH'
  return `${program} is ${where}. ${remedy(kind, program)}`
}

/** Whether `scripts/stores install` knows where to get it. */
export function canBeHad(kind: ServerKind): boolean {
  return kind.fetch !== undefined || Object.values(kind.programs).every(debian => debian !== null)
}

/**
 * What `scripts/install.sh` has to get so that these kinds can run: `debian:PACKAGE`, `npm:TOOL:PACKAGES` or
 * `suite:TOOL:SUITE:EXTENT:PACKAGES`, each once, packages with commas between.
 */
export function toGet(kinds: readonly ServerKind[]): readonly string[] {
  return [...new Set(kinds.flatMap(wordsFor))]
}

function wordsFor(kind: ServerKind): readonly string[] {
  const packages = missingOf(kind).flatMap(program => kind.programs[program] ?? [])
  const debian = (names: readonly string[]): readonly string[] => names.map(name => `debian:${name}`)
  const { fetch } = kind
  if (fetch === undefined || missingOf(kind).length === packages.length) return debian(packages)
  const names = fetch.packages.join(',')
  if (fetch.from === 'npm') return [...debian(packages), `npm:${fetch.tool}:${names}`]
  const libraries = debian(fetch.libraries ?? [])
  return [...debian(packages), ...libraries, `suite:${fetch.tool}:${fetch.suite}:${fetch.extent}:${names}`]
}

function remedy(kind: ServerKind, program: string): string {
  const debian = kind.programs[program] ?? null
  if (debian !== null) return `Install it: apt-get install ${debian}`
  if (kind.fetch !== undefined) return `Get it: scripts/stores install ${kind.name}`
  return kind.hint ?? 'No package has it'
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
