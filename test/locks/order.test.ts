import { describe, expect, test } from 'vitest'
import { ClosedError, createLocks, WaitTimeoutError } from '../../src/index.ts'
import type { AcquireOptions, Lease } from '../../src/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

describe('in order inside one process', () => {
  const mixes: Record<string, readonly AcquireOptions[]> = {
    'tasks with and without meta': [{}, { meta: { job: '1' } }, {}, { meta: { job: '3' } }],
    'plain tasks between those that renew by hand': [{}, { renew: 'manual' }, {}, { renew: 'manual' }, {}],
    'plain tasks between those with a maxHold': [{}, { maxHold: '1m' }, { maxHold: '1m' }, {}, {}, { maxHold: '1m' }],
    'a writer between readers': [{}, { mode: 'shared' }, {}, { mode: 'shared' }],
    'a plain task among forty with meta': Array.from({ length: 41 }, (_, index) =>
      index === 2 ? {} : { meta: { job: String(index) } },
    ),
    'a task with meta behind more than one ticket carries': [
      ...Array.from({ length: 80 }, () => ({})),
      { meta: { job: 'last' } },
      {},
    ],
  }
  test.each(Object.entries(mixes))('%s are served as they came', async (_name, mix) => {
    const locks = createLocks(memoryStore())
    const first = await locks.acquire('k')
    const order: number[] = []
    const waiting = mix.map((options, index) => locks.run('k', options, () => void order.push(index)))
    await pause(1)
    await first.release()
    await Promise.all(waiting)
    expect(order).toEqual(mix.map((_, index) => index))
    await locks.close()
  })

  test('also while another process waits', async () => {
    const storage = 'order-contended'
    const locks = createLocks(memoryStore({ storage }))
    const other = createLocks(memoryStore({ storage }))
    const first = await locks.acquire('k')
    const order: number[] = []
    const mix: AcquireOptions[] = Array.from({ length: 60 }, (_, index) =>
      index % 25 === 24 ? { meta: { job: String(index) } } : {},
    )
    const waiting = mix.map((options, index) => locks.run('k', options, () => void order.push(index)))
    const theirs = Array.from({ length: 10 }, () => other.run('k', () => pause(0)))
    await first.release()
    await Promise.all([...waiting, ...theirs])
    expect(order).toEqual(mix.map((_, index) => index))
    await locks.close()
    await other.close()
  })

  test('a task in front that gives up lets those behind it go on', async () => {
    const locks = createLocks(memoryStore())
    const first = await locks.acquire('k')
    const abort = new AbortController()
    const gone = [1, 2, 3].map(() => locks.acquire('k', { signal: abort.signal }).catch(() => null))
    const behind = locks.run('k', { meta: { job: '4' } }, () => 'served')
    await pause(1)
    abort.abort()
    await Promise.all(gone)
    await first.release()
    expect(await behind).toBe('served')
    expect(await locks.inspect('k')).toBeNull()
    await locks.close()
  })
})

describe('who stands in the row of a key', () => {
  test('a task that asks for another ttl has a ticket of its own', async () => {
    const locks = createLocks(memoryStore())
    const first = await locks.acquire('k')
    const waiting = [{ ttl: '1s' } as const, { ttl: '1m' } as const].map(options => locks.acquire('k', options))
    await first.release()
    const short = await waiting[0]
    expect(short?.remaining()).toBeLessThanOrEqual(1_000)
    await short?.release()
    const other = await waiting[1]
    expect(other?.remaining()).toBeGreaterThan(1_000)
    await other?.release()
    await locks.close()
  })

  test('who has given up behind a crowd does not enter the store when the crowd has been served', async () => {
    const memory = memoryStore()
    const entered: string[] = []
    const locks = createLocks({
      ...memory,
      enter(request, io) {
        entered.push(request.meta['job'] ?? '')
        return memory.enter(request, io)
      },
    })
    const first = await locks.acquire('k')
    const crowd = locks.run('k', () => {})
    const abort = new AbortController()
    const gone = locks.acquire('k', { meta: { job: 'gone' }, signal: abort.signal }).catch(() => null)
    const behind = locks.run('k', { meta: { job: 'behind' } }, () => {})
    await pause(1)
    abort.abort()
    await gone
    await first.release()
    await Promise.all([crowd, behind])
    expect(entered).toContain('behind')
    expect(entered).not.toContain('gone')
    await locks.close()
  })

  test('close() ends the wait of who came right after one that gave up', async () => {
    const locks = createLocks(memoryStore())
    const first = await locks.acquire('k')
    const writer = locks.acquire('k', { meta: { job: 'writer' } }).catch((error: unknown) => error)
    const abort = new AbortController()
    const gone = locks.acquire('k', { mode: 'shared', signal: abort.signal }).catch(() => null)
    abort.abort()
    await gone
    const reader = locks.acquire('k', { mode: 'shared' }).catch((error: unknown) => error)
    const closing = locks.close({ drain: 0 })
    for (const error of await Promise.all([writer, reader])) expect(error).toBeInstanceOf(ClosedError)
    await closing
    await first.release()
  })

  test('close() ends the wait of those who stand behind one that was served', async () => {
    const locks = createLocks(memoryStore())
    const first = await locks.acquire('k')
    const abort = new AbortController()
    const gone = locks.acquire('k', { mode: 'shared', signal: abort.signal }).catch(() => null)
    await pause(1)
    abort.abort()
    await gone
    const reader = locks.acquire('k', { mode: 'shared' })
    const next = locks.acquire('k', { meta: { job: 'next' }, wait: Infinity })
    const last = locks.acquire('k', { meta: { job: 'last' }, wait: Infinity })
    await first.release()
    const held = await reader
    const ended = [next, last].map(waiting => waiting.catch((error: unknown) => error))
    const closing = locks.close({ drain: 0 })
    for (const error of await Promise.all(ended)) expect(error).toBeInstanceOf(ClosedError)
    await closing
    await held.release()
  })
})

describe('a reader that runs on does not keep other readers waiting', () => {
  test('when its ticket has carried all the leases it may', async () => {
    const locks = createLocks(memoryStore(), { cohort: { passes: 3 } })
    const { read } = locks.readWrite('k')
    const slow = await read.acquire()
    await Promise.all(Array.from({ length: 20 }, () => read.run({ wait: 2_000 }, () => pause(1))))
    expect(slow.state).toBe('held')
    expect(await slow.release()).toBe('released')
    expect(await locks.inspect('k')).toBeNull()
    await locks.close()
  })

  test('when a writer of another process gave up', async () => {
    const storage = 'reader-runs-on'
    const locks = createLocks(memoryStore({ storage }))
    const other = createLocks(memoryStore({ storage }))
    const { read } = locks.readWrite('k')
    const slow = await read.acquire()
    const writer = other.acquire('k', { wait: 150 }).catch((error: unknown) => error)
    await pause(110)
    const readers = [1, 2, 3].map(() => read.run({ wait: 5_000 }, () => 'read'))
    expect(await writer).toBeInstanceOf(WaitTimeoutError)
    expect(await Promise.all(readers)).toEqual(['read', 'read', 'read'])
    expect(slow.state).toBe('held')
    await slow.release()
    expect(await locks.inspect('k')).toBeNull()
    await locks.close()
    await other.close()
  })

  test('and a writer waits until the last reader of every ticket has ended', async () => {
    const locks = createLocks(memoryStore(), { cohort: { passes: 1 } })
    const { read, write } = locks.readWrite('k')
    const readers = await Promise.all([1, 2, 3, 4, 5].map(() => read.acquire({ wait: 1_000 })))
    let writing = false
    const writer = write.run(() => void (writing = true))
    for (const reader of readers) {
      await pause(1)
      expect(writing).toBe(false)
      await reader.release()
    }
    await writer
    await locks.close()
  })
})

test('a listener of "acquired" that asks for the same shared key is granted once, and so is the task it heard of', async () => {
  const locks = createLocks(memoryStore())
  const granted: Lease[] = []
  const told: number[] = []
  const again: Promise<unknown>[] = []
  let asked = 0
  locks.on('acquired', ({ token }) => {
    told.push(token)
    if ((asked += 1) <= 2)
      again.push(locks.acquire('k', { mode: 'shared', wait: 1_000 }).then(lease => granted.push(lease)))
  })
  granted.push(await locks.acquire('k', { mode: 'shared' }))
  await Promise.all(again)
  await Promise.all(again)
  expect(granted).toHaveLength(3)
  expect(new Set(granted.map(({ token }) => token))).toEqual(new Set(told))
  await Promise.all(granted.map(lease => lease.release()))
  expect(await locks.inspect('k')).toBeNull()
  await locks.close()
})

test('a task that its run() has left behind does not wait for its own call chain', async () => {
  const locks = createLocks(memoryStore())
  let detached: Promise<unknown> = Promise.resolve()
  await locks.run('k', async () => {
    detached = pause(10).then(async () => locks.acquire('k', { wait: 10 }).catch((error: unknown) => error))
  })
  const other = await locks.acquire('k')
  expect(await detached).toMatchObject({ code: 'HOLDFAST_WAIT_TIMEOUT', own: false })
  await other.release()
  await locks.close()
})
