/**
 * MySQL and MariaDB, one server that takes the writes.
 *
 * A lock is one row with its queue of tickets as JSON. A verb reads the row, applies the rule's own transition, and
 * writes the row back if it is still the one that was read (`bySwap`). To enter a lock that nobody has, and to leave
 * one that nobody else is in, is one statement. Every statement is a transaction of its own, so a process that is
 * stopped at any point keeps no row, and a lock that it holds is free when its time is over, as everywhere.
 *
 * Time is the server's, UTC_TIMESTAMP(6), which is the beginning of a statement. So the clock that comes with a row
 * may have been read before that row was written. Each row says by what clock it was written last: who comes with an
 * older one reads again.
 *
 * Guarantee: durable. What was granted is committed, and as safe as the server keeps what is committed
 * (innodb_flush_log_at_trx_commit). A failover to a replica may forget the newest commits; tokens grow all the same.
 */
import { createHash } from 'node:crypto'
import { systemClock, turn } from '../base/clock.ts'
import { bytes } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import { bySwap } from '../store/by-swap.ts'
import type { Found, Swap } from '../store/by-swap.ts'
import type { Entry, Io, LeaveRequest, Renewal, RenewRequest, Store, StoreTraits } from '../store/contract.ts'
import type { TicketRequest, Was } from '../store/contract.ts'
import type { Queue } from '../store/queue.ts'
import { recordStore } from '../store/record-store.ts'
import type { LockRecord, News } from '../store/record-store.ts'
import type { MysqlTls } from './mysql/address.ts'
import type { MysqlLike, Reply } from './mysql/client.ts'
import { connect } from './mysql/connection.ts'
import { isOvertaken } from './mysql/failures.ts'
import { freshQueue, NOTHING, nowIn, numberIn, queueIn, rowOf } from './mysql/record.ts'
import { renewTogether } from './mysql/renewals.ts'
import { ADD, CHANGE, ENTER, LEAVE, LOOK, PAGE, READ, REMOVE, statement } from './mysql/statements.ts'
import type { Values } from './mysql/statements.ts'
import { createSweeper } from './mysql/sweeper.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'
import { together } from './shared/together.ts'
import { createWatch } from './shared/watch.ts'

export type { MysqlTls } from './mysql/address.ts'
export type { MysqlLike } from './mysql/client.ts'

export interface MysqlStoreOptions {
  /** Kept beside every key, so that two applications in one database do not meet. */
  readonly namespace?: string
  /**
   * How far the server's clock may step, and the clocks of servers that take over from each other differ, before
   * exclusion may break. Default: 10.
   */
  readonly clockErrorMs?: number
  /** For an address: TLS with an authority or a certificate of your own. */
  readonly tls?: MysqlTls
}

const OPTIONS: Known<MysqlStoreOptions> = { namespace: true, clockErrorMs: true, tls: true }
const CLOCK_ERROR_MS = 10
const PAGE_ROWS = 100
/** How long `listen` may take to connect, and a look for news. */
const LISTEN_MS = 5_000
const LOOK_MS = 1_000
/** Above every byte of UTF-8. */
const BEYOND = Buffer.from([0xff])

/**
 * Locks in the database at an address, or in that of a pool of `mysql2` (or `mysql2/promise`). A pool stays yours: it
 * lends one connection for good, and is never closed. The tables are made by `holdfast migrate`.
 * @throws ConfigurationError  neither an address nor a pool; the first call: wrong login, tables missing or not ours
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { mysqlStore } from 'holdfast/mysql'
 * import { createPool } from 'mysql2/promise'
 *
 * const pool = createPool('mysql://shop:secret@localhost/shop')
 * const locks = createLocks(mysqlStore(pool, { namespace: 'shop' }))
 * ```
 */
export function mysqlStore(client: MysqlLike | string, options: MysqlStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'mysqlStore')
  const namespace = namespaceOf(options)
  const clockErrorMs = clockErrorOf(options, CLOCK_ERROR_MS)
  const connection = connect(client, options)
  const space = Buffer.from(namespace)
  const watch = createWatch(look, systemClock)
  const sweeper = createSweeper(ask)

  const traits: StoreTraits = {
    name: 'mysql',
    guarantee: 'durable',
    reach: 'network',
    fencing: true,
    queue: true,
    shared: true,
    limit: true,
    keep: true,
    clock: 'store',
    clockErrorMs,
    // A renewal is two statements and a commit, and there must be time for another.
    minTtlMs: 200,
    maxTokens: 1_000_000,
  }

  function ask(text: string, values: Values, io: Io): Promise<Reply> {
    return connection.use(link => link.ask(statement(text, values)), io)
  }

  /** The length keeps namespace "a" with key "bc" from meeting namespace "ab" with key "c". */
  function idOf(key: string): Buffer {
    return createHash('sha256').update(`${space.length}:${namespace}${key}`).digest()
  }

  /** null: others were quicker, and nothing has been done. */
  async function unlessOvertaken(text: string, values: Values, io: Io): Promise<Reply | null> {
    sweeper.wrote()
    try {
      return await ask(text, values, io)
    } catch (cause) {
      if (isOvertaken(cause)) return null
      throw cause
    }
  }

  async function enterFree(request: TicketRequest, io: Io): Promise<Entry | null> {
    const { key, id, tokens, ttlMs } = request
    const [sole, queue, lifeMicros] = [Buffer.from(id), freshQueue(request), Math.round(ttlMs * 1_000)]
    const added: Values = [idOf(key), space, Buffer.from(key), tokens, sole, queue, lifeMicros]
    const reply = await unlessOvertaken(ENTER, [...added, tokens, sole, queue, lifeMicros], io)
    if (reply === null || reply.insertId === 0) return null
    return { status: 'holds', token: reply.insertId, leftMs: ttlMs, waiters: 0 }
  }

  async function leaveAlone({ key, id }: LeaveRequest, io: Io): Promise<{ readonly was: Was } | null> {
    const reply = await unlessOvertaken(LEAVE, [NOTHING, idOf(key), Buffer.from(id)], io)
    return reply !== null && reply.affected > 0 ? { was: 'held' } : null
  }

  /**
   * A row that was written by a later clock than came with it is read once more. If it is still the same then, the
   * server's clock was set back.
   */
  async function read(key: string, io: Io): Promise<Found<number>> {
    const id = idOf(key)
    for (let seen: number | null = null; ;) {
      const [row = {}] = (await ask(READ, [id], io)).rows
      const now = nowIn(row)
      if (row['version'] === null) return { record: null, now }
      const version = numberIn(row, 'version')
      if (numberIn(row, 'changed_at') <= now.micros || version === seen)
        return { record: { queue: queueIn(row, key), version }, now }
      seen = version
    }
  }

  async function swap(key: string, { version, queue, news }: Swap<number>, io: Io): Promise<boolean> {
    const reply = await unlessOvertaken(...changeOf(key, version, queue), io)
    if (reply === null || reply.affected === 0) return false
    if (news.holds.length > 0 || news.revoked.length > 0) void later(key, news)
    return true
  }

  function changeOf(key: string, version: number | null, queue: Queue | null): [string, Values] {
    const id = idOf(key)
    if (queue === null) return [REMOVE, [id, version]]
    const { tokenEnd, sole, queue: json, freeAt } = rowOf(queue)
    const written: Values = [tokenEnd, sole, json, freeAt]
    return version === null ? [ADD, [id, space, Buffer.from(key), ...written]] : [CHANGE, [...written, id, version]]
  }

  /** In a later turn than the answer: who has just entered knows its token by then. */
  async function later(key: string, news: News): Promise<void> {
    await turn()
    watch.tell(key, news)
  }

  async function look(keys: readonly string[]): Promise<ReadonlyMap<string, Queue>> {
    const { rows } = await ask(LOOK, [keys.map(idOf)], { timeoutMs: LOOK_MS })
    return new Map(rows.map(row => [keyIn(row), queueIn(row, keyIn(row))]))
  }

  const swapped = bySwap<number>(traits.name, {
    read,
    swap,
    enterFree,
    leaveAlone,
    async *list(prefix, io): AsyncIterable<LockRecord> {
      const start = Buffer.from(prefix)
      for (let from: Uint8Array | null = start; from !== null;) {
        const { rows }: Reply = await ask(PAGE, [space, from, Buffer.concat([start, BEYOND]), PAGE_ROWS], io)
        for (const row of rows) yield { key: keyIn(row), queue: queueIn(row, keyIn(row)), now: nowIn(row) }
        const last = rows.length < PAGE_ROWS ? undefined : rows.at(-1)
        from = last === undefined ? null : Buffer.concat([bytes(last, 'name'), Buffer.alloc(1)])
      }
    },
    async listen(listener) {
      await connection.use(async () => {}, { timeoutMs: LISTEN_MS })
      return watch.listen(listener)
    },
    async close() {
      watch.stop()
      connection.close()
    },
  })
  const store = recordStore(traits, together(traits.name, swapped))
  async function renew(renewals: readonly RenewRequest[], io: Io): Promise<readonly Renewal[]> {
    const until = systemClock.now() + io.timeoutMs
    const done = await renewTogether(renewals, { idOf, ask }, io)
    const left = { ...io, timeoutMs: Math.max(1, until - systemClock.now()) }
    const single = renewals.filter(request => !done.has(request))
    const answers = new Map(done)
    for (const [index, answer] of (await store.renew(single, left)).entries()) {
      const request = single[index]
      if (request !== undefined) answers.set(request, answer)
    }
    return renewals.map(request => answers.get(request) ?? { status: 'unknown', cause: request })
  }

  return {
    ...watch.over({ ...store, renew }),
    connect: io => connection.use(async () => {}, io),
  }
}

function keyIn(row: Fields): string {
  return Buffer.from(bytes(row, 'name')).toString()
}
