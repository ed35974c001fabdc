/**
 * Calls to the store, each with a deadline of ours: several clients hang on a paused server whatever their own timeout
 * says.
 *
 * A driver has to settle within `timeoutMs`. We wait a little longer, so that a driver that keeps its word is heard;
 * one that does not is `overdue`: its call is still under way, and the id in it must not be used again except to leave.
 */
import type { Io, Store } from '../store/contract.ts'
import type { Clock } from '../base/clock.ts'
import { ConfigurationError, InvalidKeyError, StoreUnavailableError, UnsupportedError } from '../base/errors.ts'
import type { HoldfastError } from '../base/errors.ts'

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  /** final: trying again cannot help. overdue: the call is still under way. */
  | {
      readonly ok: false
      readonly error: HoldfastError
      readonly final: boolean
      readonly ambiguous: boolean
      readonly overdue: boolean
    }

/** What a driver that keeps its deadline may be late all the same: a busy event loop. */
const GRACE = 1.2
const GRACE_MS = 25

interface Asked {
  readonly verb: string
  readonly key: string
  readonly timeoutMs: number
}

/**
 * One call, never rejecting: failure is a value here, since most callers go on. One promise, since every section makes
 * two calls.
 */
export function call<T>(
  { clock, store }: { readonly clock: Clock; readonly store: Store },
  asked: Asked,
  request: (io: Io) => Promise<T>,
): Promise<Outcome<T>> {
  const timeoutMs = Math.max(1, asked.timeoutMs)
  return new Promise<Outcome<T>>(resolve => {
    let reply: Promise<T>
    try {
      reply = request({ timeoutMs })
    } catch (cause) {
      resolve(failure(store, asked, cause))
      return
    }
    // Set behind the sending: whoever waits for the lock waits for that.
    const timer = clock.after(timeoutMs * GRACE + GRACE_MS, () => resolve(overdue(store, asked)))
    const answered = (value: T): void => {
      timer.cancel()
      resolve({ ok: true, value })
    }
    const failed = (cause: unknown): void => {
      timer.cancel()
      resolve(failure(store, asked, cause))
    }
    reply.then(answered, failed)
  })
}

function overdue<T>({ traits }: Store, { verb, key, timeoutMs }: Asked): Outcome<T> {
  const error = new StoreUnavailableError(
    `${traits.name} did not answer "${verb}" of "${key}" within ${Math.round(Math.max(1, timeoutMs))} ms.`,
    { key },
  )
  return { ok: false, error, final: false, ambiguous: true, overdue: true }
}

/** Asking again cannot help. */
function isFinal(cause: unknown): cause is UnsupportedError | ConfigurationError | InvalidKeyError {
  return [UnsupportedError, ConfigurationError, InvalidKeyError].some(kind => cause instanceof kind)
}

function failure<T>({ traits }: Store, { verb, key }: Asked, cause: unknown): Outcome<T> {
  if (isFinal(cause)) return { ok: false, error: cause, final: true, ambiguous: false, overdue: false }
  if (cause instanceof StoreUnavailableError)
    return { ok: false, error: cause, final: false, ambiguous: cause.ambiguous, overdue: false }
  const why = cause instanceof Error ? cause.message : String(cause)
  const error = new StoreUnavailableError(`${traits.name} failed at "${verb}" of "${key}": ${why}`, {
    key,
    cause,
  })
  return { ok: false, error, final: false, ambiguous: true, overdue: false }
}
