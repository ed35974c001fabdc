/**
 * One statement at a time, for a connection on which the next one waits for the answer of the last anyway.
 *
 * So the waiting is done here and not in the client, which would send what nobody waits for any more: whose time is
 * over before its turn is told that nothing was done.
 */
import { systemClock } from '../../base/clock.ts'
import { within } from '../../base/deadline.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import type { Connection } from './connection.ts'

export function inTurn<Link>(connection: Connection<Link>): Connection<Link> {
  const line: (() => void)[] = []
  let busy = false

  function next(): void {
    const begin = line.shift()
    if (begin === undefined) busy = false
    else begin()
  }

  function turn(): Promise<void> {
    if (busy) return new Promise(resolve => line.push(resolve))
    busy = true
    return Promise.resolve()
  }

  return {
    ...connection,
    async use(send, { timeoutMs, signal }) {
      const until = systemClock.now() + timeoutMs
      let given = false
      const own = turn().then(() => {
        // Too late: the turn goes on to the next.
        if (given) next()
      })
      const late = (): never => {
        given = true
        throw new StoreUnavailableError(
          `${connection.where} was busy with other calls of this process for ${Math.round(timeoutMs)} ms: nothing was sent.`,
          { ambiguous: false },
        )
      }
      await within(own, { timeoutMs, signal, late })
      const leftMs = Math.max(1, until - systemClock.now())
      return connection.use(send, { timeoutMs: leftMs, ...(signal && { signal }) }).finally(next)
    },
  }
}
