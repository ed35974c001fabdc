/**
 * The public shapes: what `open()` and `createLocks()` take and give. Types only.
 *
 * Units: numbers of time are milliseconds; a string carries its unit. Tokens are safe integers.
 */
import type { Duration } from '../base/duration.ts'
import type { Lease, LockEvent } from '../core/types.ts'
import type { LockView, StoreTraits, TicketView } from '../store/contract.ts'

export type { Lease, LockEvent } from '../core/types.ts'

export interface LocksOptions {
  /** Who this is, shown to people. Default: HOSTNAME:PID. */
  readonly holder?: string
  /** Length of a lease. Default '15s'. */
  readonly ttl?: Duration
  /** How long acquire() may wait. Default '30s'; 0 does not wait; Infinity must be asked for. */
  readonly wait?: Duration
  /** Default 'auto': leases are renewed until they are released. */
  readonly renew?: 'auto' | 'manual'
  /** Renewal ends so long after the grant. Default: never. */
  readonly maxHold?: Duration
  /**
   * One call to the store. Default '5s'. acquire() retries a failing store until `wait` is over, tryAcquire() does not.
   */
  readonly storeTimeout?: Duration
  /** 'cohort' (default): fair between processes, in order inside one. 'strict': arrival order over all. */
  readonly fair?: 'cohort' | 'strict'
  /**
   * How long one ticket may be passed from task to task in this process: `passes` in all (31), and while others wait in
   * the store `contendedPasses` (8) within `contendedFor` ('100ms').
   */
  readonly cohort?: { readonly passes?: number; readonly contendedPasses?: number; readonly contendedFor?: Duration }
  /** A file; events are appended to it as JSON lines, for `holdfast timeline`. */
  readonly journal?: string
}

export interface LockOptions {
  /** Below traits.minTtlMs: ConfigurationError, never raised in silence. At most 30 days. */
  readonly ttl?: Duration
  readonly wait?: Duration
  /** Cancels the wait; no effect after the grant. */
  readonly signal?: AbortSignal
  readonly renew?: 'auto' | 'manual'
  /** Renewal ends here: a hung task cannot keep the lock for ever. */
  readonly maxHold?: Duration
  /** Stays taken at least this long from the grant, released or crashed. */
  readonly minHold?: Duration
  /** Shown by inspect(); at most 512 bytes as JSON. */
  readonly meta?: Readonly<Record<string, string>>
}

type Kind =
  | { readonly mode?: 'exclusive' | 'shared'; readonly limit?: never }
  /** limit: holds while fewer than so many are before it. */
  | { readonly mode?: 'shared'; readonly limit: number }

export type AcquireOptions = LockOptions & Kind
export type TryOptions = Omit<LockOptions, 'wait'> & Kind
export type Task<L, T> = (lease: L) => T | PromiseLike<T>
export type Ran<T> =
  | { readonly ran: true; readonly value: T }
  | { readonly ran: false; readonly holders: readonly TicketView[]; readonly retryMs: number }

export interface Locks extends AsyncDisposable {
  readonly traits: StoreTraits
  lock(key: string, options?: AcquireOptions): Lock
  /** At most `limit` leases of this key at once. Every user of the key must name the same limit. */
  semaphore(key: string, limit: number, options?: LockOptions): Lock
  /** Readers share, a writer excludes all; in arrival order, so that neither starves. */
  readWrite(key: string, options?: LockOptions): { readonly read: Lock; readonly write: Lock }
  /**
   * @throws WaitTimeoutError | StoreUnavailableError | InvalidKeyError | UnsupportedError | ConfigurationError |
   * ClosedError | signal.reason
   * @example
   * ```ts
   * await using lease = await locks.acquire('account:7', { wait: '5s' })
   * await writeInvoice(lease.token)
   * ```
   */
  acquire(key: string, options?: AcquireOptions): Promise<Lease>
  /** One attempt. null: somebody else holds it. An unreachable store throws, it is never null. */
  tryAcquire(key: string, options?: TryOptions): Promise<Lease | null>
  /**
   * Acquires, runs, releases. Settles only after the task has settled. Rejects with LeaseLostError if by then the lease
   * was lost (its `outcome` is what the task came to; a rejection of the task is also its `cause`); an unconfirmed
   * release does not reject.
   * @example
   * ```ts
   * const total = await locks.run('account:7', async lease => {
   *   await writeInvoice(lease.token)
   *   return 42
   * })
   * ```
   */
  run<T>(key: string, task: Task<Lease, T>): Promise<T>
  run<T>(key: string, options: AcquireOptions, task: Task<Lease, T>): Promise<T>
  /**
   * As run, but one attempt: { ran: false } when somebody holds it.
   * @example
   * ```ts
   * const outcome = await locks.tryRun('report', () => writeReport())
   * if (!outcome.ran) console.log(`at work already: ${outcome.holders[0]?.holder}`)
   * ```
   */
  tryRun<T>(key: string, task: Task<Lease, T>): Promise<Ran<T>>
  tryRun<T>(key: string, options: TryOptions, task: Task<Lease, T>): Promise<Ran<T>>
  /**
   * All or none, whatever the order of `keys`: duplicates merged, one canonical order, one `wait` overall, all windows
   * open when it resolves.
   */
  acquireAll(keys: readonly string[], options?: AcquireOptions): Promise<LeaseSet>
  /**
   * @example
   * ```ts
   * await locks.runAll(['account:7', 'account:9'], async leases => writeInvoice(leases.tokens))
   * ```
   */
  runAll<T>(keys: readonly string[], task: Task<LeaseSet, T>): Promise<T>
  runAll<T>(keys: readonly string[], options: AcquireOptions, task: Task<LeaseSet, T>): Promise<T>
  /**
   * At most once per minHold over all processes: cron on every replica. Kept also when the task throws or the process
   * dies. minHold: longer than the clocks differ, shorter than the schedule's period (half is right: with the whole
   * period, jitter skips runs).
   * @example
   * ```ts
   * await locks.once('nightly-report', { minHold: '12h' }, () => writeReport())
   * ```
   */
  once<T>(key: string, options: TryOptions & { readonly minHold: Duration }, task: Task<Lease, T>): Promise<Ran<T>>
  /**
   * @example
   * ```ts
   * const election = locks.election('scheduler', { value: 'http://10.0.0.7:8080' })
   * await election.lead(async lease => refreshPrices(lease.signal), { signal })
   * ```
   */
  election(key: string, options?: { readonly value?: string; readonly ttl?: Duration }): Election
  /** null: nobody holds it and nobody waits. */
  inspect(key: string): Promise<LockView | null>
  list(prefix?: string): AsyncIterable<LockView>
  /**
   * For operators: forbids renewal to the chosen tickets (a number: the one whose block holds that token) and tells
   * their owners, who stop; free when they have left, at the latest when their time runs out. `now` takes held tickets
   * at once and so breaks exclusion. Returns how many.
   * @throws ConfigurationError  no reason, or no choice of tickets
   */
  revoke(
    key: string,
    options: { readonly reason: string; readonly tickets: 'holders' | 'all' | number; readonly now?: boolean },
  ): Promise<number>
  /**
   * A listener's exception never reaches the lock. Returns what ends the subscription.
   * @throws ConfigurationError  there is no such event
   */
  on<E extends LockEvent['type']>(type: E, listener: (event: Extract<LockEvent, { type: E }>) => void): () => void
  /**
   * Refuses new work, rejects waiters, waits `drain` ('10s') for running tasks, then aborts their signals (reason
   * 'closed'). A lease whose task still runs is not released; it expires.
   */
  close(options?: { readonly drain?: Duration }): Promise<void>
}

export interface Lock {
  readonly key: string
  acquire(options?: LockOptions): Promise<Lease>
  tryAcquire(options?: Omit<LockOptions, 'wait'>): Promise<Lease | null>
  run<T>(task: Task<Lease, T>): Promise<T>
  run<T>(options: LockOptions, task: Task<Lease, T>): Promise<T>
  tryRun<T>(task: Task<Lease, T>): Promise<Ran<T>>
  tryRun<T>(options: Omit<LockOptions, 'wait'>, task: Task<Lease, T>): Promise<Ran<T>>
}

export interface LeaseSet extends Omit<Lease, 'key' | 'token'> {
  /** In canonical order, so that fencing in this order cannot deadlock. */
  readonly tokens: ReadonlyMap<string, number>
}

export interface Leader {
  readonly holder: string
  readonly token: number
  readonly value: string
}

export interface Election {
  /** Resolves when this process leads; waits for ever by default. */
  campaign(options?: { readonly wait?: Duration; readonly signal?: AbortSignal }): Promise<Lease>
  /**
   * Campaigns again after each loss and each revocation, until `signal` aborts or the task ends by itself. Rejects with
   * what the task rejects with while it leads, the loss of another lock included.
   */
  lead(task: (lease: Lease) => PromiseLike<void>, options: { readonly signal: AbortSignal }): Promise<void>
  leader(): Promise<Leader | null>
  /** The leader now, then each change, until `signal` aborts. While the store does not answer it looks again. */
  observe(options?: { readonly signal?: AbortSignal }): AsyncIterable<Leader | null>
}
