/** A store over the rule with one defect of choice: what the conformance suite must find. */
import { systemClock } from '../../src/base/clock.ts'
import type { Clock } from '../../src/base/clock.ts'
import type {
  Entry,
  LeaveRequest,
  LockView,
  Renewal,
  RenewRequest,
  RevokeRequest,
  Store,
  StoreListener,
  TicketRequest,
  Was,
} from '../../src/store/contract.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { EMPTY, enter, leave, renew, revoke, view } from '../../src/store/queue.ts'
import type { Now, Queue, Step } from '../../src/store/queue.ts'

/** What a driver says, each word of which a defect may get wrong. */
export interface Words {
  enter(queue: Queue, request: TicketRequest, now: Now): Step<Entry>
  renew(queue: Queue, request: RenewRequest, now: Now): Step<Renewal>
  leave(queue: Queue, request: LeaveRequest, now: Now): Step<{ readonly was: Was }>
  revoke(queue: Queue, request: RevokeRequest, now: Now): Step<number>
  view(key: string, queue: Queue, now: Now): LockView | null
  /** The queue to keep, given the one before and the one after. */
  keep(before: Queue, after: Queue, now: Now): Queue
  matches(key: string, prefix: string): boolean
  /** Under which name a lock is kept. */
  name(storage: string, key: string): string
  now(clock: Clock): Now
}

export const RIGHT: Words = {
  enter,
  renew,
  leave,
  revoke,
  view,
  keep: (_before, after) => after,
  matches: (key, prefix) => key.startsWith(prefix),
  name: (storage, key) => `${storage.length}:${storage}${key}`,
  now: clock => ({ ms: clock.now(), micros: Math.floor(clock.wall() * 1_000) }),
}

/** Makes stores that share data by storage name. */
export function brokenStores(defect: Partial<Words>, clock: Clock = systemClock): (storage: string) => Promise<Store> {
  const words: Words = { ...RIGHT, ...defect }
  const locks = new Map<string, { readonly storage: string; readonly key: string; queue: Queue }>()
  const listeners = new Set<{ readonly storage: string; readonly listener: StoreListener }>()
  const { traits } = memoryStore()

  function make(storage: string): Store {
    function apply<Answer>(key: string, transition: (queue: Queue, now: Now) => Step<Answer>): Answer {
      const now = words.now(clock)
      const name = words.name(storage, key)
      const lock = locks.get(name) ?? { storage, key, queue: EMPTY }
      const step = transition(lock.queue, now)
      locks.set(name, { ...lock, queue: words.keep(lock.queue, step.queue, now) })
      for (const { listener } of [...listeners].filter(each => each.storage === storage)) {
        if (step.holds.length > 0) listener.holds(key, step.holds)
        for (const { token, reason } of step.revoked) listener.revoked(key, token, reason)
      }
      return step.answer
    }
    return {
      traits,
      enter: async request => apply(request.key, (queue, now) => words.enter(queue, request, now)),
      renew: async renewals =>
        renewals.map(request => apply(request.key, (queue, now) => words.renew(queue, request, now))),
      leave: async request => apply(request.key, (queue, now) => words.leave(queue, request, now)),
      revoke: async (key, request) => apply(key, (queue, now) => words.revoke(queue, request, now)),
      inspect: async key => words.view(key, locks.get(words.name(storage, key))?.queue ?? EMPTY, words.now(clock)),
      async *list(prefix) {
        for (const lock of locks.values()) {
          if (lock.storage !== storage || !words.matches(lock.key, prefix)) continue
          const shown = words.view(lock.key, lock.queue, words.now(clock))
          if (shown !== null) yield shown
        }
      },
      async listen(listener) {
        const entry = { storage, listener }
        listeners.add(entry)
        return { [Symbol.asyncDispose]: async () => void listeners.delete(entry) }
      },
      async close() {},
    }
  }
  return async storage => make(storage)
}
