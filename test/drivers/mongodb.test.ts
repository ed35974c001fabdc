/** The statements of the mongodb driver, one by one, and what it makes of answers and failures. No server is needed. */
import { MongoClient, MongoServerError, MongoServerSelectionError } from 'mongodb'
import { beforeEach, describe, expect, test } from 'vitest'
import { ConfigurationError, StoreUnavailableError } from '../../src/base/errors.ts'
import { mongodbStore } from '../../src/drivers/mongodb.ts'
import type { MongoClientLike, MongoCollectionLike } from '../../src/drivers/mongodb.ts'
import { openStore } from '../../src/open.ts'
import type { Store, TicketRequest } from '../../src/store/contract.ts'
import { mingoServer } from '../support/mingo-client.ts'
import type { MingoServer } from '../support/mingo-client.ts'

const IO = { timeoutMs: 5_000 }
const DAY_MS = 86_400_000
const T0 = 1_795_000_000_000
const NAME = '0:account:7'
const request = (change: Partial<TicketRequest> = {}): TicketRequest => ({
  ...{ key: 'account:7', id: 'A', holder: 'h', mode: 'exclusive', limit: null, ttlMs: 10_000, waiterTtlMs: 5_000 },
  ...{ queue: true, tokens: 32, meta: {} },
  ...change,
})
const leave = (id: string, forbidMs = 0) => ({ key: 'account:7', id, keepMs: 0, forbidMs })

let now = T0
let server: MingoServer
let store: Store
beforeEach(() => {
  now = T0
  server = mingoServer(() => now)
  store = mongodbStore(server.client())
})

const said = (): readonly string[] => server.commands.splice(0).map(({ name }) => name)

/** The client, but for one method of its collection. */
function clientWith(change: Partial<MongoCollectionLike>): MongoClientLike {
  const { db } = server.client()
  return { db: name => ({ ...db(name), collection: which => ({ ...db(name).collection(which), ...change }) }) }
}

describe('what is said', () => {
  test('one statement to enter a free lock, whether or not it was there, and one to leave it alone', async () => {
    await store.connect?.(IO)
    said()
    expect(await store.enter(request(), IO)).toEqual({ status: 'holds', token: T0 * 1_000, leftMs: 10_000, waiters: 0 })
    expect(said()).toEqual(['findOneAndUpdate'])
    expect(await store.leave(leave('A'), IO)).toEqual({ was: 'held' })
    expect(said()).toEqual(['updateOne'])
    expect(await store.enter(request({ id: 'B' }), IO)).toMatchObject({ status: 'holds', token: T0 * 1_000 + 32 })
    expect(said()).toEqual(['findOneAndUpdate'])
  })

  test('a look and a replacement where somebody else is there', async () => {
    await store.enter(request(), IO)
    said()
    expect(await store.enter(request({ id: 'B' }), IO)).toMatchObject({ status: 'waits', ahead: 1 })
    expect(said()).toEqual(['findOneAndUpdate', 'findOne', 'replaceOne'])
    expect(await store.leave(leave('A'), IO)).toEqual({ was: 'held' })
    expect(said()).toEqual(['updateOne', 'findOne', 'replaceOne'])
    expect(await store.enter(request({ id: 'B', token: T0 * 1_000 + 32 }), IO)).toHaveProperty('status', 'holds')
  })

  test('every write waits for a majority that has it on disk; nothing is read that could be rolled back', async () => {
    await store.enter(request({ mode: 'shared' }), IO)
    await store.enter(request({ id: 'B' }), IO)
    await store.enter(request({ key: 'other', id: 'C' }), IO)
    await store.leave({ ...leave('C'), key: 'other' }, IO)
    await store.inspect('account:7', IO)
    for await (const lock of store.list('', IO)) expect(lock).toHaveProperty('key')
    const commands = server.commands.filter(({ name }) => name !== 'createIndex')
    expect(new Set(commands.map(({ name }) => name)).size).toBeGreaterThan(4)
    for (const { name, options } of commands)
      expect(options, name).toMatchObject(
        name.startsWith('find') && name !== 'findOneAndUpdate'
          ? { readPreference: 'primary', readConcern: { level: 'majority' }, maxTimeMS: expect.any(Number) }
          : { writeConcern: { w: 'majority', journal: true }, maxTimeMS: expect.any(Number) },
      )
  })

  test('a text of the user is a text, whatever MongoDB would read in it', async () => {
    const odd = ['$end', '$$NOW', '$$ROOT', '{"$gt":0}', 'a.b', '', '\0', '\u{1F512}']
    for (const [index, text] of odd.entries()) {
      const key = `key ${index}`
      const meta = { [text]: text, '$where.x': text }
      const asked = request({ key, id: `${text}!`, holder: text, meta })
      expect(await store.enter(asked, IO)).toHaveProperty('status', 'holds')
      expect(await store.inspect(key, IO)).toMatchObject({ holders: [{ holder: text, meta }] })
      expect(await store.leave({ ...leave(`${text}!`), key }, IO)).toEqual({ was: 'held' })
    }
  })

  test('an id that is forbidden enters no free lock', async () => {
    await store.leave(leave('A', 60_000), IO)
    expect(await store.enter(request(), IO)).toMatchObject({ status: 'forbidden', reason: 'left' })
    now += 60_001
    expect(await store.enter(request(), IO)).toHaveProperty('status', 'holds')
  })
})

describe('time', () => {
  test('a clock that was read before the wait for the document takes no time from who was given it since', async () => {
    await store.enter(request(), IO)
    // Renewed at T0 + 5 s; the command of somebody else has begun three seconds before, and waited.
    now = T0 + 5_000
    await store.renew([{ key: 'account:7', id: 'A', ttlMs: 10_000 }], IO)
    now = T0 + 2_000
    await store.enter(request({ id: 'B' }), IO)
    now = T0 + 14_900
    expect(await store.inspect('account:7', IO)).toMatchObject({ holders: [{ leftMs: 100 }] })
  })

  test('a clock that was set back by an hour keeps nobody in for an hour', async () => {
    await store.enter(request(), IO)
    now = T0 - 3_600_000
    await store.enter(request({ id: 'B' }), IO)
    now += 10_001
    expect(await store.enter(request({ id: 'C' }), IO)).toHaveProperty('status', 'holds')
  })

  test('tokens grow over a clock that was set back', async () => {
    await store.enter(request(), IO)
    await store.leave(leave('A'), IO)
    now -= 3_600_000
    expect(await store.enter(request({ id: 'B' }), IO)).toMatchObject({ token: T0 * 1_000 + 32 })
  })

  test('the index takes a document away a day after all that is in it, at the earliest', async () => {
    const sweepAt = (): number => {
      const at = server.documents.get(NAME)?.['sweepAt']
      return at instanceof Date ? at.getTime() : Number.NaN
    }
    await store.enter(request({ ttlMs: 7 * DAY_MS }), IO)
    expect(sweepAt()).toBeGreaterThanOrEqual(T0 + 8 * DAY_MS)
    await store.leave(leave('A'), IO)
    expect(sweepAt()).toBeGreaterThanOrEqual(T0 + DAY_MS)
    await store.leave(leave('X', 3 * DAY_MS), IO)
    expect(sweepAt()).toBeGreaterThanOrEqual(T0 + 4 * DAY_MS)
    await store.enter(request({ id: 'B' }), IO)
    expect(sweepAt()).toBeGreaterThanOrEqual(T0 + 4 * DAY_MS)
  })
})

describe('who was overtaken', () => {
  test('another makes the document in between: the lock is read, and no two hold', async () => {
    const other = mongodbStore(server.client())
    let first = true
    const { findOneAndUpdate } = server.client().db().collection('')
    const racing = mongodbStore(
      clientWith({
        async findOneAndUpdate(filter, update, options) {
          if (!first) return findOneAndUpdate(filter, update, options)
          first = false
          await other.enter(request({ id: 'B' }), IO)
          throw Object.assign(new Error('E11000 duplicate key error'), { code: 11_000 })
        },
      }),
    )
    expect(await racing.enter(request(), IO)).toMatchObject({ status: 'waits', ahead: 1 })
  })

  test('another makes the document of readers in between: both hold', async () => {
    const [one, other] = [mongodbStore(server.client()), mongodbStore(server.client())]
    const reader = request({ mode: 'shared' })
    const entries = await Promise.all([one.enter(reader, IO), other.enter({ ...reader, id: 'B' }, IO)])
    expect(entries.map(({ status }) => status)).toEqual(['holds', 'holds'])
  })

  test('a swap that comes late finds no version that was there before', async () => {
    await store.enter(request({ mode: 'shared' }), IO)
    const before = server.documents.get(NAME)?.['v']
    server.documents.clear()
    await store.enter(request({ mode: 'shared' }), IO)
    expect(server.documents.get(NAME)?.['v']).not.toBe(before)
  })
})

describe('what is no lock of ours', () => {
  test.each([
    ['a document of somebody else', { _id: NAME, name: 'invoice' }],
    ['a record of a newer holdfast', { _id: NAME, layout: 2, v: 1, end: 1, tickets: [], forbidden: [] }],
    ['half a record', { _id: NAME, layout: 1, v: 1 }],
    ['a ticket without a life', { _id: NAME, layout: 1, v: 1, end: 1, tickets: [{ id: 'A' }], forbidden: [] }],
    ['a version that is text', { _id: NAME, layout: 1, v: 'one', end: 1, tickets: [], forbidden: [] }],
  ])('%s: a ConfigurationError, and it stays as it is', async (_what, document) => {
    server.documents.set(NAME, document)
    for (const work of [
      () => store.enter(request({ mode: 'shared' }), IO),
      () => store.inspect('account:7', IO),
      () => store.revoke('account:7', { tickets: 'all', reason: 'x', now: true }, IO),
    ])
      await expect(work()).rejects.toThrow(ConfigurationError)
    expect(server.documents.get(NAME)).toEqual(document)
  })
})

describe('failures', () => {
  const failing = (cause: Error): Store => mongodbStore(clientWith({ findOneAndUpdate: () => Promise.reject(cause) }))
  const ofServer = (code: number): Error => new MongoServerError({ message: 'no', code })

  test.each([
    [13, 'role readWrite'],
    [18, 'user, password and authSource'],
    [148, 'Read concern'],
    [28_651, 'a collection of its own'],
  ])('code %i: asking again cannot help', async (code, advice) => {
    const failed = failing(ofServer(code)).enter(request(), IO)
    await expect(failed).rejects.toThrow(ConfigurationError)
    await expect(failed).rejects.toThrow(advice)
  })

  test.each([
    ['an answer that says that nothing was done', ofServer(10_107), false],
    ['a write that no majority has confirmed', ofServer(64), true],
    ['an interruption by a failover', ofServer(11_602), true],
    ['a broken connection', new Error('read ECONNRESET'), true],
  ])('%s: unavailable, and told whether it may have been carried out', async (_what, cause, ambiguous) => {
    const failed = failing(cause).enter(request(), IO)
    await expect(failed).rejects.toThrow(StoreUnavailableError)
    await expect(failed).rejects.toMatchObject({ ambiguous })
  })

  test('a client that hangs is given up at the deadline', async () => {
    const hanging = mongodbStore(clientWith({ findOneAndUpdate: () => new Promise(() => {}) }))
    await expect(hanging.enter(request(), { timeoutMs: 50 })).rejects.toMatchObject({ ambiguous: true })
  })

  test('no server there: not carried out, and the message names the host and not the password', async () => {
    const away = mongodbStore('mongodb://user:secret@127.0.0.1:1/app?serverSelectionTimeoutMS=200')
    const error: unknown = await away.enter(request(), { timeoutMs: 20_000 }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ ambiguous: false, message: expect.stringContaining('127.0.0.1:1') })
    expect(String(error)).not.toContain('secret')
    expect(error).toHaveProperty('cause', expect.any(MongoServerSelectionError))
    await away.close()
  }, 60_000)
})

test('the client of the package is one, and what is none is refused', () => {
  const client = new MongoClient('mongodb://127.0.0.1:1')
  expect(mongodbStore(client, { database: 'app', collection: 'locks' }).traits).toMatchObject({
    ...{ name: 'mongodb', guarantee: 'consensus', clockErrorMs: 500, minTtlMs: 800 },
  })
  const none: MongoClientLike = JSON.parse('{}')
  expect(() => mongodbStore(none)).toThrow(ConfigurationError)
  expect(() => mongodbStore(client, { clockErrorMs: Number.NaN })).toThrow(ConfigurationError)
})

test('an address opens it, with a namespace', async () => {
  for (const address of ['mongodb://127.0.0.1:1/app?namespace=shop', 'mongodb+srv://no.such.host.invalid'])
    expect((await openStore(address)).traits.name).toBe('mongodb')
})
