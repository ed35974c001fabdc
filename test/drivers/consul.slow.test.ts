/** Consul with much to do, odd input, tokens, and others at its address; and the command line on it. */
import { createServer } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { ConfigurationError, StoreUnavailableError, UnsupportedError } from '../../src/base/errors.ts'
import { consulStore } from '../../src/drivers/consul.ts'
import type { ConsulStoreOptions } from '../../src/drivers/consul.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Locks } from '../../src/locks/types.ts'
import { open } from '../../src/open.ts'
import type { Store, TicketRequest } from '../../src/store/contract.ts'
import { createSite, until } from '../support/holdfast.ts'
import { describeWithStore } from '../support/stores.ts'

const IO = { timeoutMs: 5_000 }
const KEY = 'account:7'
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function storeAt(address: string, options: ConsulStoreOptions = {}): Store {
  const store = consulStore(address, options)
  closing.push(() => store.close())
  return store
}

function request(change: Partial<TicketRequest> = {}): TicketRequest {
  const kind = { mode: 'exclusive', limit: null, queue: true, tokens: 1 } as const
  const lives = { ttlMs: 60_000, waiterTtlMs: 10_000 }
  return { key: KEY, id: systemClock.id(), holder: 'A', meta: {}, ...lives, ...kind, ...change }
}

const hex = (text: string): string => Buffer.from(text).toString('hex')
const hostOf = (url: string): string => new URL(url.replace('consul:', 'http:')).host

describeWithStore('consul', 'consul', url => {
  const storage = (): ConsulStoreOptions => ({ namespace: systemClock.id() })

  function locksOn(options: ConsulStoreOptions): Locks {
    const locks = createLocks(consulStore(url, options), { ttl: '10s', wait: '60s' })
    closing.push(() => locks.close({ drain: 0 }))
    return locks
  }

  async function tell(method: string, path: string, body?: string): Promise<string> {
    const answer = await fetch(`http://${hostOf(url)}/v1/${path}`, { method, ...(body === undefined ? {} : { body }) })
    return answer.text()
  }

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
  }, 120_000)

  test('a lock that is taken again has the same name: Consul walks over each that there was lately', async () => {
    const options = storage()
    const store = storeAt(url, options)
    const names = new Set<string>()
    for (let times = 0; times < 5; times += 1) {
      const { key, id } = request()
      await store.enter(request({ id }), IO)
      names.add(await tell('GET', `kv/holdfast/ns${hex(options.namespace ?? '')}/ticket/?keys`))
      await store.leave({ key, id, keepMs: 0, forbidMs: 0 }, IO)
    }
    expect([...names]).toEqual([expect.stringContaining(hex(KEY))])
  })

  test('who asks again through another process, since the first answer was lost, has one ticket', async () => {
    const options = storage()
    const [here, there] = [storeAt(url, options), storeAt(url, options)]
    const [holder, waiter] = [request(), request()]
    for (const each of [holder, waiter]) {
      const first = await here.enter(each, IO)
      expect(await there.enter(each, IO)).toMatchObject({ status: first.status, token: Reflect.get(first, 'token') })
    }
    expect(await here.inspect(KEY, IO)).toMatchObject({ holders: [{ holder: 'A' }], waiters: [{ holder: 'A' }] })
    for (const { id } of [holder, waiter])
      expect(await there.leave({ key: KEY, id, keepMs: 0, forbidMs: 1_000 }, IO)).toEqual({ was: 'held' })
    expect(await here.inspect(KEY, IO)).toBeNull()
  })

  test('a release wakes the process behind it, and no other', async () => {
    const options = storage()
    const [here, ...others] = Array.from({ length: 4 }, () => locksOn(options))
    const lease = await here?.acquire(KEY)
    const order: number[] = []
    const waiting = []
    for (const [index, locks] of others.entries()) {
      waiting.push(locks.run(KEY, () => void order.push(index)))
      await until('a waiter', async () => (await here?.inspect(KEY))?.waiters.length === index + 1)
    }
    const since = systemClock.now()
    await lease?.release()
    await Promise.all(waiting)
    expect(order).toEqual([0, 1, 2])
    // Without the news each would look after a third of 10 s.
    expect(systemClock.now() - since).toBeLessThan(9_000)
  }, 60_000)

  test('the command line runs, lists, inspects and revokes, and the laboratory takes its address', async () => {
    const site = createSite()
    closing.push(async () => site.clear())
    const store = ['--store', `${url}?namespace=${systemClock.id()}`]
    const run = site.start(['run', 'report', ...store, '--ttl', '10s', '--', 'sleep', '60'])
    await until('the lock', async () => (await site.holdfast(['inspect', 'report', ...store])).code === 0)
    const listed = await site.holdfast(['ls', ...store])
    expect(listed).toMatchObject({ code: 0 })
    expect(listed.stdout).toContain('report')
    expect(await site.holdfast(['run', 'report', ...store, '-n', '--', 'true'])).toHaveProperty('code', 75)
    expect(await site.holdfast(['revoke', 'report', '--reason', 'a new release', ...store])).toHaveProperty('code', 0)
    expect(await run.finished).toHaveProperty('code', 76)
    const times = ['--duration', '1s', '--interval', '50ms', '--ways', 'mutex']
    expect(await site.holdfast(['lab', 'employee', ...times, ...store])).toMatchObject({ code: 0 })
  }, 120_000)

  test('what others have put in the place of a ticket is told with the key, and takes no lock', async () => {
    const namespace = systemClock.id()
    const place = `kv/holdfast/ns${hex(namespace)}/ticket/${hex(KEY)}/x.`
    const session = /"ID":"([^"]+)"/.exec(await tell('PUT', 'session/create', '{"TTL":"60s"}'))?.[1] ?? ''
    const store = storeAt(url, { namespace })
    for (const [value, words, how] of [
      ['something else', 'is not valid JSON', `?acquire=${session}`],
      ['{"layout":2}', 'it has layout 2, and this holdfast knows 1', `?acquire=${session}`],
      ['{"layout":1}', 'holder is missing', `?acquire=${session}`],
      ['{"layout":1}', 'a ticket has no session', `?release=${session}`],
    ] as const) {
      await tell('PUT', place + how, value)
      const failing = store.enter(request(), IO)
      await expect(failing).rejects.toThrow(ConfigurationError)
      await expect(failing).rejects.toThrow(words)
      await expect(failing).rejects.toThrow('What consul keeps for "account:7" cannot be read')
      await expect(store.inspect(KEY, IO)).rejects.toThrow(ConfigurationError)
    }
    await tell('DELETE', place)
  })

  test('of several agents some are dead: the others are asked', async () => {
    const store = storeAt(`consul://127.0.0.1:1,127.0.0.1:2,${hostOf(url)}`, storage())
    expect(await store.enter(request(), IO)).toHaveProperty('status', 'holds')
  })

  test('a session that is longer than Consul has, or shorter than its servers allow, is refused', async () => {
    const store = storeAt(url, { ...storage(), minTtlMs: 100 })
    await expect(store.enter(request({ ttlMs: 90_000_000 }), IO)).rejects.toThrow(UnsupportedError)
    const short = store.enter(request({ ttlMs: 100 }), IO)
    await expect(short).rejects.toThrow(ConfigurationError)
    await expect(short).rejects.toThrow('session_ttl_min')
  })
})

describeWithStore('consul-acl', 'consul that wants a token', url => {
  const host = hostOf(url)
  const master = process.env['HOLDFAST_TEST_CONSUL_ACL_TOKEN'] ?? ''

  /** A token with these rules, and no more. */
  async function tokenFor(rules: string): Promise<string> {
    const say = async (path: string, body: object): Promise<string> => {
      const asked = { method: 'PUT', headers: { 'x-consul-token': master }, body: JSON.stringify(body) }
      return (await fetch(`http://${host}/v1/acl/${path}`, asked)).text()
    }
    const name = `test-${systemClock.id().replaceAll(/[^a-z0-9]/gi, '')}`
    await say('policy', { Name: name, Rules: rules })
    return /"SecretID":"([^"]+)"/.exec(await say('token', { Policies: [{ Name: name }] }))?.[1] ?? ''
  }

  test('the token of its page is enough, waiting included', async () => {
    const token = await tokenFor('key_prefix "holdfast/" { policy = "write" } session_prefix "" { policy = "write" }')
    const namespace = systemClock.id()
    const [here, there] = ['a', 'b'].map(() => {
      const locks = createLocks(consulStore(`consul://:${token}@${host}`, { namespace }), { ttl: '10s', wait: '30s' })
      closing.push(() => locks.close({ drain: 0 }))
      return locks
    })
    const lease = await here?.acquire(KEY)
    const next = there?.acquire(KEY)
    await until('a waiter', async () => (await here?.inspect(KEY))?.waiters.length === 1)
    expect(await lease?.release()).toBe('released')
    expect(await (await next)?.release()).toBe('released')
  })

  test.each([
    ['no token', async () => ''],
    ['a token that does not exist', async () => ':11111111-2222-3333-4444-555555555555@'],
    ['one that may only read', async () => `:${await tokenFor('key_prefix "holdfast/" { policy = "read" }')}@`],
    ['one without sessions', async () => `:${await tokenFor('key_prefix "holdfast/" { policy = "write" }')}@`],
    ['one without keys', async () => `:${await tokenFor('session_prefix "" { policy = "write" }')}@`],
  ])('%s takes no lock, and is told with the host and what is needed', async (_, login) => {
    const failing = storeAt(`consul://${await login()}${host}`).enter(request(), IO)
    await expect(failing).rejects.toThrow(ConfigurationError)
    await expect(failing).rejects.toThrow(host)
    await expect(failing).rejects.toThrow('needs key_prefix "holdfast/" and session_prefix "" with policy "write"')
    await expect(failing).rejects.not.toThrow('11111111')
  })
})

describe('what is no Consul', () => {
  async function serving(status: number, body: string): Promise<string> {
    const server = createServer((_, answer) => {
      if (body === 'nothing') return void answer.destroy()
      answer.writeHead(status)
      if (body === 'half') {
        answer.write('{"Results"')
        setTimeout(() => answer.destroy(), 20)
      } else answer.end(body)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    closing.push(async () => server.close())
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return `consul://127.0.0.1:${address.port}`
  }

  test.each([
    ['the page of a proxy', 502, '<html><body>502 Bad Gateway</body></html>', '502 Bad Gateway'],
    ['a page that says that all is well', 200, '<html>Welcome</html>', 'Is it the right host and port, and no proxy?'],
    ['half an answer', 200, 'half', 'did not answer'],
    ['the end of the connection', 200, 'nothing', 'did not answer'],
    ['a list', 200, '[]', 'the answer is a list, not an object'],
    ['something of the wrong type', 200, '{"Results":7}', 'Results is a number'],
    ['keys that are none', 200, '{"Results":[{"KV":{"Key":1}}]}', 'Key is a number'],
    ['no leader', 500, 'No cluster leader', 'No cluster leader'],
  ])('%s takes no lock, and is told with the host', async (_, status, body, words) => {
    const address = await serving(status, body)
    for (const ask of [
      () => storeAt(address).enter(request(), IO),
      () => storeAt(address).enter(request({ queue: false }), IO),
      () => storeAt(address).inspect(KEY, IO),
    ]) {
      const failing = ask()
      await expect(failing).rejects.toThrow(StoreUnavailableError)
      await expect(failing).rejects.toThrow(hostOf(address))
    }
    await expect(storeAt(address).inspect(KEY, IO)).rejects.toThrow(words)
  })

  test('another server, which has no such path, is a ConfigurationError', async () => {
    const failing = storeAt(await serving(404, 'nothing here')).inspect(KEY, IO)
    await expect(failing).rejects.toThrow(ConfigurationError)
    await expect(failing).rejects.toThrow('has no such path: is it Consul?')
  })

  test('nobody there is told with the host, also by open', async () => {
    const failing = open('consul://127.0.0.1:1')
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow('consul at 127.0.0.1:1 cannot be reached')
  })

  test('an address without a port means 8500, as many hosts as there are', () => {
    for (const address of ['consul://', 'consul://a', 'consuls://:t@a,b:1,[::1]', 'consul://a/'])
      expect(() => storeAt(address)).not.toThrow()
  })

  test('addresses and options that make no sense are refused', () => {
    for (const address of ['consul:', 'redis://a', 'consul://a:x', 'consul://a/0', 'consul://a?x=1', 'consul://u:p@a'])
      expect(() => consulStore(address)).toThrow(ConfigurationError)
    const login = expect.objectContaining({ message: expect.not.stringContaining('secret') })
    expect(() => consulStore('consul://:secret@a/x')).toThrow(login)
    expect(() => consulStore('consul://a', { clockErrorMs: -1 })).toThrow('clockErrorMs')
    expect(() => consulStore('consul://a', { namespace: '\ud800' })).toThrow('namespace')
  })
})
