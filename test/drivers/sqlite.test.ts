import { mkdtempSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { DatabaseSync } from '@photostructure/sqlite'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { ConfigurationError, StoreUnavailableError } from '../../src/base/errors.ts'
import { sqliteStore } from '../../src/drivers/sqlite.ts'
import type { DatabaseLike } from '../../src/drivers/sqlite.ts'
import type { LockView, Store, TicketRequest } from '../../src/store/contract.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'))
let files = 0
const newFile = (): string => join(directory, `${(files += 1)}.db`)
const io = { timeoutMs: 5_000 }

afterAll(() => rmSync(directory, { recursive: true }))

function ask(id: string, changes: Partial<TicketRequest> = {}): TicketRequest {
  return {
    key: 'report',
    id,
    holder: id,
    mode: 'exclusive',
    limit: null,
    ttlMs: 15_000,
    waiterTtlMs: 5_000,
    queue: true,
    tokens: 32,
    meta: {},
    ...changes,
  }
}

async function listed(store: Store, prefix = ''): Promise<LockView[]> {
  const locks: LockView[] = []
  for await (const lock of store.list(prefix, io)) locks.push(lock)
  return locks
}

const until = async (done: () => boolean): Promise<void> => {
  for (const end = Date.now() + 10_000; !done() && Date.now() < end;)
    await new Promise(resolve => setTimeout(resolve, 2))
}
const openFiles = (file: string): string[] =>
  readdirSync('/proc/self/fd').flatMap(fd => linkOf(`/proc/self/fd/${fd}`).filter(path => path.startsWith(file)))
/** The engine for Node 20 lets go of a closed file when its statements are collected. */
async function expectClosed(file: string): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  await until(() => {
    if (typeof collect === 'function') collect()
    return openFiles(file).length === 0
  })
  expect(openFiles(file)).toEqual([])
}
function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)]
  } catch {
    return []
  }
}

function watch(store: Store): {
  readonly holds: [string, readonly number[]][]
  readonly revoked: [string, number, string][]
  start(): Promise<void>
} {
  const holds: [string, readonly number[]][] = []
  const revoked: [string, number, string][] = []
  const listener = {
    holds: (key: string, tokens: readonly number[]) => void holds.push([key, tokens]),
    revoked: (key: string, token: number, reason: string) => void revoked.push([key, token, reason]),
    gap: () => undefined,
  }
  return { holds, revoked, start: async () => void (await store.listen?.(listener)) }
}

// ---------------------------------------------------------------- who is told

test('a waiter of another store of this process is told directly', async () => {
  const file = newFile()
  const [first, second] = [sqliteStore(file), sqliteStore(file)]
  const news = watch(second)
  await news.start()
  await first.enter(ask('a'), io)
  const waiting = await second.enter(ask('b'), io)
  await first.leave({ key: 'report', id: 'a', keepMs: 0, forbidMs: 0 }, io)
  await until(() => news.holds.length > 0)
  expect(news.holds).toEqual([['report', ['token' in waiting ? waiting.token : 0]]])
  await first.close()
  await second.close()
})

test('stores of other namespaces are not told', async () => {
  const file = newFile()
  const [a, b] = [sqliteStore(file, { namespace: 'a' }), sqliteStore(file, { namespace: 'b' })]
  const news = watch(b)
  await news.start()
  await a.enter(ask('1'), io)
  expect(await b.enter(ask('2'), io)).toMatchObject({ status: 'holds' })
  await a.enter(ask('3'), io)
  await a.revoke('report', { tickets: 'all', reason: 'stop', now: true }, io)
  await new Promise(resolve => setTimeout(resolve, 30))
  expect(news).toMatchObject({ holds: [], revoked: [] })
  await a.close()
  await b.close()
})

test('a holder is told of its revocation, and of the reason', async () => {
  const file = newFile()
  const [holder, operator] = [sqliteStore(file), sqliteStore(file)]
  const news = watch(holder)
  await news.start()
  const entry = await holder.enter(ask('a'), io)
  await operator.revoke('report', { tickets: 'holders', reason: 'maintenance', now: false }, io)
  await until(() => news.revoked.length > 0)
  expect(news.revoked).toEqual([['report', 'token' in entry ? entry.token : 0, 'maintenance']])
  await holder.close()
  await operator.close()
})

// ---------------------------------------------------------------- keys

test('no two keys meet, however odd, and each comes back byte for byte', async () => {
  const store = sqliteStore(newFile())
  const keys = [
    '../x',
    './x',
    'x',
    'X',
    ' x',
    'a\0b',
    'a',
    'a\0',
    '\0',
    '🔒',
    '🔑',
    'e\u0301'.normalize('NFC'),
    '%',
    '_',
    "'; DROP TABLE holdfast_locks; --",
    'ü'.repeat(512),
    'k'.repeat(1_024),
  ]
  for (const key of keys)
    expect(await store.enter(ask(`id of ${key}`, { key }), io), key).toMatchObject({ status: 'holds' })
  expect((await listed(store)).map(lock => lock.key)).toEqual(
    keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  )
  for (const key of keys)
    expect(await store.inspect(key, io), key).toMatchObject({ key, holders: [{ holder: `id of ${key}` }] })
  await store.close()
})

test('a prefix is taken literally, over more than one page', async () => {
  const store = sqliteStore(newFile(), { namespace: 'shop' })
  for (let index = 0; index < 230; index += 1)
    await store.enter(ask(`t${index}`, { key: `a%${String(index).padStart(3, '0')}` }), io)
  for (const key of ['a', 'a_', 'ab', 'a&', 'b', 'aé', 'a\u{10ffff}']) await store.enter(ask(key, { key }), io)
  const found = await listed(store, 'a%')
  expect(found.map(lock => lock.key)).toEqual(
    Array.from({ length: 230 }, (_, index) => `a%${String(index).padStart(3, '0')}`),
  )
  expect((await listed(store, 'a_')).map(lock => lock.key)).toEqual(['a_'])
  expect(await listed(store, 'c')).toEqual([])
  expect(await listed(sqliteStore(newFile(), { namespace: 'sho' }), 'p')).toEqual([])
  await store.close()
})

test('a namespace and a key do not run into each other', async () => {
  const file = newFile()
  const [a, ab, none] = [
    sqliteStore(file, { namespace: 'a' }),
    sqliteStore(file, { namespace: 'ab' }),
    sqliteStore(file),
  ]
  expect(await a.enter(ask('1', { key: 'bc' }), io)).toMatchObject({ status: 'holds' })
  expect(await ab.enter(ask('2', { key: 'c' }), io)).toMatchObject({ status: 'holds' })
  expect(await none.enter(ask('3', { key: 'abc' }), io)).toMatchObject({ status: 'holds' })
  expect((await listed(none)).map(lock => lock.key)).toEqual(['abc'])
  for (const store of [a, ab, none]) await store.close()
})

// ---------------------------------------------------------------- the file

test('a row goes a day after its last token, and never with a ticket in it', async () => {
  let day = 0
  const clock = { ...systemClock, wall: () => systemClock.wall() + day * 86_400_000 }
  const file = newFile()
  const store = sqliteStore(file, { clock })
  const database = new DatabaseSync(file)
  const section = async (key: string): Promise<void> => {
    await store.enter(ask(key, { key }), io)
    await store.leave({ key, id: key, keepMs: 0, forbidMs: 0 }, io)
  }
  for (let index = 0; index < 300; index += 1) await section(`old ${index}`)
  await store.enter(ask('still held', { key: 'kept', ttlMs: 1e9 }), io)
  day = 2
  for (let index = 0; index < 300; index += 1) await section(`new ${index}`)
  const rows = database.prepare('SELECT CAST(key AS TEXT) AS key FROM holdfast_locks').all()
  expect(rows.filter(row => String(Object(row).key).startsWith('old'))).toEqual([])
  expect(rows).toHaveLength(301)
  database.close()
  await store.close()
})

test.each(['removed', 'replaced'])('whoever held in a file that was %s learns that the lease is lost', async how => {
  const file = newFile()
  const store = sqliteStore(file)
  await store.enter(ask('a'), io)
  renameSync(file, `${file}.away`)
  for (const end of ['-wal', '-shm']) renameSync(file + end, `${file}.away${end}`)
  const other = sqliteStore(file)
  if (how === 'replaced') expect(await other.enter(ask('b'), io)).toMatchObject({ status: 'holds' })
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(await store.renew([{ key: 'report', id: 'a', ttlMs: 15_000 }], io)).toMatchObject([
    { status: 'lost', reason: 'gone' },
  ])
  expect(await store.enter(ask('c'), io)).toMatchObject({ status: how === 'replaced' ? 'waits' : 'holds' })
  await store.close()
  await other.close()
})

test('all paths to one file are one lock: by symlink, linked directory, `..` and relative', async () => {
  const file = newFile()
  symlinkSync(file, `${file}.link`)
  symlinkSync(directory, `${file}.folder`)
  const paths = [
    file,
    `sqlite://${file}.link`,
    join(`${file}.folder`, basename(file)),
    `${directory}/../${basename(directory)}/${basename(file)}`,
    `sqlite:${relative(process.cwd(), file)}`,
  ]
  // The link is first: then it is what the file is made by.
  const stores = paths
    .toSorted((a, b) => Number(b.endsWith('.link')) - Number(a.endsWith('.link')))
    .map(path => sqliteStore(path))
  for (const [index, store] of stores.entries())
    expect(await store.enter(ask(`id ${index}`), io)).toMatchObject(
      index === 0 ? { status: 'holds' } : { status: 'waits', ahead: index },
    )
  for (const store of stores) await store.close()
})

test('a new file is there as a whole or not at all, and nothing lies beside it', async () => {
  const place = mkdtempSync(join(directory, 'new-'))
  const stores = Array.from({ length: 20 }, () => sqliteStore(join(place, 'locks.db')))
  await Promise.all(stores.map((store, index) => store.enter(ask(`id ${index}`), io)))
  expect(readdirSync(place).toSorted()).toEqual(['locks.db', 'locks.db-shm', 'locks.db-wal'])
  expect((await stores[0]?.inspect('report', io))?.waiters.length).toBe(19)
  for (const store of stores) await store.close()
})

test('without a path it is the default file, made with its directories', async () => {
  const before = process.env['XDG_STATE_HOME']
  process.env['XDG_STATE_HOME'] = join(directory, 'state')
  try {
    const store = sqliteStore()
    expect(await store.enter(ask('a'), io)).toMatchObject({ status: 'holds' })
    await store.close()
    expect(readdirSync(join(directory, 'state', 'holdfast'))).toContain('locks.db')
  } finally {
    if (before === undefined) delete process.env['XDG_STATE_HOME']
    else process.env['XDG_STATE_HOME'] = before
  }
})

// ---------------------------------------------------------------- bad files

function damaged(change: (database: DatabaseLike) => void): string {
  const file = newFile()
  const database = new DatabaseSync(file)
  change(database)
  database.close()
  return file
}

const bad: readonly [string, () => string, RegExp][] = [
  ['a directory', () => directory, /is a directory/],
  ['in a directory that does not exist', () => join(directory, 'nowhere', 'locks.db'), /directory .* does not exist/],
  ['not a database', () => written(newFile(), 'no database at all, but text '.repeat(100)), /is not a SQLite database/],
  [
    'a damaged database',
    () => written(newFile(), Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8_000, 7)])),
    /damaged|not a SQLite database/,
  ],
  [
    'of a newer layout',
    () =>
      damaged(database =>
        database.exec('CREATE TABLE holdfast_layout (version INTEGER); INSERT INTO holdfast_layout VALUES (99)'),
      ),
    /newer holdfast \(layout 99/,
  ],
]
function written(file: string, content: string | Buffer): string {
  writeFileSync(file, content)
  return file
}

test.each(bad)('a file that is %s is refused by name, and left closed', async (_what, make, message) => {
  const file = make()
  const store = sqliteStore(file)
  const error = await store.enter(ask('a'), io).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(ConfigurationError)
  expect(String(error)).toMatch(message)
  expect(String(error)).toContain(file)
  if (file !== directory) await expectClosed(file)
  await expect(store.inspect('report', io)).rejects.toThrow(message)
  await store.close()
})

test.each(['', ':memory:', 'sqlite::memory:', 'sqlite://host/file.db'])(
  'the address "%s" is refused at once',
  address => {
    expect(() => sqliteStore(address)).toThrow(ConfigurationError)
  },
)

test('a record that cannot be read is an error of its key alone', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  await store.enter(ask('a', { key: 'good' }), io)
  const database = new DatabaseSync(file)
  const put = database.prepare('INSERT INTO holdfast_locks (namespace, key, token_end, queue) VALUES (?, ?, 0, ?)')
  put.run(Buffer.alloc(0), Buffer.from('newer'), '{"layout":2}')
  put.run(Buffer.alloc(0), Buffer.from('torn'), '{"layout":1,"end":1,"tickets":[{"id":')
  database.close()
  await expect(store.enter(ask('b', { key: 'newer' }), io)).rejects.toThrow(/"newer".*layout 2/)
  await expect(store.enter(ask('b', { key: 'torn' }), io)).rejects.toBeInstanceOf(StoreUnavailableError)
  const renewed = await store.renew(
    ['torn', 'good'].map(key => ({ key, id: 'a', ttlMs: 1_000 })),
    io,
  )
  expect(renewed.map(renewal => renewal.status)).toEqual(['unknown', 'held'])
  // Long enough for the sweep to come by.
  for (let index = 0; index < 150; index += 1) await store.enter(ask(`s${index}`, { key: `section ${index}` }), io)
  await store.close()
})

// ---------------------------------------------------------------- a busy file

test('a busy file delays a call without blocking the process, and in the end fails it as not carried out', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  await store.enter(ask('a'), io)
  const other = new DatabaseSync(file)
  other.exec('BEGIN IMMEDIATE')
  let ticks = 0
  const timer = setInterval(() => (ticks += 1), 5)
  const error = await store.enter(ask('b'), { timeoutMs: 200 }).catch((error: unknown) => error)
  clearInterval(timer)
  expect(error).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', ambiguous: false })
  expect(ticks).toBeGreaterThan(10)
  expect(await store.inspect('report', io)).toMatchObject({ waiters: [] })
  const late = store.enter(ask('c'), io)
  const given = new AbortController()
  const abandoned = store.enter(ask('d'), { timeoutMs: 5_000, signal: given.signal }).catch((error: unknown) => error)
  given.abort()
  expect(await abandoned).toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', ambiguous: false })
  other.exec('COMMIT')
  other.close()
  expect(await late).toMatchObject({ status: 'waits', ahead: 1 })
  await store.close()
})

test('calls of one turn go in one transaction, in the order of asking', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  await store.enter(ask('first'), io)
  const entries = await Promise.all(Array.from({ length: 200 }, (_, index) => store.enter(ask(`t${index}`), io)))
  expect(entries.map(entry => ('ahead' in entry ? entry.ahead : 0))).toEqual(
    Array.from({ length: 200 }, (_, index) => index + 1),
  )
  await store.close()
})

test('a process that does nothing but lock and unlock still runs its timers', async () => {
  const store = sqliteStore(newFile())
  let ticks = 0
  const timer = setInterval(() => (ticks += 1), 1)
  for (let index = 0; index < 300; index += 1) {
    await store.enter(ask(`t${index}`), io)
    await store.leave({ key: 'report', id: `t${index}`, keepMs: 0, forbidMs: 0 }, io)
  }
  clearInterval(timer)
  expect(ticks).toBeGreaterThan(5)
  await store.close()
})

// ---------------------------------------------------------------- a database of the user's

test('an open database is taken as it is, and stays open', async () => {
  const file = newFile()
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE own (a); PRAGMA user_version = 42')
  const store = sqliteStore(database)
  expect(await store.enter(ask('a'), io)).toMatchObject({ status: 'holds' })
  const other = sqliteStore(file)
  expect(await other.enter(ask('b'), io)).toMatchObject({ status: 'waits' })
  database.exec('BEGIN')
  await expect(store.enter(ask('c'), io)).rejects.toThrow(/connection of its own/)
  database.exec('COMMIT')
  expect(await store.enter(ask('c'), io)).toMatchObject({ status: 'waits' })
  await store.close()
  await other.close()
  expect(database.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 42 })
  database.close()
})

test('a database in memory is refused', async () => {
  const database = new DatabaseSync(':memory:')
  await expect(sqliteStore(database).enter(ask('a'), io)).rejects.toThrow(/in memory/)
  database.close()
})

// ---------------------------------------------------------------- close

test('after close nothing is open, nothing is told, and every call is refused', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  await store.enter(ask('a'), io)
  const pending = store.enter(ask('b'), io)
  await store.close()
  await store.close()
  await expect(pending).rejects.toMatchObject({ code: 'HOLDFAST_STORE_UNAVAILABLE', ambiguous: false })
  await expect(store.enter(ask('c'), io)).rejects.toBeInstanceOf(StoreUnavailableError)
  await expect(store.inspect('report', io)).rejects.toBeInstanceOf(StoreUnavailableError)
  await expect(
    store.listen?.({ holds: () => undefined, revoked: () => undefined, gap: () => undefined }),
  ).rejects.toBeInstanceOf(StoreUnavailableError)
  await expectClosed(file)
})

test('closing while it opens leaves nothing open', async () => {
  const file = newFile()
  const store = sqliteStore(file)
  const pending = store.inspect('report', io).catch((error: unknown) => error)
  await store.close()
  expect(await pending).toBeInstanceOf(StoreUnavailableError)
  await expectClosed(file)
})
