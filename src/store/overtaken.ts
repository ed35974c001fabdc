/**
 * Trying again what had no effect because another was quicker: compare and swap, by whatever the store compares.
 *
 * That is no waiting for the lock: an attempt that was overtaken has done nothing, and the next one follows after a few
 * random milliseconds, until the call's time is over.
 */
import { sleep, systemClock } from '../base/clock.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import type { Io } from './contract.ts'

const PAUSE_MS = { first: 1, most: 20 } as const

/**
 * What `attempt` gives; null: it was overtaken, and is made again. `left` is `io` with the time that is left.
 * @throws StoreUnavailableError  it was overtaken until the time was over
 */
export async function untilNotOvertaken<Answer>(
  attempt: (left: () => Io) => Promise<{ readonly answer: Answer } | null>,
  { name, key, io }: { readonly name: string; readonly key: string; readonly io: Io },
): Promise<Answer> {
  const until = systemClock.now() + io.timeoutMs
  const left = (): Io => ({ ...io, timeoutMs: Math.max(1, until - systemClock.now()) })
  for (let tries = 1; ; tries += 1) {
    const outcome = await attempt(left)
    if (outcome !== null) return outcome.answer
    const pauseMs = Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** tries) * systemClock.random()
    if (systemClock.now() + pauseMs >= until || io.signal?.aborted === true)
      throw new StoreUnavailableError(
        `${name} could not change "${key}" within ${io.timeoutMs} ms: others were quicker ${tries} times.`,
        { key, ambiguous: false },
      )
    await sleep(systemClock, pauseMs)
  }
}
