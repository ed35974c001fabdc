import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ConfigurationError, createLocks } from '../../src/index.ts'
import { readJournals } from '../../src/journal/read.ts'
import { openJournal } from '../../src/journal/write.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

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
