/**
 * A MongoDB for the statements of the driver alone: mingo (MongoDB's query and update language in JavaScript) over
 * documents in memory. Each command takes effect at once and whole, as MongoDB promises of one document.
 *
 * It knows neither a network nor a replica set, and no server's limits: it shows what the statements say, not that a
 * server runs them.
 */
import { aggregate, Query } from 'mingo'
import type { MongoClientLike, MongoCollectionLike } from '../../src/drivers/mongodb.ts'

type Document = Record<string, unknown>
type Documents = Map<unknown, Document>

export interface MingoServer {
  /** Another client, as of another process. */
  client(): MongoClientLike
  readonly documents: Documents
  /** Every command, by name. */
  readonly commands: { readonly name: string; readonly options: unknown }[]
}

/** `clock`: the server's, in milliseconds. */
export function mingoServer(clock: () => number): MingoServer {
  const documents: Documents = new Map()
  const commands: { name: string; options: unknown }[] = []
  return {
    client: () => ({
      db: () => ({
        collection: () => collectionOf(documents, { clock, said: (name, options) => commands.push({ name, options }) }),
        command: async () => ({ localTime: new Date(clock()) }),
      }),
    }),
    documents,
    commands,
  }
}

interface Server {
  readonly clock: () => number
  said(name: string, options: unknown): void
}

function collectionOf(documents: Documents, { clock, said }: Server): MongoCollectionLike {
  const matching = (filter: unknown): Document[] => {
    const query = new Query(plain(at(filter)))
    return [...documents.values()].filter(document => query.test(document))
  }
  /** "$$NOW" is one instant for a whole command, which mingo's is not. */
  const at = (statement: unknown): unknown => replaceNow(statement, new Date(Math.floor(clock())))
  const projected = (document: Document, projection: unknown): Document | undefined =>
    run(document, [{ $project: at(projection) }])
  const put = (document: Document): void => void documents.set(document['_id'], structuredClone(document))

  return {
    async findOne(filter, options) {
      said('findOne', options)
      const [document] = matching(filter)
      return document === undefined ? null : projected(document, options['projection'])
    },
    async *find(filter, options) {
      said('find', options)
      const found = matching(filter).toSorted((a, b) => (String(a['_id']) < String(b['_id']) ? -1 : 1))
      for (const document of found) yield projected(document, options['projection'])
    },
    async findOneAndUpdate(filter, update, options) {
      said('findOneAndUpdate', options)
      const [found] = matching(filter)
      const before = found ?? (options['upsert'] === true ? { _id: filter['_id'] } : undefined)
      if (before === undefined) return { value: null }
      if (found === undefined && documents.has(before['_id'])) throw duplicate()
      const after = run(before, plainList(at(update)))
      if (after === undefined) throw new Error('the pipeline has lost the document')
      put(after)
      return { value: projected(after, options['projection']) }
    },
    async updateOne(filter, update, options) {
      said('updateOne', options)
      const [document] = matching(filter)
      if (document === undefined) return { matchedCount: 0 }
      const { $set, $inc } = update
      const counted = Object.entries(plain($inc)).map(([name, by]) => [name, Number(document[name]) + Number(by)])
      put({ ...document, ...plain($set), ...plain(Object.fromEntries(counted)) })
      return { matchedCount: 1 }
    },
    async insertOne(document, options) {
      said('insertOne', options)
      if (documents.has(Reflect.get(document, '_id'))) throw duplicate()
      put(plain(document))
      return {}
    },
    async replaceOne(filter, document, options) {
      said('replaceOne', options)
      if (matching(filter).length === 0) return { matchedCount: 0 }
      put(plain(document))
      return { matchedCount: 1 }
    },
    async deleteOne(filter, options) {
      said('deleteOne', options)
      const [document] = matching(filter)
      return { deletedCount: document !== undefined && documents.delete(document['_id']) ? 1 : 0 }
    },
    async createIndex(_fields, options) {
      said('createIndex', options)
      return ''
    },
  }
}

function run(document: Document, pipeline: Record<string, unknown>[]): Document | undefined {
  const [result] = aggregate([structuredClone(document)], pipeline)
  return result === undefined ? undefined : plain(result)
}

function duplicate(): Error {
  return Object.assign(new Error('E11000 duplicate key error'), { code: 11_000 })
}

function replaceNow(statement: unknown, now: Date): unknown {
  if (statement === '$$NOW') return { $literal: now }
  if (Array.isArray(statement)) return statement.map(each => replaceNow(each, now))
  if (typeof statement !== 'object' || statement === null || statement instanceof Date) return statement
  const at = ([name, value]: [string, unknown]) => [name, name === '$literal' ? value : replaceNow(value, now)]
  return Object.fromEntries(Object.entries(statement).map(at))
}

function plain(value: unknown): Document {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function plainList(value: unknown): Document[] {
  return Array.isArray(value) ? value.map(plain) : []
}
