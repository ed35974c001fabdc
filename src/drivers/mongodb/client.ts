/**
 * The official client, by its shape: the user's own `MongoClient`, or one of ours.
 *
 * Versions 5 to 7 differ in what they are set to give (bigints, objects for long numbers, the bare document or one
 * around it), and a user's may be set in any way. So every operation says itself what it wants.
 */
import { ConfigurationError } from '../../base/errors.ts'
import { endingLate } from '../shared/connection.ts'
import { can, construct, installed, method } from '../shared/package.ts'
import type { Statement } from './statements.ts'

/** The part of a `MongoClient` that this driver needs. */
export interface MongoClientLike {
  db(name?: string): MongoDatabaseLike
}

export interface MongoDatabaseLike {
  collection(name: string): MongoCollectionLike
  command(command: Statement, options?: Statement): Promise<unknown>
}

export interface MongoCollectionLike {
  findOne(filter: Statement, options: Statement): Promise<unknown>
  find(filter: Statement, options: Statement): AsyncIterable<unknown>
  findOneAndUpdate(filter: Statement, update: readonly Statement[], options: Statement): Promise<unknown>
  updateOne(filter: Statement, update: Statement, options: Statement): Promise<{ readonly matchedCount: number }>
  insertOne(document: object, options: Statement): Promise<unknown>
  replaceOne(filter: Statement, document: object, options: Statement): Promise<{ readonly matchedCount: number }>
  deleteOne(filter: Statement, options: Statement): Promise<{ readonly deletedCount: number }>
  createIndex(field: string, options: Statement): Promise<unknown>
}

/** What commands go by. */
export interface Link {
  readonly locks: MongoCollectionLike
  /** The server's clock. */
  clock(): Promise<unknown>
  end(): void
}

export interface Where {
  readonly database: string | undefined
  readonly collection: string
}

/** Of a client, whoever made it: numbers as numbers. */
const PLAIN = { promoteLongs: true, promoteValues: true, useBigInt64: false, raw: false } as const

/** A majority has it on disk. */
export const WRITING: Statement = { ...PLAIN, writeConcern: { w: 'majority', journal: true } }
/** From the primary, and nothing that could be rolled back. */
export const READING: Statement = { ...PLAIN, readPreference: 'primary', readConcern: { level: 'majority' } }

/** @throws ConfigurationError  no client that we know */
export function linkOf(client: object, { database, collection }: Where, end: () => void): Link {
  if (!isClient(client))
    throw new ConfigurationError(
      'This is no MongoDB client that holdfast knows. Pass a MongoClient of the package mongodb, or an address such as mongodb://localhost:27017/app.',
    )
  const db = client.db(database)
  return {
    locks: db.collection(collection),
    clock: () => db.command({ hello: 1 }, { ...PLAIN, readPreference: 'primary' }),
    end,
  }
}

function isClient(client: object): client is MongoClientLike {
  return typeof client === 'object' && client !== null && can(client, 'db')
}

/** A client of ours, connected. @throws ConfigurationError  the package is not installed, or too old */
export async function dial(
  address: string,
  where: Where & { readonly shown: string },
  timeoutMs: number,
): Promise<Link> {
  const { module } = await installed({ names: ['mongodb'], where: where.shown })
  // What the address says itself is meant. Shorter than our own deadline, so that it can say why.
  const usual = {
    serverSelectionTimeoutMS: Math.ceil(timeoutMs * 0.8),
    connectTimeoutMS: timeoutMs,
    appName: 'holdfast',
  }
  const own = Object.entries(usual).filter(([name]) => !address.toLowerCase().includes(`${name.toLowerCase()}=`))
  const client = construct(module, 'MongoClient', address, Object.fromEntries(own))
  // Without a listener an error event would end the process.
  method(client, 'on', 'error', () => {})
  const end = (): void => void Promise.resolve(method(client, 'close', true)).catch(() => {})
  await endingLate(async () => method(client, 'connect'), { timeoutMs, end })
  return linkOf(client, where, end)
}
