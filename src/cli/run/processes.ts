/**
 * The processes of this machine, as far as ending a job needs them: who is whose child, in which group and session, and
 * whether it is dead already. A zombie counts as dead: where nobody reaps (many a container's PID 1) it would keep its
 * group "alive" for ever.
 *
 * Linux tells through /proc; elsewhere POSIX `ps` does, which knows no session numbers and shows no environment.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'

export interface ProcessInfo {
  readonly pid: number
  readonly parent: number
  readonly group: number
  /** null: this system does not say. */
  readonly session: number | null
  readonly dead: boolean
  /** By a signal; not by a debugger. */
  readonly stopped: boolean
}

const linux = process.platform === 'linux'

export function listProcesses(): readonly ProcessInfo[] {
  if (!linux) return listByPs()
  const found: ProcessInfo[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statFields(Number(name))
    if (fields === null) continue
    const [state, parent, group, session] = fields
    found.push({
      pid: Number(name),
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      dead: isDead(state),
      stopped: state === 'T',
    })
  }
  return found
}

/**
 * Tells one process from a later one that was given the same number; null: there is no such process, or this system
 * does not say.
 */
export function birthOf(pid: number): string | null {
  return linux ? (statFields(pid)?.[19] ?? null) : null
}

/** True if the process was started with `name=value` in its environment and has not been hidden from us. */
export function wasStartedWith(pid: number, entry: string): boolean {
  if (!linux) return false
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(entry)
  } catch {
    return false // gone, or another user's
  }
}

/** The fields of /proc/PID/stat from the third on: the second, the name, may itself hold blanks and brackets. */
function statFields(pid: number): readonly string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null // gone since the folder was read
  }
}

function listByPs(): readonly ProcessInfo[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'pgid=', '-o', 'state='], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  return table
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(columns => columns.length >= 4)
    .map(([pid, parent, group, state]) => ({
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      session: null,
      dead: isDead(state),
      stopped: state?.startsWith('T') === true,
    }))
}

/** True if a signal has stopped it, and none continued it. */
export function isStopped(pid: number): boolean {
  return listProcesses().some(one => one.pid === pid && one.stopped)
}

function isDead(state: string | undefined): boolean {
  return state === undefined || /^[ZXx]/.test(state)
}
