/**
 * MongoDB 5.0 or newer, a replica set or one server.
 *
 * A lock is one document with its tickets in order. Who comes to a lock that nobody has, and who leaves one alone, say
 * one statement: an update by a pipeline, which MongoDB carries out atomically on a document. All else reads the
 * document, with the server's clock of the same command, applies the rule, and replaces it if it is still at the
 * version that was read. Every write is acknowledged by a majority that has it on disk, and what is read is what a
 * majority has, so nothing that is told can be rolled back. Time is the primary's. A TTL index only takes away
 * documents that nobody needs any more: it is swept once a minute, so it could not say who holds.
 *
 * Guarantee: consensus. A failover forgets nothing that was granted, as long as the members' clocks differ by no more
 * than `clockErrorMs`. One server alone is durable, and gone while it is down.
 */
import { integer, record, text } from '../base/decode.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import { systemClock } from '../base/clock.ts'
import { bySwap } from '../store/by-swap.ts'
import type { Found } from '../store/by-swap.ts'
import type { Entry, Io, LeaveRequest, Store, StoreTraits, TicketRequest, Was } from '../store/contract.ts'
import type { Now, Queue, Ticket } from '../store/queue.ts'
import { recordStore } from '../store/record-store.ts'
import type { LockRecord } from '../store/record-store.ts'
import { READING, WRITING } from './mongodb/client.ts'
import type { MongoClientLike, MongoCollectionLike } from './mongodb/client.ts'
import { connectionTo } from './mongodb/connection.ts'
import { isDuplicate } from './mongodb/failures.ts'
import { documentOf, nowAt, recordIn } from './mongodb/record.ts'
import { alone, byName, byNameForUpsert, byVersion, enterFree, fromName, LEAVE, SEEN } from './mongodb/statements.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'
import { createWatch } from './shared/watch.ts'

export type { MongoClientLike, MongoCollectionLike, MongoDatabaseLike } from './mongodb/client.ts'

export interface MongodbStoreOptions {
  /** Put before every key, so that two applications in one collection do not meet. */
  readonly namespace?: string
  /** Default: that of the address, or of the client. */
  readonly database?: string
  /** Default: `holdfast_locks`. It needs no other index than those that it has, and no collation of its own. */
  readonly collection?: string
  /** How far the clocks of the members may differ, or step (500); taken off every window. */
  readonly clockErrorMs?: number
}

const OPTIONS: Known<MongodbStoreOptions> = { namespace: true, database: true, collection: true, clockErrorMs: true }
const COLLECTION = 'holdfast_locks'
const CLOCK_ERROR_MS = 500
/** What is left of the shortest ttl to work in: a majority has to write, and a renewal that is lost to be repeated. */
const LEAST_WINDOW_MS = 300
const LOOK_MS = 2_000

/**
 * Locks in a collection of a MongoDB, at an address (`mongodb://host/app`, `mongodb+srv://`) or by a `MongoClient` of
 * the package mongodb (5 or newer), which stays yours to close.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { mongodbStore } from 'holdfast/mongodb'
 * import { MongoClient } from 'mongodb'
 *
 * const client = new MongoClient('mongodb://localhost:27017/shop')
 * const locks = createLocks(mongodbStore(client, { namespace: 'orders' }))
 * ```
 */
export function mongodbStore(client: MongoClientLike | string, options: MongodbStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'mongodbStore')
  const namespace = namespaceOf(options)
  const clockErrorMs = clockErrorOf(options, CLOCK_ERROR_MS)
  const { database, collection = COLLECTION } = options
  const connection = connectionTo(client, { database, collection })
  // The length keeps namespace "a" with key "bc" from meeting namespace "ab" with key "c".
  const prefix = `${namespace.length}:${namespace}`
  const watch = createWatch(look, systemClock)
  const traits: StoreTraits = {
    name: 'mongodb',
    guarantee: 'consensus',
    reach: 'network',
    fencing: true,
    queue: true,
    shared: true,
    limit: true,
    keep: true,
    clock: 'store',
    clockErrorMs,
    minTtlMs: Math.ceil(LEAST_WINDOW_MS + clockErrorMs),
    maxTokens: 1_000_000,
  }
  const reading = (io: Io) => ({ ...READING, maxTimeMS: limitOf(io), projection: SEEN })
  const writing = (io: Io) => ({ ...WRITING, maxTimeMS: limitOf(io) })

  function find(name: string, io: Io): Promise<unknown> {
    return connection.use(({ locks }) => locks.findOne(byName(name), reading(io)), io)
  }

  async function read(key: string, io: Io): Promise<Found<number>> {
    const name = prefix + key
    const document = await find(name, io)
    if (document === null) return { record: null, now: nowAt(await clockOf(io)) }
    const { queue, version, now } = recordIn(document, name)
    return { record: { queue, version }, now }
  }

  /** Where there is no document to tell it. */
  async function clockOf(io: Io): Promise<number> {
    const answer = record(await connection.use(link => link.clock(), io), 'hello')
    const { localTime } = answer
    return integer({ localTime: localTime instanceof Date ? localTime.getTime() : localTime }, 'localTime')
  }

  /** What `write` gives; false where somebody else was there first. */
  async function unlessDuplicate(write: Promise<boolean>): Promise<boolean> {
    try {
      return await write
    } catch (cause) {
      if (isDuplicate(cause instanceof Error ? cause.cause : cause)) return false
      throw cause
    }
  }

  async function enterAlone(request: TicketRequest, io: Io): Promise<Entry | null> {
    if (request.mode !== 'exclusive' || request.limit !== null) return null
    const name = prefix + request.key
    const update = {
      ...writing(io),
      upsert: true,
      returnDocument: 'after',
      projection: SEEN,
      includeResultMetadata: true,
    }
    let document: unknown
    const done = await unlessDuplicate(
      connection.use(async ({ locks }) => {
        const answer = await locks.findOneAndUpdate(byNameForUpsert(name), enterFree(request), update)
        document = record(answer, 'answer')['value']
        return true
      }, io),
    )
    if (!done) return null
    const { queue, now } = recordIn(document, name)
    const [ticket, ...others] = queue.tickets
    return ticket !== undefined && others.length === 0 && isAsAsked(ticket, request, now)
      ? { status: 'holds', token: ticket.token, leftMs: request.ttlMs, waiters: 0 }
      : null
  }

  async function leaveAlone({ key, id }: LeaveRequest, io: Io): Promise<{ readonly was: Was } | null> {
    const filter = alone(prefix + key, id)
    const { matchedCount } = await connection.use(({ locks }) => locks.updateOne(filter, LEAVE, writing(io)), io)
    return matchedCount === 1 ? { was: 'held' } : null
  }

  async function look(keys: readonly string[]): Promise<ReadonlyMap<string, Queue>> {
    const io = { timeoutMs: LOOK_MS }
    const filter = { _id: { $in: keys.map(key => prefix + key) } }
    const found = await connection.use(({ locks }) => all(locks.find(filter, reading(io))), io)
    return new Map(found.map(document => queueIn(document)))
  }

  function queueIn(document: unknown): [string, Queue] {
    const name = nameIn(document)
    return [name.slice(prefix.length), recordIn(document, name).queue]
  }

  const records = bySwap<number>(traits.name, {
    read,
    enterFree: enterAlone,
    leaveAlone,
    async swap(key, { version, queue, news }, io) {
      const name = prefix + key
      const write = async (locks: MongoCollectionLike, left: Io): Promise<boolean> => {
        if (queue === null)
          return version !== null && (await locks.deleteOne(byVersion(name, version), writing(left))).deletedCount === 1
        if (version !== null) {
          const document = documentOf(name, queue, version + 1)
          return (await locks.replaceOne(byVersion(name, version), document, writing(left))).matchedCount === 1
        }
        await locks.insertOne(documentOf(name, queue, firstVersion()), writing(left))
        return true
      }
      const swapped = await unlessDuplicate(connection.use(({ locks }) => write(locks, io), io))
      if (swapped) watch.tell(key, news)
      return swapped
    },
    async *list(start, io): AsyncIterable<LockRecord> {
      const from = prefix + start
      const options = { ...reading(io), sort: { _id: 1 } }
      const found = await connection.use(({ locks }) => whileFrom(locks.find(fromName(from), options), from), io)
      for (const document of found) {
        const name = nameIn(document)
        const { queue, now } = recordIn(document, name)
        yield { key: name.slice(prefix.length), queue, now }
      }
    },
    listen: async listener => watch.listen(listener),
    async close() {
      watch.stop()
      connection.close()
    },
  })
  return {
    ...watch.over(recordStore(traits, records)),
    async connect(io) {
      await connection.use(link => link.clock(), io)
    },
  }
}

/** Made by this command, or by another of the same millisecond that asked for the same. */
function isAsAsked(
  { id, enteredAt, lifeMs, kept, revoked }: Ticket,
  { ttlMs, ...asked }: TicketRequest,
  now: Now,
): boolean {
  return id === asked.id && enteredAt === now.ms && lifeMs === ttlMs && !kept && revoked === null
}

/** The server gives up when we do, or a little later. */
function limitOf({ timeoutMs }: Io): number {
  return Math.max(1, Math.ceil(timeoutMs))
}

/** Not one that a document of this name, gone since, has had: a swap that comes late must not find it again. */
function firstVersion(): number {
  return Math.floor(systemClock.random() * 2 ** 52)
}

function nameIn(document: unknown): string {
  return text(record(document, 'document'), '_id')
}

async function all(documents: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for await (const document of documents) found.push(document)
  return found
}

/** Sorted by name, so that what begins otherwise is behind all that begins so. */
async function whileFrom(documents: AsyncIterable<unknown>, start: string): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for await (const document of documents) {
    if (!nameIn(document).startsWith(start)) return found
    found.push(document)
  }
  return found
}
