/**
 * Keeps tickets alive, and says when one is dead without asking the store.
 *
 * One heap of instants and one timer for all tickets of a store. At a ticket's instant either its window has closed,
 * then it is lost, whatever the store may answer later; or it is due for renewal, then it goes into a batch with all
 * that are due or nearly so. A renewal that is not answered leaves the ticket suspect and is tried again until the
 * window closes.
 *
 * There is one renewal at a time for a ticket. Nothing here throws from a timer.
 */
import type { Renewal, Store } from '../store/contract.ts'
import { within } from '../base/deadline.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import { createHeap } from '../base/heap.ts'
import { isOpen } from './ticket.ts'
import type { HeldTicket } from './ticket.ts'
import { closesAt } from './window.ts'

export interface Renewer {
  watch(ticket: HeldTicket): void
  unwatch(ticket: HeldTicket): void
  /** That the ticket is lost is for who renews to see. @throws StoreUnavailableError */
  renew(ticket: HeldTicket, ttlMs: number): Promise<void>
  lose(ticket: HeldTicket, reason: Parameters<HeldTicket['observer']['lost']>[0], message: string): void
  /** Declares lost whatever has run out by now, before any timer gets its turn. */
  check(): void
  /** Something is odd about time: every window is in doubt until the store has answered. */
  doubt(cause: unknown): void
  readonly size: number
  tickets(): Iterable<HeldTicket>
}

interface Watch {
  readonly ticket: HeldTicket
  /** The instant of its only valid entry in the heap. */
  wakeAt: number
  inFlight: Promise<Renewal> | null
  failures: number
}

const BATCH = 256
/** Part of the ttl after which renewal starts, so that two attempts may fail before the window closes. */
const RENEW_AFTER = 1 / 3
/** Tickets that are due within this part of their ttl go along in the same batch. */
const GO_ALONG = 1 / 30
const SHORTEST_TIMEOUT_MS = 5
const RETRY_MS = { least: 5, first: 20, most: 1_000 } as const

/** Infinity: the window reaches to the end of maxHold, and no renewal can widen it. */
export function nextRenewal(sentAt: number, ticket: Pick<HeldTicket, 'ttlMs' | 'endsAt'>): number {
  return sentAt + ticket.ttlMs >= ticket.endsAt ? Infinity : sentAt + ticket.ttlMs * RENEW_AFTER
}

export function createRenewer(
  store: Store,
  clock: Clock,
  options: { readonly storeTimeoutMs: number; storeError(verb: string, cause: unknown): void },
): Renewer {
  const watches = new Map<HeldTicket, Watch>()
  const heap = createHeap<Watch>(
    watch => watch.wakeAt,
    watch => watches.get(watch.ticket) === watch,
  )
  let timer: Timer | undefined
  let timerAt = Infinity

  function arm(): void {
    const next = heap.next()
    if (next === timerAt) return
    timer?.cancel()
    timer = next === Infinity ? undefined : clock.after(next - clock.now(), tick)
    timerAt = next
  }

  function schedule(watch: Watch): void {
    const { ticket } = watch
    const renewAt = ticket.autoRenew && watch.inFlight === null ? ticket.renewAt : Infinity
    watch.wakeAt = Math.min(ticket.validUntil, renewAt)
    heap.push(watch)
  }

  function tick(): void {
    timerAt = Infinity
    const now = clock.now()
    const due: Watch[] = []
    // Who is dead is told before anything is sent.
    for (let watch = heap.pop(now); watch !== undefined; watch = heap.pop(now)) {
      watch.wakeAt = Infinity
      if (now >= watch.ticket.validUntil) expire(watch.ticket)
      else due.push(watch)
    }
    if (due.length > 0) {
      for (let watch = heap.peek(); watch !== undefined && goesAlong(watch, now); watch = heap.peek()) {
        heap.pop(watch.wakeAt)
        watch.wakeAt = Infinity
        due.push(watch)
      }
    }
    void send(due, ticket => ticket.ttlMs)
    arm()
  }

  function goesAlong(watch: Watch, now: number): boolean {
    return watch.wakeAt === watch.ticket.renewAt && watch.wakeAt - watch.ticket.ttlMs * GO_ALONG <= now
  }

  function expire(ticket: HeldTicket): void {
    if (ticket.renewAt === Infinity) lose(ticket, 'max-hold', `it was held for its maxHold`)
    else lose(ticket, 'expired', 'its window closed before a renewal was answered')
  }

  function lose(ticket: HeldTicket, reason: Parameters<HeldTicket['observer']['lost']>[0], message: string): void {
    if (!isOpen(ticket)) return
    ticket.state = 'lost'
    unwatch(ticket)
    ticket.observer.lost(reason, message)
  }

  function unwatch(ticket: HeldTicket): void {
    if (!watches.delete(ticket)) return
    heap.forget(watches.size)
    if (watches.size === 0) arm()
  }

  /** Never rejects: what went wrong is in each ticket's answer. */
  async function send(batch: readonly Watch[], ttlOf: (ticket: HeldTicket) => number): Promise<void> {
    const sorted = batch.toSorted((a, b) => (a.ticket.key < b.ticket.key ? -1 : a.ticket.key > b.ticket.key ? 1 : 0))
    const chunks: Watch[][] = []
    for (let start = 0; start < sorted.length; start += BATCH) chunks.push(sorted.slice(start, start + BATCH))
    await Promise.all(chunks.map(chunk => sendChunk(chunk, ttlOf)))
  }

  async function sendChunk(chunk: readonly Watch[], ttlOf: (ticket: HeldTicket) => number): Promise<void> {
    const sentAt = clock.now()
    const shortest = Math.min(...chunk.map(({ ticket }) => ticket.validUntil - sentAt))
    const timeoutMs = Math.max(SHORTEST_TIMEOUT_MS, Math.min(options.storeTimeoutMs, shortest / 4))
    const requests = chunk.map(({ ticket }) => ({
      key: ticket.key,
      id: ticket.id,
      ttlMs: Math.max(1, Math.min(ttlOf(ticket), ticket.endsAt - sentAt)),
    }))
    const reply = answersOf(store, requests, timeoutMs)
    for (const [index, watch] of chunk.entries()) {
      watch.inFlight = reply.then(
        answers =>
          answers[index] ?? { status: 'unknown', cause: new Error('the store gave no answer for this ticket') },
      )
      schedule(watch)
    }
    arm()
    // A store that hangs must not keep a lease looking well: it is suspect from its deadline on. A late answer still
    // counts, from the sending.
    const overdue = clock.after(timeoutMs, () => {
      const cause = new StoreUnavailableError(
        `${store.traits.name} did not answer a renewal within ${Math.round(timeoutMs)} ms.`,
      )
      options.storeError('renew', cause)
      for (const { ticket } of chunk) suspect(ticket, cause)
    })
    const answers = await reply
    overdue.cancel()
    const failure = answers.find(answer => answer.status === 'unknown')
    if (failure?.status === 'unknown') options.storeError('renew', failure.cause)
    for (const [index, watch] of chunk.entries()) settle(watch, answers[index], sentAt)
    arm()
  }

  function settle(watch: Watch, answer: Renewal | undefined, sentAt: number): void {
    watch.inFlight = null
    const { ticket } = watch
    if (watches.get(ticket) !== watch) return
    const now = clock.now()
    // Lost is final: an answer that is read after the window has closed does not open it again.
    if (now >= ticket.validUntil) return expire(ticket)
    if (answer?.status === 'lost') return lose(ticket, answer.reason, answer.message)
    if (answer?.status === 'held') {
      watch.failures = 0
      ticket.validUntil = Math.max(
        ticket.validUntil,
        Math.min(closesAt(sentAt, answer.leftMs, store.traits), ticket.endsAt),
      )
      ticket.renewAt = nextRenewal(sentAt, ticket)
      ticket.state = 'held'
      ticket.waiters = answer.waiters
      ticket.newsAt = sentAt
      ticket.observer.renewed(now - sentAt)
    } else {
      watch.failures += 1
      ticket.renewAt = now + retryDelay(watch, now)
      suspect(ticket, answer?.cause)
    }
    schedule(watch)
  }

  /** Soon, then less often, but always some more times before the window closes. */
  function retryDelay(watch: Watch, now: number): number {
    const backoff = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** (watch.failures - 1)) * (0.5 + clock.random() / 2)
    return Math.max(RETRY_MS.least, Math.min(backoff, (watch.ticket.validUntil - now) / 4))
  }

  function suspect(ticket: HeldTicket, cause: unknown): void {
    if (ticket.state !== 'held') return
    ticket.state = 'suspect'
    ticket.observer.suspect(cause)
  }

  return {
    get size() {
      return watches.size
    },
    tickets: () => watches.keys(),
    watch(ticket) {
      const watch: Watch = { ticket, wakeAt: Infinity, inFlight: null, failures: 0 }
      watches.set(ticket, watch)
      schedule(watch)
      arm()
    },
    unwatch,
    lose,
    async renew(ticket, ttlMs) {
      const watch = watches.get(ticket)
      const attempt = watch?.inFlight?.then(() => undefined) ?? (watch && send([watch], () => ttlMs))
      if (attempt) await within(attempt, { clock, timeoutMs: options.storeTimeoutMs, late: () => undefined })
      if (ticket.state === 'suspect')
        throw new StoreUnavailableError(`${store.traits.name} did not confirm the renewal of "${ticket.key}".`, {
          key: ticket.key,
        })
    },
    check() {
      const now = clock.now()
      for (const ticket of [...watches.keys()]) if (now >= ticket.validUntil) expire(ticket)
    },
    doubt(cause) {
      const now = clock.now()
      for (const [ticket, watch] of watches) {
        suspect(ticket, cause)
        if (watch.inFlight !== null || !ticket.autoRenew) continue
        ticket.renewAt = now
        schedule(watch)
      }
      arm()
    },
  }
}

/** The driver's answers, or 'unknown' for each when it failed. Never rejects. */
async function answersOf(
  store: Store,
  requests: Parameters<Store['renew']>[0],
  timeoutMs: number,
): Promise<readonly Renewal[]> {
  try {
    return await store.renew(requests, { timeoutMs })
  } catch (cause) {
    return requests.map(() => ({ status: 'unknown', cause }))
  }
}
