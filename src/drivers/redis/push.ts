/**
 * The subscriber: one connection of its own, however many locks wait, on a channel that only this store's tickets name.
 *
 * Messages of Redis go to whoever is subscribed at that moment and to nobody later. So whenever the connection ends, or
 * does not answer a ping, another is made, and once it is subscribed the listeners are told of the gap.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { RedisConnection } from './clients.ts'
import { within } from './deadline.ts'
import type { Twin } from './links.ts'
import { failure } from './replies.ts'

export interface Subscriber {
  /** Resolves once subscribed; rejects if the first attempt fails. */
  start(): Promise<void>
  /** It subscribed once, and since then does so again after every failure. */
  readonly started: boolean
  close(): void
}

const CALL_MS = 5_000
const PING_EVERY_MS = 10_000
const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 2_000

export function createSubscriber(
  connection: RedisConnection,
  channel: string,
  on: { message(text: string): void; gap(): void },
): Subscriber {
  const closing = new AbortController()
  let started = false
  let starting: Promise<void> | undefined

  async function subscribe(): Promise<Twin> {
    const twin = await connection.twin(CALL_MS)
    const late = (): StoreUnavailableError =>
      new StoreUnavailableError(`${connection.where} did not answer SUBSCRIBE within ${CALL_MS} ms.`)
    try {
      await within({ timeoutMs: CALL_MS, idle: true }, twin.subscribe(channel, on.message), late)
      if (closing.signal.aborted) throw new StoreUnavailableError('The subscriber was closed.', { ambiguous: false })
      return twin
    } catch (cause) {
      twin.close()
      throw failure(cause, connection.where, { sent: true })
    }
  }

  /** Resolves when the twin is of no use any more, or the subscriber is closed. */
  async function watch(twin: Twin): Promise<void> {
    let alive = true
    const ended = twin.ended.then(() => (alive = false))
    const closed = new Promise<void>(resolve =>
      closing.signal.addEventListener('abort', () => resolve(), { once: true }),
    )
    while (alive && !closing.signal.aborted) {
      await Promise.race([ended, closed, sleep(systemClock, PING_EVERY_MS, { idle: true, signal: closing.signal })])
      if (!alive || closing.signal.aborted) return
      const late = (): StoreUnavailableError => new StoreUnavailableError(`${connection.where} did not answer PING.`)
      alive = await within({ timeoutMs: CALL_MS, idle: true }, twin.ping(), late).then(
        () => alive,
        () => false,
      )
    }
  }

  async function keep(first: Twin): Promise<void> {
    let twin: Twin | undefined = first
    let retryMs = FIRST_RETRY_MS
    while (!closing.signal.aborted) {
      if (twin !== undefined) {
        await watch(twin)
        twin.close()
      }
      await sleep(systemClock, retryMs * (0.5 + systemClock.random() / 2), { idle: true, signal: closing.signal })
      if (closing.signal.aborted) return
      try {
        twin = await subscribe()
        retryMs = FIRST_RETRY_MS
        on.gap()
      } catch {
        twin = undefined
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)
      }
    }
  }

  return {
    get started() {
      return started
    },
    start() {
      const late = (): StoreUnavailableError =>
        new StoreUnavailableError(`${connection.where} could not be subscribed to within ${2 * CALL_MS} ms.`)
      // The first time somebody waits for it, so it keeps the process alive; afterwards it goes on in the background,
      // which must not.
      starting ??= within({ timeoutMs: 2 * CALL_MS }, subscribe(), late).then(
        twin => {
          started = true
          void keep(twin)
        },
        (cause: unknown) => {
          starting = undefined
          throw cause
        },
      )
      return starting
    },
    close: () => closing.abort(),
  }
}
