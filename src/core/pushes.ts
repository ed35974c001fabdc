/**
 * Who waits for which token, and the store's news about it.
 *
 * A push may overtake the reply that tells a waiter its token, so while an enter is under way the key's pushes are kept
 * for it. A push only wakes: whether the waiter may start is its own to judge, by its own clock.
 */
import type { Store } from '../store/contract.ts'
import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import { within } from '../base/deadline.ts'
import { StoreUnavailableError } from '../base/errors.ts'

export interface PushTarget {
  /** null until the store has told. */
  readonly token: number | null
  holds(): void
  revoked(reason: string): void
  gap(): void
}

export interface Pushes {
  /**
   * Subscribes, once, before the first queued enter or behind the first lease, whichever comes first. False: the store
   * does not push (now), so poll.
   */
  ready(): Promise<boolean>
  /** Somebody enters this key and does not know its token yet. Once for each `named` or `remove`. */
  add(key: string): void
  /** The target has learnt its token: from now on it is found by it. */
  named(key: string, target: PushTarget): void
  remove(key: string, target: PushTarget): void
  close(): Promise<void>
}

/** What was pushed to a token that nobody has learnt to be his own yet. */
interface EarlyNews {
  readonly holds: Set<number>
  readonly revoked: Map<number, string>
  gap: boolean
}
/**
 * Of one key. Most keys are free most of the time, and most rooms are gone before anybody has learnt to wait: made bit
 * by bit.
 */
interface Room {
  named: Map<number, PushTarget> | undefined
  /** How many do not know their token yet. */
  unnamed: number
  /** Early news, kept for those. */
  early: EarlyNews | undefined
}

const LISTEN_AGAIN_MS = 1_000

export function createPushes(
  store: Store,
  clock: Clock,
  options: {
    readonly storeTimeoutMs: number
    storeError(verb: string, cause: unknown): void
    revoked(key: string, token: number, reason: string): void
    /** Somebody holds, and wants to hear of a revocation. */
    wanted(): boolean
  },
): Pushes {
  const rooms = new Map<string, Room>()
  let listening: Promise<boolean> | undefined
  let subscription: AsyncDisposable | undefined
  let closed = false

  const listener = {
    holds(key: string, tokens: readonly number[]): void {
      const room = rooms.get(key)
      if (room === undefined) return
      for (const token of tokens) {
        const target = room.named?.get(token)
        if (target) target.holds()
        else if (room.unnamed > 0) early(room).holds.add(token)
      }
    },
    revoked(key: string, token: number, reason: string): void {
      const room = rooms.get(key)
      const target = room?.named?.get(token)
      if (target) target.revoked(reason)
      else if (room !== undefined && room.unnamed > 0) early(room).revoked.set(token, reason)
      options.revoked(key, token, reason)
    },
    gap(): void {
      for (const room of rooms.values()) {
        for (const target of [...(room.named?.values() ?? [])]) target.gap()
        if (room.unnamed > 0) early(room).gap = true
      }
    },
  }

  async function listen(): Promise<boolean> {
    if (store.listen === undefined) return false
    const late = (): never => {
      throw new StoreUnavailableError(
        `${store.traits.name} did not answer "listen" within ${options.storeTimeoutMs} ms.`,
      )
    }
    let opening: Promise<AsyncDisposable> | undefined
    try {
      opening = store.listen(listener)
      subscription = await within(opening, { clock, timeoutMs: options.storeTimeoutMs, late })
      if (closed) await subscription[Symbol.asyncDispose]()
      return true
    } catch (cause) {
      // One that comes late is nobody's: another is asked for.
      opening?.then(
        overdue => overdue[Symbol.asyncDispose](),
        () => {},
      )
      if (closed) return false
      options.storeError('listen', cause)
      void sleep(clock, LISTEN_AGAIN_MS, { idle: true }).then(() => {
        listening = undefined
        if (!closed && options.wanted()) void ready()
      })
      return false
    }
  }

  function ready(): Promise<boolean> {
    return (listening ??= listen())
  }

  return {
    ready,
    add(key) {
      const room = rooms.get(key)
      if (room === undefined) rooms.set(key, { named: undefined, unnamed: 1, early: undefined })
      else room.unnamed += 1
    },
    named(key, target) {
      const room = rooms.get(key)
      if (room === undefined || target.token === null) return
      room.named ??= new Map()
      room.named.set(target.token, target)
      const news = room.early
      settled(room)
      const revoked = news?.revoked.get(target.token)
      if (revoked !== undefined) target.revoked(revoked)
      else if (news?.holds.has(target.token) === true) target.holds()
      else if (news?.gap === true) target.gap()
    },
    remove(key, target) {
      const room = rooms.get(key)
      if (room === undefined) return
      if (target.token === null) settled(room)
      else if (room.named?.get(target.token) === target) room.named.delete(target.token)
      if (room.unnamed === 0 && (room.named === undefined || room.named.size === 0)) rooms.delete(key)
    },
    async close() {
      closed = true
      await subscription?.[Symbol.asyncDispose]()
    },
  }
}

function early(room: Room): EarlyNews {
  room.early ??= { holds: new Set(), revoked: new Map(), gap: false }
  return room.early
}

/** One who did not know its token does now, or needs it no longer. */
function settled(room: Room): void {
  room.unnamed -= 1
  if (room.unnamed === 0) room.early = undefined
}
