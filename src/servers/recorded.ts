/**
 * The process of a store that outlives whoever started it: recorded in its directory as "PID START-TIME", since an id
 * alone may have gone to another process. Linux only: elsewhere the system does not tell what it needs.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, systemClock } from '../base/clock.ts'
import type { Place } from './kind.ts'
import { signalTree, stateOf } from './process-tree.ts'

export type State = 'up' | 'paused' | 'down'

const STOP_MS = 10_000

export function record({ home }: Place, pid: number): void {
  writeFileSync(join(home, 'pid'), `${pid} ${stateOf(pid)?.started ?? ''}\n`)
}

/** Its process; null where none is recorded, or the recorded one has ended. */
export function processOf({ home }: Place): number | null {
  let text: string
  try {
    text = readFileSync(join(home, 'pid'), 'utf8')
  } catch {
    return null
  }
  const [pid, started] = text.trim().split(' ')
  const state = stateOf(Number(pid))
  // One that nobody has collected yet is gone all the same: whoever should do it may take long.
  return state === null || state.started !== started || state.letter === 'Z' ? null : Number(pid)
}

export function stateAt(place: Place): State {
  const pid = processOf(place)
  if (pid === null) return 'down'
  return stateOf(pid)?.letter === 'T' ? 'paused' : 'up'
}

/** To it and all its children. False: it does not run. */
export function signalAt(place: Place, signal: NodeJS.Signals): boolean {
  const pid = processOf(place)
  if (pid !== null) signalTree(pid, signal)
  return pid !== null
}

/** Ends it, paused or not; one that does not end by itself is killed, and then the answer is false. */
export async function endAt(place: Place, signal: NodeJS.Signals): Promise<boolean> {
  const pid = processOf(place)
  const deadline = systemClock.now() + STOP_MS
  let obeyed = true
  if (pid !== null) {
    signalTree(pid, 'SIGCONT')
    process.kill(pid, signal)
  }
  while (processOf(place) !== null) {
    if (obeyed && systemClock.now() > deadline) {
      obeyed = false
      signalAt(place, 'SIGKILL')
    }
    await sleep(systemClock, 20)
  }
  rmSync(join(place.home, 'pid'), { force: true })
  return obeyed
}
