/**
 * What etcd tells by itself: a watch on all revocations of a namespace, and while tickets of ours wait one on all its
 * tickets, however many locks they wait for. Who only holds does not hear of every ticket that comes and goes.
 *
 * A stream that has gone silent looks like one on which nothing happens. So a key of our own is written now and then,
 * and must be heard of.
 */
import { systemClock } from '../../base/clock.ts'
import type { Timer } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { createSubscription } from '../shared/subscription.ts'
import type { Ear, Subscription } from '../shared/subscription.ts'
import type { Follower, News } from '../shared/queue-keys/news.ts'
import { watchAnswer } from './answers.ts'
import type { WatchAnswer } from './answers.ts'
import type { EtcdClient } from './client.ts'
import type { Names, Range } from './statements.ts'

export interface Watching {
  readonly client: EtcdClient
  readonly names: Names
  readonly range: Range
  /** Also what has happened since this revision; undefined: only what comes. */
  readonly since?: number
  /** Writes the ping of this name. */
  write(ping: string, io: Io): Promise<unknown>
  event(event: WatchAnswer['events'][number]): void
  gap(): void
}

const PING_MS = 5_000
/** Nobody has waited for so long: the watch on tickets ends. */
const LINGER_MS = 10_000
const AGAIN_MS = 500

export interface LineWatch {
  /** While a ticket of ours waits in a line that is known as of this revision. */
  follow(news: News, revision: number): Follower
  close(): void
}

/** `begin`: a watch on tickets that also tells what has happened since that revision. */
export function createLineWatch(
  begin: (how: { readonly news: News; readonly since: number }) => Subscription,
): LineWatch {
  let current: { readonly watch: Subscription; readonly since: number } | null = null
  let followers = 0
  let idle: Timer | null = null
  let again: Timer | null = null

  function end(): void {
    again?.cancel()
    current?.watch.close()
    current = null
  }

  function start(news: News, since: number): void {
    end()
    const made = { watch: begin({ news, since }), since }
    current = made
    made.watch.start().catch(() => {
      if (current === made) again = systemClock.after(AGAIN_MS, () => start(news, since), { idle: true })
    })
  }

  return {
    follow(news, revision) {
      followers += 1
      idle?.cancel()
      // One that began later has missed what happened in between.
      if (current === null || revision < current.since) start(news, revision)
      return {
        // Of every line the whole is known.
        again() {},
        stop() {
          followers -= 1
          if (followers === 0) idle = systemClock.after(LINGER_MS, end, { idle: true })
        },
      }
    },
    close() {
      idle?.cancel()
      end()
    },
  }
}

export function createWatch({ client, names, range, since, write, event, gap }: Watching): Subscription {
  let first = true

  async function open(ended: () => void, timeoutMs: number): Promise<Ear> {
    const self = systemClock.id()
    const pings = new Set<() => void>()
    let listening = (): void => {}
    let failed = (): void => {}
    const created = new Promise<void>((resolve, reject) => {
      listening = resolve
      failed = () => reject(new StoreUnavailableError('etcd ended the watch.', { ambiguous: false }))
    })
    created.catch(() => {})

    function line(value: unknown): void {
      const answer = watchAnswer(value)
      if (answer.canceled !== null) {
        client.forgetLogin()
        throw new Error(answer.canceled)
      }
      if (answer.created) listening()
      for (const each of answer.events) {
        if (each.item.name === names.ping(self)) for (const heard of pings) heard()
        else event(each)
      }
    }

    function over(): void {
      failed()
      ended()
    }

    const io = { timeoutMs }
    // Once only: who listens anew asks anew.
    const from = first && since !== undefined ? { start_revision: String(since + 1) } : {}
    first = false
    const stream = await client.watch({ create_request: { ...range, ...from } }, { line, ended: over }, io)
    const late = systemClock.after(timeoutMs, over, { idle: true })
    await created.finally(() => late.cancel())
    return {
      ping: () =>
        new Promise<void>((resolve, reject) => {
          const heard = (): void => {
            pings.delete(heard)
            resolve()
          }
          pings.add(heard)
          write(names.ping(self), { timeoutMs: PING_MS }).catch(reject)
        }),
      close: () => stream.close(),
    }
  }

  return createSubscription({ where: 'etcd', open, gap })
}
