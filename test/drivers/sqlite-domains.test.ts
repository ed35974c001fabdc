/**
 * One file, several clocks: before and after a reboot, or containers with time namespaces. Each store here has a clock
 * and a domain of its own; `pass` lets the same time go by on all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { afterAll, afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { sqliteStore } from '../../src/drivers/sqlite.ts'
import type { Entry, Store, TicketRequest } from '../../src/store/contract.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-domains-'))
const io = { timeoutMs: 5_000 }
let files = 0
let passed = 0
const pass = (ms: number): void => void (passed += ms)
const stores: Store[] = []

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})
afterAll(() => rmSync(directory, { recursive: true }))

const newFile = (): string => join(directory, `${(files += 1)}.db`)

/** `zero`: what the clock of this domain showed when the test began. */
function inDomain(file: string, domain: string, zero: number): Store {
  const store = sqliteStore(file, { domain, clock: { ...systemClock, now: () => zero + passed } })
  stores.push(store)
  return store
}

function ask(id: string, changes: Partial<TicketRequest> = {}): TicketRequest {
  return {
    key: 'report',
    id,
    holder: id,
    mode: 'exclusive',
    limit: null,
    ttlMs: 10_000,
    waiterTtlMs: 10_000,
    queue: false,
    tokens: 1,
    meta: {},
    ...changes,
  }
}
const renew = async (store: Store, id: string): Promise<string> =>
  (await store.renew([{ key: 'report', id, ttlMs: 10_000 }], io))[0]?.status ?? 'none'
const status = async (entry: Promise<Entry>): Promise<string> => (await entry).status

/** Far ahead, behind, and nearly equal: what a reboot or a namespace makes of a monotonic clock. */
const zeros = [
  ['ahead', 5_000_000],
  ['behind', -3_000_000],
  ['nearly equal', 3_000],
] as const

test.each(zeros)(
  'a dead ticket of another domain lives one full ttl from when it is first seen (clock %s)',
  async (_how, zero) => {
    const file = newFile()
    expect(await status(inDomain(file, 'before', 1_000_000).enter(ask('dead'), io))).toBe('holds')
    pass(60_000)
    const after = inDomain(file, 'after', 1_000_000 + zero)
    expect(await after.enter(ask('b'), io)).toMatchObject({ status: 'refused', retryMs: 10_000 })
    pass(9_999)
    expect(await status(after.enter(ask('c'), io))).toBe('refused')
    pass(1)
    expect(await status(after.enter(ask('d'), io))).toBe('holds')
  },
)

test.each(zeros)('a live ticket of another domain never dies while it is renewed (clock %s)', async (_how, zero) => {
  const file = newFile()
  const owner = inDomain(file, 'owner', 1_000_000)
  const other = inDomain(file, 'other', 1_000_000 + zero)
  await owner.enter(ask('a'), io)
  for (let round = 0; round < 20; round += 1) {
    expect(await status(other.enter(ask(`b${round}`), io))).toBe('refused')
    pass(9_000)
    expect(await renew(owner, 'a')).toBe('held')
    expect(await other.inspect('report', io)).toMatchObject({ holders: [{ holder: 'a' }] })
  }
})

test('its own domain sees it die on time, whoever looks in between', async () => {
  const file = newFile()
  const owner = inDomain(file, 'owner', 1_000_000)
  const other = inDomain(file, 'other', 9_000_000)
  await owner.enter(ask('a'), io)
  for (let round = 0; round < 9; round += 1) {
    pass(1_000)
    await other.enter(ask(`b${round}`), io)
  }
  expect(await status(owner.enter(ask('c'), io))).toBe('refused')
  pass(1_000)
  expect(await status(owner.enter(ask('d'), io))).toBe('holds')
})

test('domains that take turns do not keep a dead ticket alive', async () => {
  const file = newFile()
  await inDomain(file, 'dead', 1_000_000).enter(ask('a'), io)
  const [b, c] = [inDomain(file, 'b', 5_000_000), inDomain(file, 'c', 70)]
  expect(await status(b.enter(ask('b0'), io))).toBe('refused')
  for (let round = 0; round < 9; round += 1) {
    pass(1_000)
    expect(await status((round % 2 === 0 ? c : b).enter(ask(`x${round}`), io))).toBe('refused')
  }
  pass(1_000)
  expect(await status(c.enter(ask('c'), io))).toBe('refused') // c first saw it a second after b
  expect(await status(b.enter(ask('b'), io))).toBe('holds')
})

test('the processes of one domain share what one of them has seen', async () => {
  const file = newFile()
  await inDomain(file, 'dead', 1_000_000).enter(ask('a'), io)
  await inDomain(file, 'b', 5_000_000).enter(ask('b'), io)
  pass(10_000)
  expect(await status(inDomain(file, 'b', 5_000_000).enter(ask('c'), io))).toBe('holds')
})

test('a ticket that a foreign release lets hold is its own to renew', async () => {
  const file = newFile()
  const [a, b] = [inDomain(file, 'a', 1_000_000), inDomain(file, 'b', 50)]
  await a.enter(ask('1'), io)
  expect(await status(b.enter(ask('2', { queue: true }), io))).toBe('waits')
  pass(4_000)
  await a.leave({ key: 'report', id: '1', keepMs: 0, forbidMs: 0 }, io)
  // a sees it for the first time
  expect(await a.inspect('report', io)).toMatchObject({ holders: [{ holder: '2', leftMs: 10_000 }], waiters: [] })
  expect(await renew(b, '2')).toBe('held')
  pass(9_999)
  expect(await renew(b, '2')).toBe('held')
  expect(await b.inspect('report', io)).toMatchObject({ holders: [{ holder: '2', sinceMs: 9_999 + 4_000 }] })
})

test('a kept ticket and a forbidden id of another domain keep their time', async () => {
  const file = newFile()
  const [a, b] = [inDomain(file, 'a', 1_000_000), inDomain(file, 'b', 77)]
  await a.enter(ask('kept'), io)
  await a.leave({ key: 'report', id: 'kept', keepMs: 20_000, forbidMs: 0 }, io)
  await a.leave({ key: 'other', id: 'ghost', keepMs: 0, forbidMs: 20_000 }, io)
  const blocked = async (): Promise<string[]> => [
    await status(b.enter(ask('late'), io)),
    await status(b.enter(ask('ghost', { key: 'other' }), io)),
  ]
  expect(await blocked()).toEqual(['refused', 'forbidden'])
  pass(19_999)
  expect(await blocked()).toEqual(['refused', 'forbidden'])
  pass(1)
  expect(await blocked()).toEqual(['holds', 'holds'])
})

test('an owner whose clock was exchanged takes its ticket along', async () => {
  const file = newFile()
  await inDomain(file, 'before', 1_000_000).enter(ask('a'), io)
  pass(5_000)
  const after = inDomain(file, 'after', 33)
  expect(await renew(after, 'a')).toBe('held')
  pass(9_999)
  expect(await status(after.enter(ask('b'), io))).toBe('refused')
  pass(1)
  expect(await status(after.enter(ask('b'), io))).toBe('holds')
})

test('a ticket that is renewed for months does not remember everybody who ever looked', async () => {
  const file = newFile()
  const owner = inDomain(file, 'owner', 1_000_000)
  await owner.enter(ask('a'), io)
  for (let round = 0; round < 50; round += 1) {
    await inDomain(file, `container ${round}`, round).enter(ask('b'), io)
    pass(1_000)
    expect(await renew(owner, 'a')).toBe('held')
  }
  const database = new DatabaseSync(file)
  expect(String(Object(database.prepare('SELECT queue FROM holdfast_locks').get()).queue)).not.toContain('container')
  database.close()
})
