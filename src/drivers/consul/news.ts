/**
 * What Consul tells when it is asked to wait: one reading for all revocations of a namespace, and one for each lock
 * that a ticket of ours waits for. That one looks at those in front of ours who keep it waiting, which for a writer is
 * its neighbour: a release wakes one process, however many wait.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Timer } from '../../base/clock.ts'
import { holding } from '../../store/rule.ts'
import { blockersOf } from '../shared/queue-keys/line.ts'
import type { Line, LineTicket } from '../shared/queue-keys/line.ts'
import type { Follower, News } from '../shared/queue-keys/news.ts'
import { createSubscription } from '../shared/subscription.ts'
import type { Subscription } from '../shared/subscription.ts'
import type { KeyValue } from './answers.ts'
import type { ConsulClient } from './client.ts'
import type { Names } from './statements.ts'

const AGAIN_MS = 500
/** Many may give up together: one look is for all of them. */
const TOGETHER_MS = 100

export interface Following {
  readonly client: ConsulClient
  readonly names: Names
  readonly news: News
  readonly key: string
  /** A reading begins: its number. */
  begin(): number
  /** The tickets of the lock, out of what the reading of that number has found. */
  lineOf(found: readonly KeyValue[], begun: number): Line
}

/** Until it is stopped: whoever of ours comes to hold this lock is told. */
export function follow({ client, names, news, key, begin, lineOf }: Following): Follower {
  let on = true
  let turn = new AbortController()
  let later: Timer | null = null

  async function round(signal: AbortSignal): Promise<void> {
    const query = { prefix: names.tickets(key), exactly: false, index: 0 }
    const begun = begin()
    const { index, found } = await client.changed(query, signal)
    const line = lineOf(found, begun)
    if (signal.aborted) return
    news.line(key, line)
    const [first, ...others] = inFrontOfOurs(line.tickets)
    if (signal.aborted) return
    // Nobody is in front: our ticket is gone, or has been told. What comes next is its own next enter's to say.
    if (first === undefined) return sleep(systemClock, AGAIN_MS, { signal, idle: true })
    const one = { prefix: first.name, exactly: true, index: Number(first.version) }
    await client.changed(others.length === 0 ? one : { ...query, index }, signal)
  }

  function inFrontOfOurs(tickets: readonly LineTicket[]): readonly LineTicket[] {
    const index = tickets.findIndex(({ id }, place) => place >= holding(tickets) && news.own.has(id))
    return index < 0 ? [] : blockersOf(tickets, index)
  }

  /** Never rejects: a store that fails is looked at again. */
  async function rounds(): Promise<void> {
    while (on) {
      turn = new AbortController()
      const { signal } = turn
      try {
        await round(signal)
      } catch {
        await sleep(systemClock, AGAIN_MS * (0.5 + systemClock.random()), { signal, idle: true })
      }
    }
  }

  function look(): void {
    later = null
    turn.abort()
  }

  void rounds()
  return {
    again() {
      later ??= systemClock.after(TOGETHER_MS, look, { idle: true })
    },
    stop() {
      on = false
      later?.cancel()
      turn.abort()
    },
  }
}

/** Revocations; each is told once. */
export function createNotices(
  { client, names }: Pick<Following, 'client' | 'names'>,
  on: { told(notice: KeyValue): void; gap(): void },
): Subscription {
  async function listen(first: number, signal: AbortSignal): Promise<void> {
    let [index, seen] = [first, first]
    while (!signal.aborted) {
      const change = await client.changed({ prefix: names.allTold, exactly: false, index }, signal)
      if (signal.aborted) return
      for (const notice of change.found) if (notice.modified > seen) on.told(notice)
      index = change.index
      seen = Math.max(seen, ...change.found.map(({ modified }) => modified))
    }
  }

  return createSubscription({
    where: 'consul',
    gap: on.gap,
    async open(ended) {
      const over = new AbortController()
      const { index, found } = await client.changed({ prefix: names.allTold, exactly: false, index: 0 }, over.signal)
      for (const notice of found) on.told(notice)
      listen(index, over.signal).then(ended, ended)
      // Each reading is answered within seconds, or fails.
      return { ping: () => Promise.resolve(), close: () => over.abort() }
    },
  })
}
