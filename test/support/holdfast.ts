/**
 * The command line as users start it: `dist/cli/main.js` in a process of its own, on a store file of the test's own.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  /** What it has written to stderr so far. */
  stderr(): string
}

export interface Site {
  readonly folder: string
  readonly store: string
  path(name: string): string
  start(args: readonly string[], options?: StartOptions): Running
  holdfast(args: readonly string[], options?: StartOptions): Promise<Finished>
  /** Kills what is left over of this site, and removes its folder. */
  clear(): void
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
}

/** A folder with a store in it, and whatever was started on it. */
export function createSite(): Site {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  const store = `sqlite:${join(folder, 'locks.db')}`
  const children: ChildProcess[] = []

  function start(args: readonly string[], options: StartOptions = {}): Running {
    const child = spawn(process.execPath, [MAIN, ...args], {
      stdio: 'pipe',
      env: { ...process.env, HOLDFAST_STORE: store, NO_COLOR: '1', ...options.env },
    })
    children.push(child)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', piece => (stdout += String(piece)))
    child.stderr.on('data', piece => (stderr += String(piece)))
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    const finished = new Promise<Finished>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    })
    return { pid: child.pid ?? -1, child, finished, stderr: () => stderr }
  }

  return {
    folder,
    store,
    path: name => join(folder, name),
    start,
    holdfast: (args, options) => start(args, options).finished,
    clear() {
      for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A program of test/fixtures/run. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/run/${name}`, import.meta.url))
}

/** Looks again until `found` gives something; the limit only ends what hangs. */
type Found<T> = T | undefined | null | false
export async function until<T>(what: string, found: () => Found<T> | Promise<Found<T>>, limitMs = 30_000): Promise<T> {
  const end = Date.now() + limitMs
  for (;;) {
    const value = await found()
    if (value !== undefined && value !== null && value !== false) return value
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** The numbers in a file that a fixture writes whole; undefined while it is not there. */
export function numbersIn(path: string): readonly number[] | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(/\s+/).map(Number) : undefined
}

/**
 * Zombies are dead; so is what has no memory any more and is on its way out: no instruction of its program will run.
 */
export function isRunning(pid: number): boolean {
  const fields = statOf(pid)
  const [state = 'Z'] = fields
  return !/^[ZX]/.test(state) && fields[20] !== '0'
}

/** Its process group is the one that the terminal belongs to. */
export function isInForeground(pid: number): boolean {
  const [, , group, , , foreground] = statOf(pid)
  return group !== undefined && group === foreground
}

/** The fields of /proc/PID/stat from the third on; none if there is no such process. */
function statOf(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}
