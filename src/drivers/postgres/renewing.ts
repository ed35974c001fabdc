/**
 * Renewals in one call, but for those whose row somebody keeps: these are asked for again, and the others have their
 * answers.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Io, Renewal, RenewRequest } from '../../store/contract.ts'
import { StoreUnavailableError } from '../../base/errors.ts'

const PAUSE_MS = 10

/** `ask`: null for a row that somebody keeps. */
export async function renewAll(
  renewals: readonly RenewRequest[],
  ask: (some: readonly RenewRequest[], io: Io) => Promise<readonly (Renewal | null)[]>,
  io: Io,
): Promise<readonly Renewal[]> {
  const until = systemClock.now() + io.timeoutMs
  const answers = new Map<RenewRequest, Renewal>()
  let open = renewals
  while (open.length > 0) {
    const timeoutMs = until - systemClock.now()
    // The first failure says that nothing is known; later ones concern those alone that are asked for again.
    const some = await ask(open, { ...io, timeoutMs: Math.max(1, timeoutMs) }).catch((cause: unknown) => {
      if (answers.size === 0) throw cause
      return open.map((): Renewal => ({ status: 'unknown', cause }))
    })
    for (const [index, renewal] of open.entries()) {
      const answer = some[index] ?? null
      if (answer !== null) answers.set(renewal, answer)
    }
    open = open.filter(renewal => !answers.has(renewal))
    if (open.length > 0 && systemClock.now() + PAUSE_MS >= until) break
    if (open.length > 0) await sleep(systemClock, PAUSE_MS)
  }
  return renewals.map(renewal => answers.get(renewal) ?? { status: 'unknown', cause: keptError(renewal.key) })
}

function keptError(key: string): StoreUnavailableError {
  return new StoreUnavailableError(`The row of "${key}" was kept by somebody else all the time.`, {
    key,
    ambiguous: false,
  })
}
