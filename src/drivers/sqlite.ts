/**
 * SQLite: one file, for all processes of one host, with nothing to start.
 *
 * A lock is one row with its queue of tickets as JSON. A verb reads the row, applies the rule's own transition and
 * writes it back, inside BEGIN IMMEDIATE ... COMMIT. Time is the host's monotonic clock, which nobody can set; each
 * ticket names the clock that its times are of, so a file that outlives a reboot, or is shared by containers with time
 * namespaces, stays right (record.ts).
 *
 * Guarantee: durable, on one host. What was granted is on the disk, and a crash of a process or of the machine forgets
 * nothing. It excludes nobody on another machine: a file on a network share is not supported, since a write-ahead log
 * needs shared memory.
 */
import { hostClock, turn } from '../base/clock.ts'
import type { Clock } from '../base/clock.ts'
import { integer, record } from '../base/decode.ts'
import { timeDomain } from '../base/domain.ts'
import { StoreUnavailableError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Store, StoreTraits } from '../store/contract.ts'
import type { Queue } from '../store/queue.ts'
import { recordStore } from '../store/record-store.ts'
import type { LockRecord, Outcome } from '../store/record-store.ts'
import { namespaceOf } from './shared/options.ts'
import { createWatch } from './shared/watch.ts'
import { connect, filePath } from './sqlite/database.ts'
import type { Connection, DatabaseLike } from './sqlite/database.ts'
import { publish, subscribe } from './sqlite/news.ts'
import type { Bulletin } from './sqlite/news.ts'
import { createTable } from './sqlite/table.ts'
import type { Page } from './sqlite/table.ts'
import { createTransactions } from './sqlite/transactions.ts'

export { defaultFile } from './sqlite/database.ts'
export type { DatabaseLike, StatementLike } from './sqlite/database.ts'

export interface SqliteStoreOptions {
  /** Kept beside every key, so that two applications in one file do not meet. */
  readonly namespace?: string
  /** The clock that decides expiry, the same for all processes of one `domain`; for tests. */
  readonly clock?: Clock
  /** The name of that clock; for tests. */
  readonly domain?: string
}

const OPTIONS: Known<SqliteStoreOptions> = { namespace: true, clock: true, domain: true }

const traits: StoreTraits = {
  name: 'sqlite',
  guarantee: 'durable',
  reach: 'host',
  fencing: true,
  queue: true,
  shared: true,
  limit: true,
  keep: true,
  clock: 'host',
  clockErrorMs: 0,
  // A commit waits for the disk: a few milliseconds on a slow one.
  minTtlMs: 20,
  maxTokens: 1_000_000,
}

/** How soon a file that was removed or replaced is noticed. */
const LOOK_MS = 50
/** How long `listen` may find the file busy. */
const LISTEN_MS = 5_000

/**
 * The locks in one SQLite file, made if it is missing. Opens at the first use; the directory must exist, except that of
 * the default file.
 * @param database a path, an address such as `sqlite:/var/lib/app/locks.db`, or an open database that nobody else
 * begins transactions on (node:sqlite, @photostructure/sqlite, better-sqlite3), which `close()` leaves open. Default:
 * `defaultFile()`
 * @throws ConfigurationError  the address names no file; the first call: a directory, no directory, read-only, not a
 * database, a newer layout
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { sqliteStore } from 'holdfast/sqlite'
 *
 * const locks = createLocks(sqliteStore('/var/lib/app/locks.db'))
 * ```
 */
export function sqliteStore(database: string | DatabaseLike = 'sqlite:', options: SqliteStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'sqliteStore')
  const { clock = hostClock, domain = timeDomain() } = options
  const namespace = namespaceOf(options)
  const target = typeof database === 'string' ? filePath(database) : database
  const file = typeof target === 'string' ? target : 'the given database'
  const table = createTable(namespace, domain, clock)
  const transactions = createTransactions(file, connection, clock)
  const watch = createWatch(look, clock)
  let current: Connection | null = null
  let opening: Promise<Connection> | null = null
  let opened = 0
  let lookedAt = clock.now()
  let unsubscribe = (): void => undefined
  let outbox: Bulletin[] = []
  let lookedIn = ''
  let closed = false

  /**
   * The open connection; another one if somebody has removed or replaced the file, so that those who held there learn
   * that they are lost.
   */
  function connection(): Connection | Promise<Connection> {
    if (closed) throw new StoreUnavailableError(`The store of "${file}" is closed.`, { ambiguous: false })
    if (current !== null && !hasMoved(current)) return current
    if (current !== null && typeof target !== 'string')
      throw new StoreUnavailableError(`"${current.file}" was removed or replaced while it was open. Open it again.`, {
        ambiguous: false,
      })
    disconnect()
    opening ??= open().finally(() => (opening = null))
    return opening
  }

  /** Asking the file system costs a tenth of a transaction, so not each time. */
  function hasMoved(open: Connection): boolean {
    const now = clock.now()
    if (now - lookedAt < LOOK_MS) return false
    lookedAt = now
    return open.moved()
  }

  async function open(): Promise<Connection> {
    const fresh = await connect(target)
    if (closed) {
      fresh.close()
      return connection()
    }
    current = fresh
    opened += 1
    unsubscribe = subscribe(fresh.identity, bulletin => {
      if (bulletin.namespace === namespace) watch.tell(bulletin.key, bulletin.news)
    })
    return fresh
  }

  function disconnect(): void {
    unsubscribe()
    current?.close()
    current = null
  }

  /** `data_version` says in a few microseconds whether another connection has written. */
  async function look(keys: readonly string[]): Promise<ReadonlyMap<string, Queue> | null> {
    const open = current
    if (open === null) return null
    const version = `${opened}:${integer(record(open.statements.version.get(), 'row'), 'data_version')}`
    if (version === lookedIn) return null
    const queues = new Map<string, Queue>()
    for (const key of keys) {
      const queue = table.queue(open, key)
      if (queue !== null) queues.set(key, queue)
    }
    lookedIn = version
    return queues
  }

  /** Not at once, but in a later turn than the answers: who entered in the same transaction knows its token by then. */
  function deliver(): void {
    const bulletins = outbox
    outbox = []
    if (current !== null) for (const bulletin of bulletins) publish(current.identity, bulletin)
  }

  function announce<Answer>(key: string, { answer, news }: Outcome<Answer>): Answer {
    if (news.holds.length === 0 && news.revoked.length === 0) return answer
    if (outbox.length === 0) void turn().then(deliver)
    outbox.push({ namespace, key, news })
    return answer
  }

  const store = recordStore(traits, {
    atomic: (key, change, io) =>
      transactions.write(
        io,
        open => table.apply(open, key, change),
        outcome => announce(key, outcome),
      ),
    read: (key, io) => transactions.read(io, open => table.read(open, key)),
    async *list(prefix, io): AsyncIterable<LockRecord> {
      let from: Uint8Array | null = null
      do {
        const start = from
        const page: Page = await transactions.read(io, open => table.page(open, prefix, start))
        yield* page.locks
        from = page.next
      } while (from !== null)
    },
    listen: listener => transactions.read({ timeoutMs: LISTEN_MS }, () => watch.listen(listener)),
    async close(): Promise<void> {
      closed = true
      watch.stop()
      disconnect()
    },
  })
  return watch.over(store)
}
