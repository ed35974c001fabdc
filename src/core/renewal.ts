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
import { StoreUnavailableError, UnsupportedError } from '../base/errors.ts'
import { createHeap } from '../base/heap.ts'
import type { HeldTicket } from './ticket.ts'
import { closesAt } from './window.ts'

export interface Renewer {
  watch(ticket: HeldTicket): void
  /** It is lost, or left. */
  unwatch(ticket: HeldTicket): void
  /**
   * Renews by a request that is sent after this call and asks for `ttlMs` at least, or as much of it as maxHold leaves.
   * Gives what the store has given; 0: the ticket is lost, or left, meanwhile.
   *
   * @throws StoreUnavailableError
   * @throws UnsupportedError  the store never gives so much; the lease is what it was
   */
  renew(ticket: HeldTicket, ttlMs: number): Promise<number>
  /** Declares lost whatever has run out by now, before any timer gets its turn. */
  check(): void
  /** Something is odd about time: every window is in doubt until the store has answered. */
  doubt(cause: unknown): void
  readonly size: number
  tickets(): Iterable<HeldTicket>
}

/** One renewal of one ticket. */
interface Sent {
  readonly watch: Watch
  /** Order of sending. */
  readonly serial: number
  readonly sentAt: number
  readonly askedMs: number
}

interface Watch {
  readonly ticket: HeldTicket
  /** The instant of its only valid entry in the heap. */
  wakeAt: number
  /** Resolves when the renewal under way has been dealt with. */
  inFlight: Promise<void> | null
  /** The last renewal that came to an end. leftMs: null if it failed; refusal: since the store never gives so much. */
  last: (Omit<Sent, 'watch'> & { readonly leftMs: number | null; readonly refusal: UnsupportedError | null }) | null
  failures: number
}

const BATCH = 256
/** Tickets that are due within this part of their ttl go along in the same batch. */
const GO_ALONG = 1 / 30
const SHORTEST_TIMEOUT_MS = 5
const RETRY_MS = { least: 5, first: 20, most: 1_000 } as const

export function createRenewer(
  store: Store,
  clock: Clock,
  options: {
    readonly storeTimeoutMs: number
    storeError(verb: string, cause: unknown): void
    /** A ticket is watched over: called each time. */
    watching(): void
  },
): Renewer {
  const watches = new Map<HeldTicket, Watch>()
  const heap = createHeap<Watch>(
    watch => watch.wakeAt,
    watch => watches.get(watch.ticket) === watch,
  )
  let timer: Timer | undefined
  let timerAt = Infinity
  let serial = 0

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
      if (watch.ticket.isHeld()) due.push(watch)
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

  function sendChunk(chunk: readonly Watch[], ttlOf: (ticket: HeldTicket) => number): Promise<void> {
    serial += 1
    const sentAt = clock.now()
    const flight = carry(
      chunk.map(watch => {
        const { ticket } = watch
        return { watch, serial, sentAt, askedMs: Math.max(1, Math.min(ttlOf(ticket), ticket.endsAt - sentAt)) }
      }),
      sentAt,
    )
    for (const watch of chunk) {
      watch.inFlight = flight
      schedule(watch)
    }
    arm()
    return flight
  }

  async function carry(batch: readonly Sent[], sentAt: number): Promise<void> {
    const shortest = Math.min(...batch.map(({ watch }) => watch.ticket.validUntil - sentAt))
    const timeoutMs = Math.max(SHORTEST_TIMEOUT_MS, Math.min(options.storeTimeoutMs, shortest / 4))
    const requests = batch.map(({ watch: { ticket }, askedMs }) => ({ key: ticket.key, id: ticket.id, ttlMs: askedMs }))
    const reply = answersOf(store, requests, timeoutMs)
    // A store that hangs must not keep a lease looking well: it is suspect from its deadline on. A late answer still
    // counts, from the sending.
    const overdue = clock.after(timeoutMs, () => {
      const cause = new StoreUnavailableError(
        `${store.traits.name} did not answer a renewal within ${Math.round(timeoutMs)} ms.`,
      )
      options.storeError('renew', cause)
      for (const { watch } of batch) watch.ticket.suspect(cause)
    })
    const answers = await reply
    overdue.cancel()
    const failure = answers.find(
      (answer, index) => answer.status === 'unknown' && refusalOf(batch[index], answer) === null,
    )
    if (failure?.status === 'unknown') options.storeError('renew', failure.cause)
    for (const [index, sent] of batch.entries()) settle(sent, answers[index])
    arm()
  }

  function settle(sent: Sent, answer: Renewal | undefined): void {
    const { watch, sentAt } = sent
    watch.inFlight = null
    const { ticket } = watch
    // Lost is final: an answer that is read after the window has closed does not open it again.
    if (watches.get(ticket) !== watch || !ticket.isHeld()) return
    const now = clock.now()
    if (answer?.status === 'lost') return ticket.lose(answer.reason, answer.message)
    const refusal = refusalOf(sent, answer)
    watch.last = { ...sent, leftMs: answer?.status === 'held' ? answer.leftMs : null, refusal }
    if (answer?.status === 'held') {
      watch.failures = 0
      ticket.give({ sentAt, leftMs: answer.leftMs, validUntil: closesAt(sentAt, answer.leftMs, store.traits) })
      ticket.state = 'held'
      ticket.waiters = answer.waiters
      ticket.newsAt = sentAt
      ticket.observer.renewed(now - sentAt, sentAt)
    } else if (refusal === null) {
      watch.failures += 1
      ticket.renewAt = now + retryDelay(watch, now)
      ticket.suspect(answer?.cause ?? new Error('the store gave no answer for this ticket'))
    }
    schedule(watch)
  }

  /** Soon, then less often, but always some more times before the window closes. */
  function retryDelay(watch: Watch, now: number): number {
    const backoff = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** (watch.failures - 1)) * (0.5 + clock.random() / 2)
    return Math.max(RETRY_MS.least, Math.min(backoff, (watch.ticket.validUntil - now) / 4))
  }

  async function renew(ticket: HeldTicket, ttlMs: number): Promise<number> {
    const until = clock.now() + options.storeTimeoutMs
    const before = serial
    for (let watch = watches.get(ticket); watch !== undefined; watch = watches.get(ticket)) {
      // Only what was sent after the call counts: one that was under way may be long on its way, or ask for less.
      const last = watch.last !== null && watch.last.serial > before ? watch.last : null
      const asked = last !== null && last.askedMs >= Math.min(ttlMs, ticket.endsAt - last.sentAt)
      if (last !== null && last.leftMs !== null && asked) return last.leftMs
      if (last !== null && last.refusal !== null) throw last.refusal
      const leftMs = until - clock.now()
      if (last?.leftMs === null || leftMs <= 0)
        throw new StoreUnavailableError(`${store.traits.name} did not confirm the renewal of "${ticket.key}".`, {
          key: ticket.key,
        })
      const attempt = watch.inFlight ?? sendChunk([watch], () => ttlMs)
      await within(attempt, { clock, timeoutMs: leftMs, late: () => undefined })
    }
    return 0
  }

  return {
    get size() {
      return watches.size
    },
    tickets: () => watches.keys(),
    watch(ticket) {
      const watch: Watch = { ticket, wakeAt: Infinity, inFlight: null, last: null, failures: 0 }
      watches.set(ticket, watch)
      schedule(watch)
      arm()
      options.watching()
    },
    unwatch,
    renew,
    check() {
      for (const ticket of [...watches.keys()]) ticket.isHeld()
    },
    doubt(cause) {
      const now = clock.now()
      for (const [ticket, watch] of watches) {
        ticket.suspect(cause)
        if (watch.inFlight !== null || !ticket.autoRenew) continue
        ticket.renewAt = now
        schedule(watch)
      }
      arm()
    },
  }
}

/** More than the ticket's own ttl was asked for, and the store never gives so much: that puts nothing in doubt. */
function refusalOf(sent: Sent | undefined, answer: Renewal | undefined): UnsupportedError | null {
  const beyond = sent !== undefined && sent.askedMs > sent.watch.ticket.ttlMs
  return beyond && answer?.status === 'unknown' && answer.cause instanceof UnsupportedError ? answer.cause : null
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
