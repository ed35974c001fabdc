/** Requests of a queue, and the time at which they come. */
import type { TicketRequest } from '../../src/store/contract.ts'
import { EMPTY, enter } from '../../src/store/queue.ts'
import type { Now, Queue } from '../../src/store/queue.ts'

export const T0: Now = { ms: 10_000, micros: 1_795_000_000_000_000 }
export const at = (ms: number): Now => ({ ms: T0.ms + ms, micros: T0.micros + ms * 1_000 })

export function request(id: string, change: Partial<TicketRequest> = {}): TicketRequest {
  return {
    key: 'k',
    id,
    holder: id,
    mode: 'exclusive',
    limit: null,
    ttlMs: 1_000,
    waiterTtlMs: 300,
    queue: true,
    tokens: 1,
    meta: {},
    ...change,
  }
}

/** Lets all enter at one time. */
export function queueOf(now: Now, ...requests: readonly TicketRequest[]): Queue {
  return requests.reduce((queue, each) => enter(queue, each, now).queue, EMPTY)
}

export const gone = { keepMs: 0, forbidMs: 0 }
