/** A process that is stopped at a random moment, as by a machine that sleeps or a long collection of garbage. */
import { sleep, systemClock } from '../../base/clock.ts'
import type { Child } from '../../servers/child.ts'

export interface Pausing {
  /** It begins at any moment within so long. */
  readonly withinMs: number
  readonly forMs: number
}

/** Resolves when it goes on again. */
export async function pauseSometime({ pause, resume }: Child, { withinMs, forMs }: Pausing): Promise<void> {
  await sleep(systemClock, withinMs * systemClock.random())
  await pause()
  await sleep(systemClock, forMs)
  resume()
}
