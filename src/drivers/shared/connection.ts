/**
 * One connection for commands, whichever store's: a client of the user's, or one of ours that is made anew.
 *
 * Every call has a deadline of ours, since clients hang on a server that is stopped. A link of ours lives as long as
 * its connection: when that ends, or has been silent for too long under load, the next call makes a new one. It must
 * neither queue commands while it is not connected nor send them twice: a command that runs after its caller gave up
 * would take a lock for nobody.
 */
import { systemClock } from '../../base/clock.ts'
import { within } from '../../base/deadline.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { HoldfastError } from '../../base/errors.ts'
import type { Io } from '../../store/contract.ts'

/** Where links come from. */
export interface Supply<Link> {
  /** For messages: the address without its password. */
  readonly where: string
  /** One that is ready, or a promise of one. @throws StoreUnavailableError  there is none, and none is being made */
  link(): Link | Promise<Link>
  /** The link is of no use any more: the server that we reached is no longer the one to ask, or does not answer. */
  drop(): void
  close(): void
}

export interface Connection<Link> {
  readonly where: string
  /**
   * What `send` resolves to, sent at once if a link is ready. Rejects within `io.timeoutMs`.
   * @throws HoldfastError  what `failure` makes of it
   */
  use<T>(send: (link: Link) => Promise<T>, io: Io): Promise<T>
  /** What a call is told that was not answered in time. */
  late(timeoutMs: number): StoreUnavailableError
  close(): void
}

export interface Making<Link> {
  readonly where: string
  /** Connects, or rejects within `timeoutMs`. */
  open(timeoutMs: number): Promise<Link>
  /** A command is sent now. */
  ready(link: Link): boolean
  end(link: Link): void
}

export interface Failing {
  /** One of ours, of whatever the client rejects with. `sent`: the command may have reached the server. */
  failure(cause: unknown, options: { readonly sent: boolean }): HoldfastError
  /** The server says that another one is in charge now. */
  moved?(cause: unknown): boolean
}

const OPEN_MS = 5_000
/**
 * A reply that came while the newest calls are still unanswered says that the server lives; silence for so long, that
 * it does not.
 */
const SILENCE_MS = 1_000

/** Links of ours, made at the first call and after each end. */
export function madeAnew<Link>({ where, open, ready, end }: Making<Link>): Supply<Link> {
  let current: Link | undefined
  let opening: Promise<Link> | undefined

  function drop(): void {
    if (current !== undefined) end(current)
    current = undefined
  }

  return {
    where,
    drop,
    link() {
      if (current !== undefined && ready(current)) return current
      if (opening === undefined) {
        drop()
        opening = open(OPEN_MS)
          .then(link => (current = link))
          .finally(() => (opening = undefined))
        opening.catch(() => {})
      }
      return opening
    },
    close() {
      drop()
      void opening?.then(drop, () => {})
    },
  }
}

export function createConnection<Link>(
  supply: Supply<Link>,
  { failure, moved = () => false }: Failing,
): Connection<Link> {
  const { where } = supply
  let closed = false
  let silentSince: number | undefined

  function exchange<T>(link: Link, send: (link: Link) => Promise<T>, io: Io): Promise<T> {
    const sentAt = systemClock.now()
    const late = (): never => {
      silentSince ??= sentAt
      // A turn later: after this process has stood still, answers are there that nobody has read yet.
      if (isSilent()) systemClock.after(0, () => isSilent() && drop(), { idle: true })
      throw lateError(io.timeoutMs)
    }
    const answered = send(link).then(
      value => {
        silentSince = undefined
        return value
      },
      (cause: unknown) => {
        if (moved(cause)) drop()
        throw failure(cause, { sent: true })
      },
    )
    return within(answered, { timeoutMs: io.timeoutMs, signal: io.signal, late })
  }

  function isSilent(): boolean {
    return silentSince !== undefined && systemClock.now() - silentSince >= SILENCE_MS
  }

  function lateError(timeoutMs: number): StoreUnavailableError {
    const waited = `within ${Math.round(timeoutMs)} ms`
    return new StoreUnavailableError(`${where} did not answer ${waited}; the command may have been carried out.`)
  }

  function drop(): void {
    silentSince = undefined
    supply.drop()
  }

  async function later<T>(opening: Promise<Link>, send: (link: Link) => Promise<T>, io: Io): Promise<T> {
    const startedAt = systemClock.now()
    const late = (): never => {
      const waited = `within ${Math.round(io.timeoutMs)} ms`
      throw new StoreUnavailableError(`${where} could not be reached ${waited}.`, { ambiguous: false })
    }
    const opened = opening.catch((cause: unknown) => {
      throw failure(cause, { sent: false })
    })
    const link = await within(opened, { timeoutMs: io.timeoutMs, signal: io.signal, late })
    return exchange(link, send, { ...io, timeoutMs: Math.max(1, io.timeoutMs - (systemClock.now() - startedAt)) })
  }

  return {
    where,
    use(send, io) {
      try {
        if (closed)
          throw new StoreUnavailableError(`The connection to ${where} was closed by close().`, { ambiguous: false })
        const link = supply.link()
        return link instanceof Promise ? later(link, send, io) : exchange(link, send, io)
      } catch (cause) {
        return Promise.reject(failure(cause, { sent: false }))
      }
    },
    late: lateError,
    close() {
      closed = true
      supply.close()
    },
  }
}

/**
 * What `work` gives; at the deadline `end` is called, which makes `work` fail: a server that accepts and does not
 * answer leaves a client's connect() pending for ever. After any failure `end` has been called.
 */
export async function endingLate<T>(
  work: () => Promise<T>,
  { timeoutMs, end }: { readonly timeoutMs: number; end(): void },
): Promise<T> {
  const timer = systemClock.after(timeoutMs, end, { idle: true })
  try {
    return await work()
  } catch (cause) {
    end()
    throw cause
  } finally {
    timer.cancel()
  }
}

/** A host with several addresses fails with an error that has no message, only one for each. */
export function reasonOf(cause: Error): string {
  return cause instanceof AggregateError && cause.message === '' ? cause.errors.map(String).join('; ') : cause.message
}
