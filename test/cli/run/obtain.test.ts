/** What a waiting command says, on a clock that is turned by hand. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { obtain } from '../../../src/cli/run/obtain.ts'
import { createReporter } from '../../../src/cli/run/report.ts'
import { memoryStore } from '../../../src/drivers/memory.ts'
import { createLocks } from '../../../src/index.ts'

let said: string[] = []
beforeEach(() => {
  vi.useFakeTimers()
  said = []
  vi.spyOn(process.stderr, 'write').mockImplementation(text => said.push(String(text)) > 0)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

async function waited(quiet: boolean): Promise<void> {
  const locks = createLocks(memoryStore(), { holder: 'A', fair: 'strict' })
  const held = await locks.acquire('k')
  const signal = new AbortController().signal
  const pending = obtain(locks, { key: 'k', options: {}, reporter: createReporter({ json: false, quiet }), signal })
  await vi.advanceTimersByTimeAsync(150_000)
  await held.release()
  const lease = await pending
  await vi.advanceTimersByTimeAsync(150_000)
  await lease?.release()
  await locks.close()
}

test('who waits says so again every minute, and no more once it holds', async () => {
  await waited(false)
  expect(said).toEqual([
    expect.stringMatching(/^holdfast: waiting for "k", held by A for \d+ ms\n$/),
    expect.stringMatching(/^holdfast: still waiting for "k", held by A for 1 min, 1 waiting in all\n$/),
    expect.stringMatching(/^holdfast: still waiting for "k", held by A for 2 min, 1 waiting in all\n$/),
  ])
})

test('who is to be quiet waits without a word', async () => {
  await waited(true)
  expect(said).toEqual([])
})
