/**
 * The first connection to a store, made before the time of anything counts: what is spent on it would be taken from the
 * first lease, which counts from the sending of its request.
 */
import { call } from './call.ts'
import type { Outcome } from './call.ts'
import type { Clock } from '../base/clock.ts'
import type { Store } from '../store/contract.ts'

export interface Connecting {
  /** Nothing is left to do. */
  readonly done: boolean
  /** Once for all who ask meanwhile. Never rejects; a failure is tried again by whoever asks next. */
  connect(key: string): Promise<Outcome<void>>
}

export function createConnecting(
  core: { readonly clock: Clock; readonly store: Store },
  timeoutMs: number,
): Connecting {
  let done = core.store.connect === undefined
  let pending: Promise<Outcome<void>> | undefined

  async function open(key: string): Promise<Outcome<void>> {
    const outcome = await call(core, { verb: 'connect', key, timeoutMs }, async io => core.store.connect?.(io))
    done = outcome.ok
    pending = undefined
    // Nothing was sent that could be carried out late.
    return outcome.ok ? outcome : { ...outcome, ambiguous: false, overdue: false }
  }

  return {
    get done() {
      return done
    },
    connect: key => (pending ??= open(key)),
  }
}
