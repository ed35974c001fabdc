/** memcached with much to do, odd input, and others at its address; and the command line on it. */
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { ConfigurationError, StoreUnavailableError, UnsupportedError } from '../../src/base/errors.ts'
import { memcachedStore } from '../../src/drivers/memcached.ts'
import type { MemcachedStoreOptions } from '../../src/drivers/memcached.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Locks, LocksOptions } from '../../src/locks/types.ts'
import { open } from '../../src/open.ts'
import { MEMCACHED } from '../../src/servers/memcached.ts'
import { startServer } from '../../src/servers/start.ts'
import type { Store, TicketRequest } from '../../src/store/contract.ts'
import { createSite, until } from '../support/holdfast.ts'
import { describeWithStore } from '../support/stores.ts'

const IO = { timeoutMs: 5_000 }
const KEY = 'account:7'
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function storeAt(address: string, options: MemcachedStoreOptions = {}): Store {
  const store = memcachedStore(address, options)
  closing.push(() => store.close())
  return store
}

function request(change: Partial<TicketRequest> = {}): TicketRequest {
  const kind = { mode: 'exclusive', limit: null, queue: false, tokens: 1 } as const
  return {
    key: KEY,
    id: systemClock.id(),
    holder: 'A',
    ttlMs: 60_000,
    waiterTtlMs: 5_000,
    meta: {},
    ...kind,
    ...change,
  }
}

describeWithStore('memcached', 'memcached', url => {
  const storage = (): MemcachedStoreOptions => ({ namespace: systemClock.id() })

  function locksOn(options: MemcachedStoreOptions, settings: LocksOptions = {}): Locks {
    const locks = createLocks(memcachedStore(url, options), { ttl: '5s', wait: '30s', ...settings })
    closing.push(() => locks.close({ drain: 0 }))
    return locks
  }

  test('a thousand locks are taken, renewed and given back side by side', async () => {
    const patient = { ttl: '5m', storeTimeout: '2m', wait: '2m' } as const
    const [locks, other] = [locksOn({}, patient), locksOn({}, patient)]
    const prefix = systemClock.id()
    const keys = Array.from({ length: 1_000 }, (_, index) => `${prefix}:${index}`)
    const leases = await Promise.all(keys.map(key => locks.acquire(key)))
    await Promise.all(leases.map(lease => lease.renew()))
    expect(leases.filter(lease => lease.state !== 'held')).toEqual([])
    expect(await Promise.all(keys.map(key => other.tryAcquire(key)))).toEqual(keys.map(() => null))
    await Promise.all(leases.map(lease => lease.release()))
    const again = await Promise.all(keys.map(key => other.tryAcquire(key)))
    expect(again.filter(lease => lease === null)).toEqual([])
  })

  test('of two hundred who wait each has its turn, one at a time', async () => {
    const options = storage()
    const people = Array.from({ length: 8 }, () => locksOn(options))
    let [inside, most, turns] = [0, 0, 0]
    const work = async (): Promise<void> => {
      most = Math.max(most, (inside += 1))
      await sleep(systemClock, 1)
      inside -= 1
      turns += 1
    }
    await Promise.all(people.flatMap(locks => Array.from({ length: 25 }, () => locks.run(KEY, work))))
    expect({ most, turns }).toEqual({ most: 1, turns: 200 })
  })

  test('odd keys and namespaces do not meet', async () => {
    const keys = [' ', 'a b', 'a\r\nmd b', '\0', 'x'.repeat(1_024), '\u{1F512}', 'A', 'a', '../a', 'a%20b']
    const store = storeAt(url, storage())
    for (const key of keys) expect(await store.enter(request({ key }), IO)).toHaveProperty('status', 'holds')
    for (const key of keys) expect(await store.inspect(key, IO)).toHaveProperty('key', key)
    const name = systemClock.id()
    const [left, right] = [storeAt(url, { namespace: `${name}a` }), storeAt(url, { namespace: `${name}ab` })]
    expect(await left.enter(request({ key: 'bc' }), IO)).toHaveProperty('status', 'holds')
    expect(await right.enter(request({ key: 'c' }), IO)).toHaveProperty('status', 'holds')
  })

  test('what memcached cannot give is refused, and never faked', async () => {
    const store = storeAt(url, storage())
    const refused = (change: Partial<TicketRequest>): Promise<unknown> =>
      expect(store.enter(request(change), IO)).rejects.toThrow(UnsupportedError)
    await refused({ mode: 'shared' })
    await refused({ mode: 'shared', limit: 3 })
    await refused({ ttlMs: 31 * 86_400_000 })
    await refused({ meta: { text: 'x'.repeat(70_000) } })
    const long = { key: KEY, id: 'A', keepMs: 31 * 86_400_000, forbidMs: 0 }
    await expect(store.leave(long, IO)).rejects.toThrow(UnsupportedError)
    await expect(store.revoke(KEY, { tickets: 7, reason: 'x', now: false }, IO)).rejects.toThrow(UnsupportedError)
    await expect(store.list('', IO)[Symbol.asyncIterator]().next()).rejects.toThrow(UnsupportedError)
    expect(await store.inspect(KEY, IO)).toBeNull()
  })

  test('the command line runs, inspects and revokes, and says that it cannot list', async () => {
    const site = createSite()
    closing.push(async () => site.clear())
    const store = ['--store', `${url}?namespace=${systemClock.id()}`]
    const run = site.start(['run', 'report', ...store, '--ttl', '5s', '--', 'sleep', '60'])
    const seen = await until('the lock', async () => {
      const { code, stdout } = await site.holdfast(['inspect', 'report', ...store])
      return code === 0 ? stdout : null
    })
    expect(seen).toContain('report: held')
    expect(await site.holdfast(['run', 'report', ...store, '-n', '--', 'true'])).toHaveProperty('code', 75)
    const listed = await site.holdfast(['ls', ...store])
    expect(listed).toMatchObject({ code: 64, stdout: '' })
    expect(listed.stderr).toContain('memcached cannot list its locks')
    expect(await site.holdfast(['revoke', 'report', '--reason', 'a new release', ...store])).toHaveProperty('code', 0)
    expect(await run.finished).toHaveProperty('code', 76)
  }, 60_000)

  test('whoever names the same servers, in whatever order, meets in the same locks', async () => {
    const second = await startServer(MEMCACHED)
    closing.push(() => second.close())
    const places = [url, second.address].map(address => new URL(address).host)
    const [here, there] = await Promise.all([
      open(`memcached://${places.join(',')}`),
      open(`memcached://${places.toReversed().join(',')}`),
    ])
    closing.push(() => Promise.all([here.close({ drain: 0 }), there.close({ drain: 0 })]))
    const prefix = systemClock.id()
    const keys = Array.from({ length: 20 }, (_, index) => `${prefix}:${index}`)
    for (const key of keys) expect(await here.tryAcquire(key, { ttl: '5s' })).not.toBeNull()
    for (const key of keys) expect(await there.tryAcquire(key, { ttl: '5s' })).toBeNull()
    // Each has some of them: of twenty locks one server gets none once in half a million times.
    const alone = createLocks(memcachedStore(url))
    closing.push(() => alone.close({ drain: 0 }))
    const free = await Promise.all(keys.map(async key => (await alone.inspect(key)) === null))
    expect(new Set(free).size).toBe(2)
  })
})

describe('what is no memcached', () => {
  async function serving(answer: (text: string) => string | null): Promise<string> {
    const server: Server = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', text => {
        const words = answer(String(text))
        if (words === null) socket.destroy()
        else socket.write(words)
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    closing.push(async () => server.close())
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return `memcached://127.0.0.1:${address.port}`
  }

  const talking = (answer: string | null): Promise<string> => serving(text => (text === 'mn\r\n' ? 'MN\r\n' : answer))

  test.each([
    ['the page of a proxy', '<html><body>502 Bad Gateway</body></html>\r\n', 'is it the right host and port?'],
    ['a line without end', 'x'.repeat(10_000), 'is it the right host and port?'],
    ['a server that is busy', 'ERROR Too many open connections\r\n', 'Too many open connections'],
    ['nothing', null, 'the connection ended'],
  ])('%s is a StoreUnavailableError that names the host', async (_, answer, words) => {
    const store = storeAt(await serving(() => answer))
    const failing = store.inspect(KEY, IO)
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow(/^memcached at 127\.0\.0\.1:\d+ cannot be used/)
    await expect(failing).rejects.toThrow(words)
  })

  test.each([
    ['an older memcached', 'ERROR\r\n', 'memcached 1.6 or newer is needed'],
    ['one that wants a login', 'CLIENT_ERROR unauthenticated\r\n', 'wants a login'],
  ])('%s is a ConfigurationError', async (_, answer, words) => {
    const failing = storeAt(await serving(() => answer)).inspect(KEY, IO)
    await expect(failing).rejects.toThrow(ConfigurationError)
    await expect(failing).rejects.toThrow(words)
  })

  test.each([
    ['half a value', 'VA 100 c1 t5\r\nhalf'],
    ['a value without end', 'VA 2 c1 t5\r\nabcdef\r\n'],
    ['a size that is none', 'VA x c1 t5\r\n'],
    ['more answers than questions', 'EN\r\nEN\r\nEN\r\nEN\r\n'],
    ['silence', ''],
    ['a server error', 'SERVER_ERROR out of memory storing object\r\n'],
    ['the end of the connection', null],
  ])('%s takes no lock, and the next call connects anew', async (_, answer) => {
    let well = false
    const address = await serving(text => {
      if (text === 'mn\r\n') return 'MN\r\n'
      if (!well) return answer
      return text.startsWith('mg') ? 'VA 0 c1 t-1 W\r\n\r\nEN\r\n' : 'HD\r\n'
    })
    const store = storeAt(address)
    const io = { timeoutMs: 1_100 }
    const first = await store.enter(request(), io).catch((error: unknown) => error)
    expect(first).not.toHaveProperty('status', 'holds')
    well = true
    await until('an answer', () =>
      store.enter(request(), IO).then(
        entry => entry.status === 'holds',
        () => false,
      ),
    )
  })

  test.each([
    ['something else', 'VA 3 c1 t5\r\nabc\r\nEN\r\n'],
    ['a newer layout', `VA 12 c1 t5\r\n{"layout":2}\r\nEN\r\n`],
    ['a list', 'VA 2 c1 t5\r\n[]\r\nEN\r\n'],
  ])('%s in the place of a lock is told with its key', async (_, answer) => {
    const failing = storeAt(await talking(answer)).enter(request(), IO)
    await expect(failing).rejects.toThrow(ConfigurationError)
    await expect(failing).rejects.toThrow(/What memcached keeps for "account:7" cannot be read/)
  })

  test('nobody there is told with the host, also by open', async () => {
    const failing = open('memcached://127.0.0.1:1')
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow('memcached at 127.0.0.1:1 cannot be used')
  })

  test('an address without a port means 11211, as many hosts as there are', () => {
    for (const address of ['memcached://', 'memcached://a', 'memcached://a,b:1,[::1]', 'memcached://a/'])
      expect(() => storeAt(address)).not.toThrow()
  })

  test('addresses and options that make no sense are refused', () => {
    for (const address of [
      'memcached:',
      'redis://a',
      'memcached://a:x',
      'memcached://a/0',
      'memcached://a?x=1',
      'memcached://a,a:11211',
    ])
      expect(() => memcachedStore(address)).toThrow(ConfigurationError)
    const login = expect.objectContaining({ message: expect.not.stringContaining('secret') })
    expect(() => memcachedStore('memcached://user:secret@a')).toThrow(login)
    expect(() => memcachedStore('memcached://a', { clockErrorMs: -1 })).toThrow('clockErrorMs')
    expect(() => memcachedStore('memcached://a', { namespace: '\ud800' })).toThrow('namespace')
  })
})
