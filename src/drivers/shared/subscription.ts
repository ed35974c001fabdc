/**
 * What a store tells by itself (messages, notifications, a stream of changes), heard by one connection of its own,
 * however many locks wait.
 *
 * Such news go to whoever listens at that moment and to nobody later. So whenever the connection ends, or does not
 * answer a ping, another is made, and once it listens `gap` is told that news may be missing. A driver says how one
 * connection is made that listens already; the words on the wire are its own.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { within } from '../../base/deadline.ts'
import { StoreUnavailableError } from '../../base/errors.ts'

/** One connection that listens. */
export interface Ear {
  /** Settles when the server has answered; rejects if it cannot. */
  ping(): Promise<unknown>
  close(): void
}

export interface Hearing {
  /** For messages: the address without its password. */
  readonly where: string
  /**
   * Connects and listens, or rejects within `timeoutMs`. `ended` is to be called when news may be missed from now on:
   * the connection is of no use any more, and will be closed.
   */
  open(ended: () => void, timeoutMs: number): Promise<Ear>
  /** It listens again after it did not. */
  gap(): void
  readonly clock?: Clock
}

export interface Subscription {
  /** Resolves once it listens; rejects if the first attempt fails. */
  start(): Promise<void>
  /** It listened once, and since then does so again after every failure. */
  readonly started: boolean
  close(): void
}

const OPEN_MS = 10_000
const PING_MS = 5_000
const PING_EVERY_MS = 10_000
const RETRY_MS = { first: 50, most: 2_000 } as const

export function createSubscription({ where, open, gap, clock = systemClock }: Hearing): Subscription {
  let starting: Promise<void> | undefined
  let started = false
  let closed = false
  let hangUp = (): void => {}

  /** Resolves when it listens no more, rejects if it never did; calls `listening` in between. */
  async function listen(options: { readonly idle: boolean; listening(): void }): Promise<void> {
    let end = (): void => {}
    const ended = new Promise<void>(resolve => (end = resolve))
    const opening = open(end, OPEN_MS)
    const late = (): never => {
      opening.then(ear => ear.close(), ignore)
      throw new StoreUnavailableError(`${where} could not be listened to within ${OPEN_MS} ms.`, { ambiguous: false })
    }
    const ear = await within(opening, { timeoutMs: OPEN_MS, idle: options.idle, clock, late })
    hangUp = end
    if (closed) end()
    else options.listening()
    const stopPinging = pinging(ear, end)
    await ended
    stopPinging()
    ear.close()
  }

  function pinging(ear: Ear, dead: () => void): () => void {
    let going = true
    let timer: Timer | undefined
    const late = (): never => {
      throw new StoreUnavailableError(`${where} did not answer a ping.`)
    }
    const ask = (): void => void within(ear.ping(), { timeoutMs: PING_MS, idle: true, clock, late }).then(next, dead)
    const next = (): void => {
      if (going) timer = clock.after(PING_EVERY_MS, ask, { idle: true })
    }
    next()
    return () => {
      going = false
      timer?.cancel()
    }
  }

  /** Somebody waits for the first time, which keeps the process alive; what comes after must not. */
  async function keep(first: { resolve(): void; reject(cause: unknown): void }): Promise<void> {
    const listening = (): void => {
      started = true
      first.resolve()
    }
    try {
      await listen({ idle: false, listening })
    } catch (cause) {
      starting = undefined
      return first.reject(cause)
    }
    let retryMs: number = RETRY_MS.first
    const again = (): void => {
      retryMs = RETRY_MS.first
      gap()
    }
    while (!closed) {
      await sleep(clock, retryMs * (0.5 + clock.random() / 2), { idle: true })
      retryMs = Math.min(retryMs * 2, RETRY_MS.most)
      if (!closed) await listen({ idle: true, listening: again }).catch(ignore)
    }
  }

  return {
    get started() {
      return started
    },
    start() {
      starting ??= new Promise((resolve, reject) => void keep({ resolve, reject }))
      return starting
    },
    close() {
      closed = true
      hangUp()
    },
  }
}

/** The next attempt is its answer. */
function ignore(): void {}
