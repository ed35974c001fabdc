/**
 * Lives: the sessions or leases of a store, one for each ticket, so that no ticket is kept alive by another's renewals.
 *
 * Making one is a write of its own. So one whose ticket was left is given to the next, with what it has left. A life
 * that was in a request whose outcome is not known is never given again: the request may yet put a ticket on it, and
 * whoever had it next would keep that ticket alive.
 */
import { systemClock } from '../../../base/clock.ts'
import { StoreUnavailableError } from '../../../base/errors.ts'
import type { Io } from '../../../store/contract.ts'

export interface Life {
  /** As the store calls it. */
  readonly id: string
  readonly ms: number
  /** Lives until then at least, by our clock. */
  until: number
  /** What its counter in the store says: of the tickets that it has had. 0: it has had none. */
  uses: number
  /** No request with it is without an answer. */
  sound: boolean
}

export interface Lives {
  /** One with at least half of itself left. */
  take(ms: number, io: Io): Promise<Life>
  /** One that was taken and whose ticket is not gone, by its id; undefined: made by another process. */
  taken(id: string): Life | undefined
  /** Its ticket is gone, or has never been. */
  giveBack(life: Life): void
  /** The store has it no more. */
  drop(life: Life): void
  /** What `work` does with these lives. Unless it is answered, they are given to nobody again. */
  risking<T>(lives: readonly Life[], work: () => Promise<T>): Promise<T>
}

const ENOUGH = 1 / 2
/** With less than this gone, a life is as good as new. */
const WORN = { part: 1 / 50, ms: 250 } as const
const SWEEP_AT = 256

/** `make`: the store's name of a new one, which lives `ms` from then on. */
export function createLives(make: (ms: number, io: Io) => Promise<string>, clock = systemClock): Lives {
  const spare = new Map<number, Life[]>()
  const lent = new Map<string, Life>()
  let sweepAt = SWEEP_AT

  /** Tickets that died where they stood have never given theirs back. */
  function sweep(): void {
    if (lent.size < sweepAt) return
    const now = clock.now()
    for (const life of lent.values()) if (life.until + life.ms < now) lent.delete(life.id)
    sweepAt = Math.max(SWEEP_AT, 2 * lent.size)
  }

  function lend(life: Life): Life {
    lent.set(life.id, life)
    return life
  }

  return {
    async take(ms, io) {
      const now = clock.now()
      const list = spare.get(ms)
      for (let life = list?.pop(); life !== undefined; life = list?.pop())
        if (life.sound && life.until - now >= ms * ENOUGH) return lend(life)
      sweep()
      const id = await make(ms, io)
      return lend({ id, ms, until: now + ms, uses: 0, sound: true })
    },
    taken: id => lent.get(id),
    giveBack(life) {
      if (!lent.delete(life.id) || !life.sound) return
      const list = spare.get(life.ms) ?? []
      spare.set(life.ms, list)
      list.push(life)
    },
    drop: life => void lent.delete(life.id),
    async risking(lives, work) {
      try {
        return await work()
      } catch (cause) {
        const isHarmless = cause instanceof StoreUnavailableError && !cause.ambiguous
        if (!isHarmless) for (const life of lives) life.sound = false
        throw cause
      }
    },
  }
}

/** What is left of it is worth saying: the ticket is to be told to live anew. */
export function isWorn(life: Life, now: number): boolean {
  return life.until - now < life.ms - Math.min(WORN.ms, life.ms * WORN.part)
}
