/**
 * The ends of what this process has made. While it lives it keeps its sessions alive, and so also what nobody renews:
 * that it removes itself, when its time is over.
 *
 * What is being removed is over, whatever is said to it afterwards: a renewal that was sent before moves the end before
 * its answer is there, and one that comes later is refused. And it is removed only with a session of ours: what another
 * has taken over is no longer ours to end.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Timer } from '../../base/clock.ts'
import type { LineTicket } from '../shared/queue-keys/line.ts'

export interface End {
  /** By our clock. */
  readonly until: number
  /** The session that it ends with at the latest. */
  readonly life: string
}

export interface Deadlines {
  /** It is about to be written or prolonged. Never sooner than before. False: its time is over. */
  raise(path: string, end: End): boolean
  /** It has been written so: this counts. */
  set(path: string, end: End): void
  /** It is gone. */
  drop(path: string): void
  /** It is known to hold, which it does until it goes. */
  holds(path: string, ticket: LineTicket): void
  /** null: that is not known. */
  held(path: string): LineTicket | null
  /** Ends all timers, and gives the sessions with which something lives. */
  close(): ReadonlySet<string>
}

interface Entry {
  until: number
  life: string
  held: LineTicket | null
  over: boolean
  timer: Timer | null
}

const AGAIN_MS = { first: 50, most: 1_000 } as const

/** `remove`: until it is certainly gone, or another's. Rejects if that could not be found out. */
export function createDeadlines(remove: (path: string) => Promise<void>): Deadlines {
  const entries = new Map<string, Entry>()
  let closed = false

  function arm(path: string, entry: Entry): void {
    entry.timer?.cancel()
    const due = (): void => {
      if (systemClock.now() < entry.until) return arm(path, entry)
      entry.over = true
      void end(path, entry)
    }
    entry.timer = closed ? null : systemClock.after(entry.until - systemClock.now(), due, { idle: true })
  }

  /** Never rejects. */
  async function end(path: string, entry: Entry): Promise<void> {
    for (let pauseMs: number = AGAIN_MS.first; !closed && entries.get(path) === entry;) {
      try {
        await remove(path)
        if (entries.get(path) === entry) entries.delete(path)
        return
      } catch {
        await sleep(systemClock, pauseMs, { idle: true })
        pauseMs = Math.min(AGAIN_MS.most, pauseMs * 2)
      }
    }
  }

  return {
    raise(path, { until, life }) {
      const known = entries.get(path)
      if (known?.over === true) return false
      if (known !== undefined) {
        known.until = Math.max(known.until, until)
        return true
      }
      const entry: Entry = { until, life, held: null, over: false, timer: null }
      entries.set(path, entry)
      arm(path, entry)
      return true
    },
    set(path, { until, life }) {
      const entry = entries.get(path)
      if (entry === undefined || entry.over) return
      const isSooner = until < entry.until
      Object.assign(entry, { until, life })
      if (isSooner) arm(path, entry)
    },
    drop(path) {
      entries.get(path)?.timer?.cancel()
      entries.delete(path)
    },
    holds(path, ticket) {
      const entry = entries.get(path)
      if (entry !== undefined) entry.held = ticket
    },
    held: path => entries.get(path)?.held ?? null,
    close() {
      closed = true
      for (const entry of entries.values()) entry.timer?.cancel()
      return new Set([...entries.values()].map(({ life }) => life))
    },
  }
}
