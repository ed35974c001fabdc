/**
 * A holder that is cut off from its store: nothing that it asks is answered any more, while it goes on and reaches
 * everything else. For stores that have no network one could cut, and the same for those that have.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Io, Store } from '../../store/contract.ts'

export interface Cut {
  /** What the locks are opened on. */
  through(store: Store): Store
  /** From here on nothing is answered, until it is mended. */
  cut(): void
  mend(): void
}

export function createCut(): Cut {
  let over: AbortController | null = null
  /** What was asked meanwhile arrives when it is mended, late. */
  async function pass({ timeoutMs }: Io): Promise<void> {
    if (over !== null) await sleep(systemClock, timeoutMs, { signal: over.signal })
    if (over !== null)
      throw new StoreUnavailableError('The store does not answer: it is cut off. Mend it.', { ambiguous: true })
  }
  return {
    cut: () => void (over ??= new AbortController()),
    mend() {
      over?.abort()
      over = null
    },
    through: store => ({
      ...store,
      enter: (request, io) => pass(io).then(() => store.enter(request, io)),
      renew: (renewals, io) => pass(io).then(() => store.renew(renewals, io)),
      leave: (request, io) => pass(io).then(() => store.leave(request, io)),
      inspect: (key, io) => pass(io).then(() => store.inspect(key, io)),
    }),
  }
}
