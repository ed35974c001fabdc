/**
 * Where the guard of one run stands: it is started once, early by who may have to wait for the lock, so that nobody
 * behind waits for a process to start while the lock is held.
 */
import { isatty } from 'node:tty'
import { systemClock } from '../../base/clock.ts'
import { startGuard } from './guard-link.ts'
import type { Guard } from './guard-link.ts'

export interface Post {
  /** The command leads a process group of its own. */
  readonly leads: boolean
  readonly mark: string
  /** Called when the guard has something to say. */
  wake: () => void
  /** Starts the guard; a failure is told to who needs it. */
  prepare(): void
  /** @throws CliError  it cannot be started */
  guard(): Promise<Guard>
  leave(): Promise<void>
}

export function createPost(graceMs: number): Post {
  let starting: Promise<Guard> | null = null
  const leads = !isatty(0)
  const mark = `HOLDFAST_RUN=${systemClock.id()}`

  function guard(): Promise<Guard> {
    return (starting ??= startGuard({ leads, mark, graceMs, onEnding: () => post.wake() }))
  }

  const post: Post = {
    leads,
    mark,
    wake: () => {},
    prepare: () => void guard().catch(() => {}),
    guard,
    async leave() {
      await starting?.then(
        it => it.finish(),
        () => {},
      )
    },
  }
  return post
}
