/** Sessions of Consul: one for each ticket, out of a pool (see shared/queue-keys/lives.ts). */
import { systemClock } from '../../base/clock.ts'
import { UnsupportedError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { createLives, isWorn } from '../shared/queue-keys/lives.ts'
import type { Life } from '../shared/queue-keys/lives.ts'
import type { ConsulClient, Outcome } from './client.ts'

export interface Sessions {
  /** For a ticket. @throws UnsupportedError  longer than a session lives */
  take(ms: number, key: string, io: Io): Promise<Life>
  /** A new one, which is nobody's afterwards. */
  make(ms: number, key: string, io: Io): Promise<string>
  /** Begins anew. False: it is gone. */
  renew(session: string, io: Io): Promise<boolean>
  /** Until when the ticket that has just been put on it lives at least. */
  endOf(life: Life, io: Io): Promise<number>
  /** What a transaction on it comes to; unless it was carried out, the session is given back. */
  spending(life: Life, work: () => Promise<Outcome>): Promise<Outcome>
  /** Its ticket is gone. */
  giveBack(session: string): void
  /** Not to be given to another. */
  forsake(life: Life): void
}

const MOST_MS = 86_400_000
const DESTROY_MS = 5_000
const GONE = /invalid session|session .*not found/i

/** The session of a transaction is no longer there. */
export function isGone(outcome: Outcome): boolean {
  return !outcome.done && outcome.obstacles.some(({ why }) => GONE.test(why))
}

export function createSessions(client: ConsulClient, leastMs: number): Sessions {
  const clock = systemClock
  const lives = createLives((ms, io) => client.createSession(ms, io))

  function lengthOf(ms: number, key: string): number {
    if (ms <= MOST_MS) return Math.max(leastMs, Math.ceil(ms))
    const most = 'longer than a session of Consul lives, which is a day'
    throw new UnsupportedError(`${ms} ms for "${key}" is ${most}.`, { key })
  }

  /** Not to be used again: whatever may yet be put on it goes with it. In the background; its own end comes anyway. */
  function destroy(life: Life): void {
    lives.drop(life)
    client.destroySession(life.id, { timeoutMs: DESTROY_MS }).catch(() => {})
  }

  async function renew(session: string, io: Io): Promise<boolean> {
    const life = lives.taken(session)
    const sentAt = clock.now()
    const isThere = await lives.risking(life === undefined ? [] : [life], () => client.renewSession(session, io))
    if (life !== undefined && isThere) life.until = sentAt + life.ms
    return isThere
  }

  return {
    renew,
    take: async (ms, key, io) => lives.take(lengthOf(ms, key), io),
    make: async (ms, key, io) => client.createSession(lengthOf(ms, key), io),
    // Renewed after the ticket is there: the leader has written that, and a later one begins the session anew.
    endOf: async (life, io) => (isWorn(life, clock.now()) && !(await renew(life.id, io)) ? -Infinity : life.until),
    async spending(life, work) {
      try {
        const outcome = await lives.risking([life], work)
        if (isGone(outcome)) lives.drop(life)
        else if (!outcome.done) lives.giveBack(life)
        return outcome
      } catch (cause) {
        destroy(life)
        throw cause
      }
    },
    forsake: life => void (life.sound = false),
    giveBack(session) {
      const life = lives.taken(session)
      if (life === undefined) return
      if (life.sound) lives.giveBack(life)
      else destroy(life)
    },
  }
}
