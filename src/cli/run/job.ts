/**
 * A job: the command that runs under a lock, and everything it has started. Holdfast and its guard both signal it, so
 * both describe it in the same way.
 *
 * Without a terminal the command leads a process group of its own. The kernel signals a group in one step, so nothing
 * that the group forks meanwhile escapes, and the number stays taken as long as anything lives in the group.
 *
 * With a terminal the command must stay in the terminal's foreground group, which it shares with holdfast itself, a
 * script around it, the other end of a pipe. There the job is what descends from the command, plus orphans of it, known
 * by the mark in their environment, as long as they are in the command's session (the shell that a user opens under a
 * lock puts each of its own jobs in a group of its own).
 *
 * What leaves its group (or, with a terminal, its session) by setsid is no longer of the job.
 */
import { birthOf, listProcesses, wasStartedWith } from './processes.ts'
import type { ProcessInfo } from './processes.ts'

export interface Job {
  /** Of the command. */
  readonly pid: number
  /** The command leads a process group of its own. */
  readonly leads: boolean
  /** `NAME=value` in the environment of the command and of whatever it starts. */
  readonly mark: string
  /** Tells the command from a later process of the same number. */
  readonly birth: string | null
  readonly session: number | null
}

/** To be called while the command is sure to live. */
export function jobOf(pid: number, kind: { readonly leads: boolean; readonly mark: string }): Job {
  const session = kind.leads ? null : (listProcesses().find(one => one.pid === pid)?.session ?? null)
  return { pid, ...kind, birth: birthOf(pid), session }
}

/** Sends to every process of the job. One that is gone, or that we may not signal, is passed over. */
export function signalJob(job: Job, signal: NodeJS.Signals): void {
  if (!job.leads) {
    for (const pid of members(job)) send(pid, signal)
  } else if (isOurs(job)) send(-job.pid, signal)
}

/** Asks the job to end. A stopped process would see the request only when it is continued, so it is continued. */
export function terminateJob(job: Job): void {
  signalJob(job, 'SIGTERM')
  signalJob(job, 'SIGCONT')
}

/** True while any process of the job lives. */
export function isAlive(job: Job): boolean {
  if (!job.leads) return members(job).length > 0
  if (!isOurs(job) || !send(-job.pid, 0)) return false
  return listProcesses().some(one => one.group === job.pid && !one.dead)
}

/** A number is given again only after all of its group is gone: then its bearer was born later. */
function isOurs(job: Job): boolean {
  const birth = birthOf(job.pid)
  return job.birth === null || birth === null || birth === job.birth
}

function members(job: Job): readonly number[] {
  const all = listProcesses()
  const found = new Set<number>()
  if (isOurs(job)) descend(job.pid, all, found)
  for (const one of all) {
    if (found.has(one.pid) || one.session !== job.session || one.dead) continue
    if (wasStartedWith(one.pid, job.mark)) descend(one.pid, all, found)
  }
  return all.filter(one => found.has(one.pid) && !one.dead).map(one => one.pid)
}

function descend(pid: number, all: readonly ProcessInfo[], found: Set<number>): void {
  found.add(pid)
  for (const one of all) if (one.parent === pid && !found.has(one.pid)) descend(one.pid, all, found)
}

/** False if there is nobody of that number. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}
