/** News of writes reaches those who listen to locks, whoever wrote. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { channel } from 'node:diagnostics_channel'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/drivers/memory.ts'
import { ConfigurationError, createLocks, note } from '../../src/index.ts'

const WRITE = { resource: 'report:7', token: 5, newest: 9 }

describe('a write that was let pass or refused', () => {
  test('is told by all locks of the process to those who listen, until they stop', async () => {
    const all = [createLocks(memoryStore()), createLocks(memoryStore())]
    const told: unknown[] = []
    const stops = all.map(locks => locks.on('stale', event => told.push(event)))
    note('stale', WRITE)
    note('fenced', WRITE)
    expect(told).toEqual([
      { type: 'stale', ...WRITE },
      { type: 'stale', ...WRITE },
    ])
    for (const stop of stops) stop()
    note('stale', WRITE)
    expect(told).toHaveLength(2)
    for (const locks of all) await locks.close()
  })

  test('is not told by locks that are closed', async () => {
    const locks = createLocks(memoryStore())
    const told: unknown[] = []
    locks.on('fenced', event => told.push(event))
    await locks.close()
    note('fenced', WRITE)
    expect(told).toEqual([])
  })

  test('stands in the journal', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-note-'))
    const journal = join(folder, 'journal')
    const locks = createLocks(memoryStore(), { journal })
    note('stale', WRITE)
    await locks.close()
    note('stale', WRITE)
    const lines = readFileSync(journal, 'utf8').trim().split('\n')
    expect(lines.map(line => JSON.parse(line))).toMatchObject([{ type: 'stale', ...WRITE }])
    rmSync(folder, { recursive: true })
  })

  test('harms nobody when a listener throws, or when a stranger publishes something else', async () => {
    const locks = createLocks(memoryStore())
    const told: unknown[] = []
    locks.on('stale', () => {
      throw new Error('of the listener')
    })
    locks.on('stale', event => told.push(event))
    note('stale', WRITE)
    for (const odd of ['text', null, { type: 'stale' }, { ...WRITE, type: 'lost' }])
      channel('holdfast:stale').publish(odd)
    expect(told).toEqual([{ type: 'stale', ...WRITE }])
    await locks.close()
  })

  test('needs a kind and a write', () => {
    // @ts-expect-error  there is no such kind
    expect(() => note('lost', WRITE)).toThrow(ConfigurationError)
    expect(() => note('stale', { resource: 'r', token: Number.NaN })).toThrow(ConfigurationError)
  })
})
