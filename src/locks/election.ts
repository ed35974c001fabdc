/** Leader election: the leader holds the key, who campaigns waits for it. The queue is the line of succession. */
import { sleep } from '../base/clock.ts'
import type { Clock } from '../base/clock.ts'
import { ConfigurationError, LeaseLostError, StoreUnavailableError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { AcquireOptions, Election, Leader, Lease, Locks } from './types.ts'

/**
 * How often an observer looks. A change of leader takes a ttl when the old one died, so this is not what it waits for.
 */
const LOOK_MS = 250
const VALUE = 'value'

export function createElection(
  locks: Pick<Locks, 'acquire' | 'inspect'>,
  { clock, key }: { readonly clock: Clock; readonly key: string },
  options: NonNullable<Parameters<Locks['election']>[1]>,
): Election {
  refuseUnknown(options, { value: true, ttl: true }, 'election')
  const { value = '', ttl } = options
  if (typeof value !== 'string') throw new ConfigurationError(`An election's value must be text, not ${typeof value}.`)
  // Its own meta gives a candidate a ticket of its own: a term is never passed on inside a process unseen.
  const candidate: AcquireOptions = { meta: { [VALUE]: value }, ...(ttl === undefined ? {} : { ttl }) }

  async function campaign(how: NonNullable<Parameters<Election['campaign']>[0]> = {}): Promise<Lease> {
    refuseUnknown(how, { wait: true, signal: true }, 'campaign')
    const { wait = Infinity, signal } = how
    return locks.acquire(key, { ...candidate, wait, ...(signal === undefined ? {} : { signal }) })
  }

  async function leader(): Promise<Leader | null> {
    const holder = (await locks.inspect(key))?.holders[0]
    return holder === undefined ? null : { holder: holder.holder, token: holder.token, value: holder.meta[VALUE] ?? '' }
  }

  /**
   * True if the term ended by a loss, so that one campaigns again. The loss of another lock is the task's own failure.
   */
  async function serve(lease: Lease, task: Parameters<Election['lead']>[0]): Promise<boolean> {
    try {
      await task(lease)
      return lease.state === 'lost'
    } catch (error) {
      if (lease.state === 'lost') return true
      throw error
    } finally {
      await lease.release()
    }
  }

  /** null: asked to stop. Whose waiting ticket was revoked stands in line again, as a leader does who was revoked. */
  async function candidacy(signal: AbortSignal): Promise<Lease | null> {
    while (!signal.aborted) {
      try {
        return await campaign({ signal })
      } catch (error) {
        if (signal.aborted) return null
        if (!(error instanceof LeaseLostError && error.reason === 'revoked')) throw error
      }
    }
    return null
  }

  /** undefined: the store did not answer this time. */
  async function look(): Promise<Leader | null | undefined> {
    try {
      return await leader()
    } catch (error) {
      if (error instanceof StoreUnavailableError) return undefined
      throw error
    }
  }

  return {
    campaign,
    leader,
    async lead(task, { signal }) {
      for (let again = true; again;) {
        const lease = await candidacy(signal)
        again = lease !== null && (await serve(lease, task))
      }
    },
    async *observe({ signal } = {}) {
      let last: Leader | null | undefined
      while (signal?.aborted !== true) {
        const now = await look()
        if (now !== undefined && (last === undefined || now?.token !== last?.token)) yield now
        if (now !== undefined) last = now
        await sleep(clock, LOOK_MS, { signal })
      }
    },
  }
}
