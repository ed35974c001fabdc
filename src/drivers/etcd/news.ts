/**
 * What etcd tells by itself: one watch on all tickets and marks of a namespace, however many locks this process waits
 * for.
 *
 * A stream that has gone silent looks like one on which nothing happens. So a key of our own is written now and then,
 * and must be heard of.
 */
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'
import { createSubscription } from '../shared/subscription.ts'
import type { Ear, Subscription } from '../shared/subscription.ts'
import { watchAnswer } from './answers.ts'
import type { WatchAnswer } from './answers.ts'
import type { EtcdClient } from './client.ts'
import type { Names } from './statements.ts'

export interface Watching {
  readonly client: EtcdClient
  readonly names: Names
  /** Writes the ping of this name. */
  write(ping: string, io: Io): Promise<unknown>
  event(event: WatchAnswer['events'][number]): void
  gap(): void
}

const PING_MS = 5_000

export function createWatch({ client, names, write, event, gap }: Watching): Subscription {
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
    const stream = await client.watch({ create_request: names.watched }, { line, ended: over }, io)
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
