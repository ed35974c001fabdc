/**
 * Who waits for which token, and the store's news about it.
 *
 * A push may overtake the reply that tells a waiter its token, so while an enter is under way the key's pushes are kept for
 * it. A push only wakes: whether the waiter may start is its own to judge, by its own clock.
 */
import type { Store } from '../store/contract.ts'
import type { Clock } from './clock.ts'
import { sleep } from './clock.ts'
import { within } from './call.ts'
import { StoreUnavailableError } from './errors.ts'

export interface PushTarget {
  /** null until the store has told. */
  readonly token: number | null
  holds(): void
  revoked(reason: string): void
  gap(): void
}

export interface Pushes {
  /** Subscribes before the first queued enter. False: the store does not push (now), so poll. */
  ready(): Promise<boolean>
  add(key: string, target: PushTarget): void
  /** The target has learnt its token: from now on it is found by it. */
  named(key: string, target: PushTarget): void
  remove(key: string, target: PushTarget): void
  close(): Promise<void>
}

interface News {
  readonly holds: Set<number>
  readonly revoked: Map<number, string>
}
interface Room {
  readonly named: Map<number, PushTarget>
  readonly unnamed: Set<PushTarget>
  /** Early news, kept while somebody does not know its token yet. */
  readonly early: News
}

const LISTEN_AGAIN_MS = 1_000

export function createPushes(store: Store, clock: Clock, options: { readonly storeTimeoutMs: number; storeError(verb: string, cause: unknown): void; revoked(key: string, token: number, reason: string): void }): Pushes {
  const rooms = new Map<string, Room>()
  let listening: Promise<boolean> | undefined
  let subscription: AsyncDisposable | undefined
  let closed = false

  const listener = {
    holds(key: string, tokens: readonly number[]): void {
      const room = rooms.get(key)
      if (room === undefined) return
      for (const token of tokens) {
        const target = room.named.get(token)
        if (target) target.holds()
        else if (room.unnamed.size > 0) room.early.holds.add(token)
      }
    },
    revoked(key: string, token: number, reason: string): void {
      const room = rooms.get(key)
      const target = room?.named.get(token)
      if (target) target.revoked(reason)
      else if (room !== undefined && room.unnamed.size > 0) room.early.revoked.set(token, reason)
      options.revoked(key, token, reason)
    },
    gap(): void {
      for (const room of rooms.values()) for (const target of [...room.named.values(), ...room.unnamed]) target.gap()
    },
  }

  async function listen(): Promise<boolean> {
    if (store.listen === undefined) return false
    const late = (): never => {
      throw new StoreUnavailableError(`${store.traits.name} did not answer "listen" within ${options.storeTimeoutMs} ms.`)
    }
    try {
      subscription = await within(clock, options.storeTimeoutMs, store.listen(listener), late)
      if (closed) await subscription[Symbol.asyncDispose]()
      return true
    } catch (cause) {
      options.storeError('listen', cause)
      void sleep(clock, LISTEN_AGAIN_MS, { idle: true }).then(() => (listening = undefined))
      return false
    }
  }

  return {
    ready: () => (listening ??= listen()),
    add(key, target) {
      const room = rooms.get(key) ?? { named: new Map(), unnamed: new Set(), early: { holds: new Set(), revoked: new Map() } }
      rooms.set(key, room)
      room.unnamed.add(target)
    },
    named(key, target) {
      const room = rooms.get(key)
      if (room === undefined || target.token === null) return
      room.unnamed.delete(target)
      room.named.set(target.token, target)
      const revoked = room.early.revoked.get(target.token)
      if (revoked !== undefined) target.revoked(revoked)
      else if (room.early.holds.has(target.token)) target.holds()
      if (room.unnamed.size === 0) clear(room.early)
    },
    remove(key, target) {
      const room = rooms.get(key)
      if (room === undefined) return
      room.unnamed.delete(target)
      if (target.token !== null && room.named.get(target.token) === target) room.named.delete(target.token)
      if (room.unnamed.size === 0) clear(room.early)
      if (room.unnamed.size === 0 && room.named.size === 0) rooms.delete(key)
    },
    async close() {
      closed = true
      await subscription?.[Symbol.asyncDispose]()
    },
  }
}

function clear(news: News): void {
  news.holds.clear()
  news.revoked.clear()
}
