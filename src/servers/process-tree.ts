/**
 * A server's process and all below it, as the system lists them (/proc; elsewhere a process counts as alone). A signal
 * to a process group would miss PostgreSQL's backends: each is in a group of its own.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { sleep, systemClock } from '../base/clock.ts'

/** One that takes longer is in an uninterruptible call. */
const HALT_MS = 2_000

export interface ProcessState {
  /** R, S, T (stopped), Z (ended, and not yet collected) ... */
  readonly letter: string
  readonly parent: number
  /** With the id it names one process for good: an id alone may have gone to another. */
  readonly started: string
}

/** Null if there is no such process, or the system does not tell. */
export function stateOf(pid: number): ProcessState | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // What stands before the last ")" is the program's name, and may hold any character.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { letter: fields[0] ?? '', parent: Number(fields[1]), started: fields[19] ?? '' }
  } catch {
    return null
  }
}

/**
 * Signals a server and its children, and tells which those are. It is stopped first, so that none is born between the
 * listing and the signal.
 */
export function signalTree(pid: number, signal: NodeJS.Signals): readonly number[] {
  send(pid, 'SIGSTOP')
  const all = treeOf(pid)
  for (const each of all) send(each, signal)
  return all
}

/** Stops or kills a server and its children. Resolved: none of them runs on any processor. */
export async function haltTree(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): Promise<void> {
  const halted = signal === 'SIGSTOP' ? 'TZ' : 'Z'
  const all = signalTree(pid, signal)
  const deadline = systemClock.now() + HALT_MS
  const runs = (each: number): boolean => !halted.includes(stateOf(each)?.letter ?? 'Z')
  while (all.some(runs) && systemClock.now() < deadline) await sleep(systemClock, 1)
}

function treeOf(root: number): readonly number[] {
  const below = new Map<number, number[]>()
  for (const pid of allProcesses()) {
    const parent = stateOf(pid)?.parent ?? 0
    below.set(parent, [...(below.get(parent) ?? []), pid])
  }
  const found = [root]
  for (const pid of found) found.push(...(below.get(pid) ?? []))
  return found
}

function allProcesses(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}
