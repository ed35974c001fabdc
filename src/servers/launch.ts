/** The process of a server is started, and waited for until it answers. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { sleep, systemClock } from '../base/clock.ts'
import { logOf, resolved, serverUser } from './directory.ts'
import type { Place, ServerKind } from './kind.ts'

export interface Spawning {
  readonly place: Place
  readonly args?: readonly string[] | undefined
  readonly environment?: Readonly<Record<string, string>> | undefined
}

/** Starts the program in its directory, which is prepared. It does not keep this process alive, and may outlive it. */
export async function spawnServer(
  kind: ServerKind,
  { place, args = [], environment }: Spawning,
): Promise<ChildProcess> {
  const [program, ...rest] = resolved(kind, [...kind.command(place), ...args])
  const output = openSync(logOf(place), 'a')
  try {
    const child = spawn(program, rest, {
      cwd: place.home,
      // A group of its own: Ctrl-C in the terminal is not for it.
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, ...environment },
      ...serverUser(),
    })
    await once(child, 'spawn')
    child.unref()
    return child
  } finally {
    closeSync(output)
  }
}

export interface Waiting {
  readonly place: Place
  running(): boolean
  readonly withinMs: number
}

/** `ended`: before it answered. `silent`: it runs, and did not answer in time. */
export async function untilItAnswers(
  kind: ServerKind,
  { place, running, withinMs }: Waiting,
): Promise<'up' | 'ended' | 'silent'> {
  const deadline = systemClock.now() + withinMs
  while (running()) {
    if (systemClock.now() > deadline) return 'silent'
    // The second look: what answered may be a stranger who had the port before, while ours was still failing.
    if ((await kind.answers(place)) && running()) return 'up'
    await sleep(systemClock, 10)
  }
  return 'ended'
}
