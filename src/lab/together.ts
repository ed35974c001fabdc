/** Workers that begin at one instant of the host's clock. */
import type { Worker } from './declaration.ts'
import { hostNow } from './host-time.ts'

/** From the order to the common start: long enough for the message to reach every worker of a busy machine. */
const BARRIER_MS = 100

/** Beyond the part itself: what it may wait for locks, and a machine that is busy with other things. */
const SLACK_MS = 120_000

/** All play the same part, begun together, which takes about `lastsMs`. Resolves when all have done it. */
export async function together(workers: readonly Worker[], part: string, lastsMs: number): Promise<void> {
  const options = { startAt: hostNow() + BARRIER_MS, withinMs: lastsMs + SLACK_MS }
  await Promise.all(workers.map(worker => worker.play(part, {}, options).done))
}
