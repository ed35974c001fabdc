/**
 * The judge. It knows what the store executed and what each lease says of itself, and nothing of how the core works.
 *
 * A process believes in a lease until the instant that the lease itself gave when the process last ran; while it is
 * paused that is all that counts, since whoever resumes reads the clock first. At every event, for all who believe:
 * - the rule: an exclusive lease is alone; a shared one with limit n has fewer than n before it;
 * - its ticket is still among the store's holders, so the signal came before the window closed;
 * - the window never shrinks, and ends at maxHold; lost is final; whose window has closed has its signal, unless it is
 *   paused;
 * - tokens grow in the order of the grants; minHold is kept; a pass inside a process is within its bounds;
 * - while nothing is wrong with the network, who is let in starts at once.
 */
import type { Lease, LeaseSet, LockEvent, Locks } from '../../src/locks/types.ts'
import { short } from './network.ts'
import type { Seen } from './network.ts'
import type { Process, World } from './world.ts'

/** What was asked for. */
export interface Terms {
  readonly mode: 'exclusive' | 'shared'
  readonly limit: number | null
  readonly ttlMs: number
  readonly maxHoldMs: number
  readonly minHoldMs: number
  readonly autoRenew: boolean
}

export interface Oracle {
  /** A task has it now. */
  began(process: Process, lease: Lease | LeaseSet, terms: Terms): void
  /** The task is done with it. */
  ended(lease: Lease | LeaseSet): void
  /** Looks at what the locks of a process tell. */
  watch(process: Process, locks: Locks): void
  /** Tickets up to this token may have been taken from their owners by force: that breaks exclusion by design. */
  taken(key: string, upTo: number): void
  check(ran: Process | null): void
  /** How often each kind of event of the library came. */
  readonly tally: ReadonlyMap<string, number>
}

interface Belief {
  readonly process: Process
  readonly lease: Lease | LeaseSet
  readonly signal: AbortSignal
  readonly key: string
  readonly token: number
  readonly terms: Terms
  /** True time. */
  until: number
  over: boolean
}

interface Lock {
  readonly beliefs: Belief[]
  greatest: number
  greatestExclusive: number
  /** Until when nobody else may have it, minHold. */
  keptUntil: number
  /** Up to this token an operator has broken exclusion. */
  takenUpTo: number
}

/** A timer may be late by a little, and something else may happen first. */
const LATE_MS = 1
const ROUNDING_MS = 0.01
const CONTENDED_PASSES = 8
const CONTENDED_MS = 100
/** A push, and where the ticket must be refreshed first, a round trip; with what is under way already. */
const AT_ONCE_MS = 15
const KINDS: readonly LockEvent['type'][] = [
  'waiting',
  'acquired',
  'timed-out',
  'renewed',
  'suspect',
  'released',
  'lost',
  'revoked',
  'store-error',
  'stalled',
]

export function createOracle(
  world: World,
  seen: (key: string) => Seen | undefined,
  options: { readonly calm: boolean },
): Oracle {
  const locks = new Map<string, Lock>()
  const passes = new Map<number, number[]>()
  const passed = new Set<string>()
  const tally = new Map<string, number>()

  const lockOf = (key: string): Lock => {
    const lock = locks.get(key) ?? { beliefs: [], greatest: 0, greatestExclusive: 0, keptUntil: 0, takenUpTo: 0 }
    locks.set(key, lock)
    return lock
  }
  const believes = (belief: Belief): boolean =>
    !belief.over && world.now < belief.until && belief.process.state !== 'dead'
  const nameOf = ({ process, key, token, terms }: Belief): string =>
    `${process.name}'s ${terms.mode} lease ${short(token)} of "${key}"`

  /** The ticket among those that hold in the store now. */
  function ticketOf(key: string, token: number): { readonly token: number; readonly heldAt: number } | null {
    const last = seen(key)
    for (const ticket of last?.view?.holders ?? []) {
      if (token < ticket.token || token >= ticket.token + ticket.tokens) continue
      return last !== undefined && last.at + ticket.leftMs > world.now
        ? { token: ticket.token, heldAt: last.at - ticket.sinceMs }
        : null
    }
    return null
  }

  function refresh(belief: Belief): void {
    if (belief.over && belief.lease.remaining() > 0) return world.fail(`${nameOf(belief)} was over and lives again`)
    if (belief.over || world.now >= belief.until) return
    const left = belief.lease.remaining()
    if (left === 0) {
      belief.over = true
      return
    }
    const until = world.now + left / belief.process.rate
    if (until < belief.until - ROUNDING_MS)
      world.fail(`the window of ${nameOf(belief)} shrank by ${belief.until - until} ms`)
    belief.until = until
  }

  function judgeSignal(belief: Belief): void {
    if (belief.over || world.now < belief.until || belief.process.state !== 'runs') return
    if (world.now <= Math.max(belief.until, belief.process.resumedAt) + LATE_MS) return
    if (!belief.signal.aborted)
      return world.fail(`${nameOf(belief)}: its window closed ${world.now - belief.until} ms ago, and no signal came`)
    if (belief.lease.remaining() > 0) return world.fail(`${nameOf(belief)} was lost and lives again`)
    belief.over = true
  }

  function judgeLock(lock: Lock): void {
    const held = lock.beliefs.filter(belief => believes(belief) && belief.token > lock.takenUpTo)
    for (const belief of held) {
      if (ticketOf(belief.key, belief.token) === null)
        return world.fail(
          `${nameOf(belief)} is believed for ${belief.until - world.now} ms more, but the store has no such holder`,
        )
      if (held.length === 1) return
      const others = held.filter(other => other !== belief)
      if (belief.terms.mode === 'exclusive' && others[0] !== undefined)
        return world.fail(`two hold at once: ${nameOf(belief)} and ${nameOf(others[0])}`)
      if (belief.terms.limit === null) continue
      const earlier = new Set(
        others.filter(other => other.token < belief.token).map(other => ticketOf(other.key, other.token)?.token),
      )
      if (earlier.size >= belief.terms.limit)
        return world.fail(`${nameOf(belief)} with limit ${belief.terms.limit} holds behind ${earlier.size} others`)
    }
  }

  function count(kind: string): void {
    tally.set(kind, (tally.get(kind) ?? 0) + 1)
  }

  function judgeHandover(process: Process, { key, token, handover }: Extract<LockEvent, { type: 'acquired' }>): void {
    const ticket = ticketOf(key, token)
    const last = seen(key)
    if (handover === 'cohort') passed.add(`${token} ${key}`)
    if (ticket === null || last === undefined) return
    if (handover !== 'cohort') {
      if (options.calm && world.now > ticket.heldAt + AT_ONCE_MS)
        world.fail(`${process.name} was let in to "${key}" ${world.now - ticket.heldAt} ms before it noticed`)
      return
    }
    const waiting = (last.view?.waiters ?? []).filter(waiter => last.at + waiter.leftMs > world.now)
    const since = Math.min(...waiting.map(waiter => last.at - waiter.sinceMs))
    const at = [...(passes.get(ticket.token) ?? []), world.now]
    passes.set(ticket.token, at)
    const over = at.filter(instant => instant > since + CONTENDED_MS + LATE_MS)
    if (over.length > CONTENDED_PASSES)
      world.fail(
        `${process.name} passed "${key}" on ${over.length} times while somebody waited for ${world.now - since} ms`,
      )
  }

  function beganOne(process: Process, lease: Lease | LeaseSet, key: string, token: number, terms: Terms): void {
    const lock = lockOf(key)
    world.note(`${process.name} holds ${key} ${short(token)}`)
    const belief: Belief = {
      process,
      lease,
      signal: lease.signal,
      key,
      token,
      terms,
      until: world.now + lease.remaining() / process.rate,
      over: false,
    }
    lock.beliefs.push(belief)
    if (belief.until <= world.now) world.fail(`${nameOf(belief)} was lost before it began`)
    if (passed.delete(`${token} ${key}`) && 'token' in lease && lease.remaining() < terms.ttlMs / 2 - LATE_MS)
      world.fail(`${nameOf(belief)} was passed on with ${lease.remaining()} ms left`)
    if (token <= lock.takenUpTo) return
    const floor = terms.mode === 'exclusive' ? lock.greatest : lock.greatestExclusive
    if (token <= floor) world.fail(`${nameOf(belief)} came after a lease with token ${short(floor)}`)
    if (world.now < lock.keptUntil)
      world.fail(
        `${nameOf(belief)} came ${lock.keptUntil - world.now} ms before the end of an earlier holder's minHold`,
      )
    if (belief.until > world.now + (terms.maxHoldMs + ROUNDING_MS) / process.rate)
      world.fail(`the window of ${nameOf(belief)} is longer than its maxHold`)
    lock.greatest = Math.max(lock.greatest, token)
    if (terms.mode === 'exclusive') lock.greatestExclusive = Math.max(lock.greatestExclusive, token)
    if (terms.minHoldMs > 0)
      lock.keptUntil = (ticketOf(key, token)?.heldAt ?? world.now) + terms.minHoldMs * 0.99 - LATE_MS
    judgeLock(lock)
  }

  return {
    tally,
    began(process, lease, terms) {
      if ('tokens' in lease) for (const [key, token] of lease.tokens) beganOne(process, lease, key, token, terms)
      else beganOne(process, lease, lease.key, lease.token, terms)
    },
    ended(lease) {
      for (const lock of locks.values()) {
        for (let index = lock.beliefs.length - 1; index >= 0; index -= 1) {
          if (lock.beliefs[index]?.lease === lease) lock.beliefs.splice(index, 1)
        }
      }
    },
    watch(process, locks) {
      for (const kind of KINDS)
        locks.on(kind, event => count(event.type === 'acquired' ? `${kind} by ${event.handover}` : kind))
      locks.on('acquired', event => judgeHandover(process, event))
    },
    taken(key, upTo) {
      lockOf(key).takenUpTo = Math.max(lockOf(key).takenUpTo, upTo)
      lockOf(key).keptUntil = 0
    },
    check(ran) {
      for (const lock of locks.values()) {
        if (lock.beliefs.length === 0) continue
        if (ran !== null) for (const belief of lock.beliefs) if (belief.process === ran) refresh(belief)
        for (const belief of lock.beliefs) judgeSignal(belief)
        judgeLock(lock)
      }
    },
  }
}
