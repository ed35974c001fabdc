import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { ConfigurationError, createLocks } from '../../src/index.ts'
import { check } from '../../src/journal/check.ts'
import { readJournals } from '../../src/journal/read.ts'
import { openJournal } from '../../src/journal/write.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import type { Store } from '../../src/store/contract.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
afterAll(() => rmSync(directory, { recursive: true }))

test('a journal tells who held what when', async () => {
  const path = join(directory, 'a.jsonl')
  const locks = createLocks(memoryStore(), { journal: path, holder: 'A' })
  const token = await locks.run('k', lease => lease.token)
  await locks.close()
  const { entries, byWallClock, unreadable } = readJournals([path])
  expect(entries.map(({ type, key, holder, ...rest }) => [type, key, holder, rest.token])).toEqual([
    ['acquired', 'k', 'A', token],
    ['released', 'k', 'A', token],
  ])
  expect([byWallClock, unreadable]).toEqual([false, 0])
})

test('a holder ends when its leave is sent, however late the answer is', async () => {
  const store = memoryStore()
  const late: Store = {
    ...store,
    async leave(request, io) {
      const answer = await store.leave(request, io)
      await sleep(50)
      return answer
    },
  }
  const paths = [join(directory, 'late.jsonl'), join(directory, 'next.jsonl')]
  const all = paths.map((journal, index) => createLocks(index === 0 ? late : store, { journal, fair: 'strict' }))
  const runs = all.flatMap(locks => Array.from({ length: 5 }, () => locks.run('k', async () => sleep(1))))
  await Promise.all(runs)
  await Promise.all(all.map(locks => locks.close()))
  expect(check(readJournals(paths).entries)).toEqual({ leases: 10, open: 0, overlaps: [] })
})

test('a holder that stood still ends where its window closed, not when it noticed', async () => {
  const path = join(directory, 'still.jsonl')
  const locks = createLocks(memoryStore(), { journal: path, renew: 'manual', ttl: 100 })
  const lease = await locks.acquire('k')
  const end = performance.now() + 300
  while (performance.now() < end);
  expect(lease.state).toBe('lost')
  await locks.close()
  const [acquired, lost] = readJournals([path]).entries
  expect([acquired?.type, lost?.type]).toEqual(['acquired', 'lost'])
  expect((lost?.ms ?? 0) - (acquired?.ms ?? 0)).toBeLessThan(200)
  expect(lost?.['heldMs']).toBeLessThanOrEqual(100)
})

test('journals of several processes are one, in order of time, and a line cut short costs only itself', () => {
  const [first, second] = [join(directory, 'b.jsonl'), join(directory, 'c.jsonl')]
  const [a, b] = [openJournal(first, 'A'), openJournal(second, 'B')]
  a.write({ type: 'read', key: 'k' })
  b.write({ type: 'wrote', key: 'k', cause: new Error('why') })
  a.write({ type: 'committed', key: 'k' })
  a.close()
  b.close()
  appendFileSync(second, '{"at": 1, "wa')
  const { entries, unreadable } = readJournals([first, second])
  expect(entries.map(entry => `${entry.holder} ${entry.type}`)).toEqual(['A read', 'B wrote', 'A committed'])
  expect(entries[1]?.['cause']).toEqual({ name: 'Error', message: 'why' })
  expect(unreadable).toBe(1)
})

test('journals of different hosts are merged by their wall clocks, and it is said', () => {
  const path = join(directory, 'd.jsonl')
  const line = (boot: string, at: number, wall: number): string =>
    `${JSON.stringify({ at, wall, boot, holder: boot, type: 'read' })}\n`
  appendFileSync(path, line('one', 900, 1_000) + line('two', 5, 999))
  const { entries, byWallClock } = readJournals([path])
  expect(byWallClock).toBe(true)
  expect(entries.map(entry => entry.holder)).toEqual(['two', 'one'])
})

test('a journal that cannot be written or read is refused by name', () => {
  expect(() => createLocks(memoryStore(), { journal: join(directory, 'no', 'such', 'place') })).toThrow(
    ConfigurationError,
  )
  expect(() => readJournals([join(directory, 'missing')])).toThrow('missing')
  expect(readFileSync(join(directory, 'a.jsonl'), 'utf8').endsWith('\n')).toBe(true)
})
