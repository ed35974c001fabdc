/** etcd with much to do, odd input, logins, and others at its address; and the command line on it. */
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { record, text } from '../../src/base/decode.ts'
import { ConfigurationError, StoreUnavailableError, UnsupportedError } from '../../src/base/errors.ts'
import { etcdStore } from '../../src/drivers/etcd.ts'
import type { EtcdStore, EtcdStoreOptions } from '../../src/drivers/etcd.ts'
import { createLocks } from '../../src/locks/locks.ts'
import type { Locks } from '../../src/locks/types.ts'
import { open } from '../../src/open.ts'
import type { TicketRequest } from '../../src/store/contract.ts'
import { createSite, until } from '../support/holdfast.ts'
import { describeWithStore } from '../support/stores.ts'

const IO = { timeoutMs: 5_000 }
const KEY = 'account:7'
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function storeAt(address: string, options: EtcdStoreOptions = {}): EtcdStore {
  const store = etcdStore(address, options)
  closing.push(() => store.close())
  return store
}

function request(change: Partial<TicketRequest> = {}): TicketRequest {
  const kind = { mode: 'exclusive', limit: null, queue: true, tokens: 1 } as const
  const lives = { ttlMs: 60_000, waiterTtlMs: 5_000 }
  return { key: KEY, id: systemClock.id(), holder: 'A', meta: {}, ...lives, ...kind, ...change }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const hex = (text: string): string => Buffer.from(text).toString('hex')

describeWithStore('etcd', 'etcd', url => {
  const storage = (): EtcdStoreOptions => ({ namespace: systemClock.id() })

  function locksOn(options: EtcdStoreOptions, store = etcdStore(url, options)): Locks {
    const locks = createLocks(store, { ttl: '10s', wait: '60s' })
    closing.push(() => locks.close({ drain: 0 }))
    return locks
  }

  async function tell(call: string, body: object): Promise<string> {
    const place = new URL(url.replace('etcd:', 'http:'))
    const answer = await fetch(`${place.origin}/v3/${call}`, { method: 'POST', body: JSON.stringify(body) })
    return answer.text()
  }

  test('a thousand locks are taken, renewed and given back side by side', async () => {
    const options = storage()
    const patient = { ttl: '5m', storeTimeout: '2m', wait: '2m' } as const
    const [locks, other] = [
      createLocks(etcdStore(url, options), patient),
      createLocks(etcdStore(url, options), patient),
    ]
    closing.push(() => Promise.all([locks.close({ drain: 0 }), other.close({ drain: 0 })]))
    const keys = Array.from({ length: 1_000 }, (_, index) => `many:${index}`)
    const leases = await Promise.all(keys.map(key => locks.acquire(key)))
    await Promise.all(leases.map(lease => lease.renew()))
    expect(leases.filter(lease => lease.state !== 'held')).toHaveLength(0)
    const refused = await Promise.all(keys.map(key => other.tryAcquire(key)))
    expect(refused.filter(lease => lease !== null)).toHaveLength(0)
    await Promise.all(leases.map(lease => lease.release()))
    let listed = 0
    for await (const lock of other.list()) listed += lock.holders.length
    expect(listed).toBe(0)
  }, 240_000)

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

  test('two hundred tickets in one line are served in their order', async () => {
    const store = storeAt(url, storage())
    const line = Array.from({ length: 200 }, () => request({ waiterTtlMs: 60_000 }))
    for (const each of line) await store.enter(each, IO)
    const { waiters } = (await store.inspect(KEY, IO)) ?? { waiters: [] }
    expect(waiters).toHaveLength(199)
    for (const each of line) {
      expect(await store.enter(each, IO)).toHaveProperty('status', 'holds')
      expect(await store.leave({ key: KEY, id: each.id, keepMs: 0, forbidMs: 0 }, IO)).toEqual({ was: 'held' })
    }
  }, 120_000)

  test('a lock that is taken again has the same name: etcd walks over each that there ever was', async () => {
    const options = storage()
    const store = storeAt(url, options)
    const place = `holdfast/${hex(options.namespace ?? '')}/ticket/${hex(KEY)}/`
    const names = new Set<string>()
    for (let times = 0; times < 5; times += 1) {
      const { key, id } = request()
      await store.enter(request({ id }), IO)
      const found = await tell('kv/range', { key: base64(place), range_end: base64(`${place.slice(0, -1)}0`) })
      names.add(/"key":"([^"]+)"/.exec(found)?.[1] ?? '')
      await store.leave({ key, id, keepMs: 0, forbidMs: 0 }, IO)
    }
    expect([...names]).toEqual([expect.stringContaining(base64(place).slice(0, 40))])
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

  test('a transaction of the user happens under the lease, or not at all', async () => {
    const options = storage()
    const store = etcdStore(url, options)
    const locks = locksOn(options, store)
    const lease = await locks.acquire(KEY)
    const name = `test/${options.namespace}`
    const write = (value: string): Promise<string> => {
      const put = { request_put: { key: base64(name), value: base64(value) } }
      return tell('kv/txn', { compare: [compare], success: [put] })
    }
    const compare = store.fenceTxn(lease)
    expect(await write('mine')).toContain('"succeeded":true')
    await lease.release()
    const next = await locksOn(options).acquire(KEY)
    expect(await write('late')).not.toContain('succeeded')
    expect(await tell('kv/range', { key: base64(name) })).toContain(base64('mine'))
    expect(() => store.fenceTxn(lease)).toThrow(UnsupportedError)
    expect(() => store.fenceTxn(next)).toThrow(UnsupportedError)
    await tell('kv/deleterange', { key: base64(name) })
  })

  test('the command line runs, lists, inspects and revokes, and the laboratory takes its address', async () => {
    const site = createSite()
    closing.push(async () => site.clear())
    const store = ['--store', `${url}?namespace=${systemClock.id()}`]
    const run = site.start(['run', 'report', ...store, '--ttl', '5s', '--', 'sleep', '60'])
    await until('the lock', async () => (await site.holdfast(['inspect', 'report', ...store])).code === 0)
    const listed = await site.holdfast(['ls', ...store])
    expect(listed).toMatchObject({ code: 0 })
    expect(listed.stdout).toContain('report')
    expect(await site.holdfast(['run', 'report', ...store, '-n', '--', 'true'])).toHaveProperty('code', 75)
    expect(await site.holdfast(['revoke', 'report', '--reason', 'a new release', ...store])).toHaveProperty('code', 0)
    expect(await run.finished).toHaveProperty('code', 76)
    const times = ['--duration', '1s', '--interval', '50ms', '--ways', 'mutex']
    const lab = await site.holdfast(['lab', 'employee', ...times, ...store])
    expect(lab).toMatchObject({ code: 0 })
  }, 120_000)

  test('what others have put in the place of a ticket is told with the key, and takes no lock', async () => {
    const namespace = systemClock.id()
    const place = `holdfast/${hex(namespace)}/ticket/${hex(KEY)}/`
    const ID = text(record(JSON.parse(await tell('lease/grant', { TTL: '60' })), 'the answer'), 'ID')
    const store = storeAt(url, { namespace })
    for (const [value, words, lease] of [
      ['something else', 'is not valid JSON', ID],
      ['{"layout":2}', 'it has layout 2, and this holdfast knows 1', ID],
      ['{"layout":1}', 'holder is missing', ID],
      ['{"layout":1}', 'a ticket has no lease', '0'],
    ] as const) {
      await tell('kv/put', { key: base64(`${place}x`), value: base64(value), lease })
      const failing = store.enter(request(), IO)
      await expect(failing).rejects.toThrow(ConfigurationError)
      await expect(failing).rejects.toThrow(words)
      await expect(failing).rejects.toThrow('What etcd keeps for "account:7" cannot be read')
      await expect(store.inspect(KEY, IO)).rejects.toThrow(ConfigurationError)
    }
    await tell('kv/deleterange', { key: base64(place), range_end: base64(`${place.slice(0, -1)}0`) })
  })

  test('of several hosts some are dead: the others are asked', async () => {
    const { host } = new URL(url.replace('etcd:', 'http:'))
    const store = storeAt(`etcd://127.0.0.1:1,127.0.0.1:2,${host}`, storage())
    expect(await store.enter(request(), IO)).toHaveProperty('status', 'holds')
    const none = storeAt('etcd://127.0.0.1:1,127.0.0.1:2').enter(request(), IO)
    await expect(none).rejects.toThrow(/etcd at 127\.0\.0\.1:1 cannot be reached.*etcd at 127\.0\.0\.1:2 cannot be/)
    await expect(none).rejects.toMatchObject({ name: 'StoreUnavailableError', ambiguous: false })
  })

  test('TLS and a login where none is asked for', async () => {
    const { host } = new URL(url.replace('etcd:', 'http:'))
    expect(await storeAt(`etcd://root:secret@${host}`, storage()).inspect(KEY, IO)).toBeNull()
    const failing = storeAt(`etcds://${host}`).inspect(KEY, IO)
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow('It does not speak TLS')
  })
})

describeWithStore('etcd-tls', 'etcd behind TLS and a password', url => {
  const { host } = new URL(url.replace('etcd:', 'http:'))
  const tls = { ca: readFileSync(process.env['HOLDFAST_TEST_ETCD_TLS_CA'] ?? '') }

  /** What the user root would do. */
  async function administrate(call: string, body: object): Promise<void> {
    const { request: ask } = await import('node:https')
    const say = (path: string, words: object, headers: Record<string, string> = {}): Promise<string> =>
      new Promise((resolve, reject) => {
        const place = new URL(`https://${host}/v3/${path}`)
        const asking = ask(place, { method: 'POST', ...tls, headers }, answer => {
          let said = ''
          answer.on('data', piece => (said += String(piece))).on('end', () => resolve(said))
        })
        asking.on('error', reject).end(JSON.stringify(words))
      })
    const answer: unknown = JSON.parse(await say('auth/authenticate', { name: 'root', password: 'holdfast' }))
    await say(call, body, { authorization: text(record(answer, 'the answer'), 'token') })
  }

  test('it is used with its authority and the right password, waiting included', async () => {
    const options = { namespace: systemClock.id(), tls }
    const [here, there] = ['a', 'b'].map(() => {
      const locks = createLocks(etcdStore(`etcds://root:holdfast@${host}`, options), { ttl: '10s', wait: '30s' })
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
    ['the wrong password', `etcds://root:wrong@${host}`, ConfigurationError, 'Look at user and password'],
    ['nobody of that name', `etcds://nobody:x@${host}`, ConfigurationError, 'Look at user and password'],
    ['no login', `etcds://${host}`, ConfigurationError, 'It wants a login'],
    ['no TLS', `etcd://root:holdfast@${host}`, StoreUnavailableError, 'etcd at'],
  ])('%s is told with the host, and never with the password', async (_, address, kind, words) => {
    const failing = storeAt(address, { tls }).enter(request(), IO)
    await expect(failing).rejects.toThrow(kind)
    await expect(failing).rejects.toThrow(words)
    await expect(failing).rejects.toThrow(host)
    await expect(failing).rejects.not.toThrow('wrong@')
  })

  test('a certificate of an authority that is not known is told with what to do', async () => {
    const failing = storeAt(`etcds://root:holdfast@${host}`).inspect(KEY, IO)
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow('Name its authority (option tls.ca, or NODE_EXTRA_CA_CERTS)')
  })

  test('a role that may only read, or nothing, is told with what it needs', async () => {
    const name = systemClock.id()
    await administrate('auth/role/add', { name })
    await administrate('auth/user/add', { name, password: 'x' })
    await administrate('auth/user/grant', { user: name, role: name })
    const store = storeAt(`etcds://${encodeURIComponent(name)}:x@${host}`, { tls })
    const needs = 'The role needs to read and write under the prefix "holdfast/"'
    await expect(store.inspect(KEY, IO)).rejects.toThrow(needs)
    const perm = { permType: 'READ', key: base64('holdfast/'), range_end: base64('holdfast0') }
    await administrate('auth/role/grant', { name, perm })
    expect(await store.inspect(KEY, IO)).toBeNull()
    // In a transaction within a transaction older etcd does not look at what a role may do.
    const writing = store.enter(request({ queue: false }), IO)
    await expect(writing).rejects.toThrow(ConfigurationError)
    await expect(writing).rejects.toThrow(needs)
    await administrate('auth/role/grant', { name, perm: { ...perm, permType: 'READWRITE' } })
    expect(await store.enter(request({ key: name }), IO)).toHaveProperty('status', 'holds')
  })
})

describe('what is no etcd', () => {
  async function serving(status: number, body: string, type = 'application/json'): Promise<string> {
    const server = createServer((_, answer) => {
      if (body === 'nothing') return void answer.destroy()
      answer.writeHead(status, { 'content-type': type })
      if (body.startsWith('half')) {
        answer.write('{"header"')
        setTimeout(() => answer.destroy(), 20)
      } else answer.end(body)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    closing.push(async () => server.close())
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return `etcd://127.0.0.1:${address.port}`
  }

  test.each([
    ['the page of a proxy', 502, '<html><body>502 Bad Gateway</body></html>', 'what is not JSON: "<html>'],
    ['a page that says that all is well', 200, '<html>Welcome</html>', 'Is it the right host and port, and no proxy?'],
    ['half an answer', 200, 'half', 'did not answer'],
    ['the end of the connection', 200, 'nothing', 'did not answer'],
    ['a list', 200, '[]', 'the answer is a list, not an object'],
    ['an answer without its header', 200, '{}', 'header is missing'],
    ['numbers that are none', 200, '{"header":{"revision":"many"}}', 'revision is many, not a safe integer'],
    ['something of the wrong type', 200, '{"header":{"revision":"1"},"responses":7}', 'responses is a number'],
    ['no leader', 503, '{"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14}', 'no leader'],
  ])('%s takes no lock, and is told with the host', async (_, status, body, words) => {
    const address = await serving(status, body)
    for (const ask of [
      () => storeAt(address).enter(request(), IO),
      () => storeAt(address).enter(request({ queue: false }), IO),
      () => storeAt(address).inspect(KEY, IO),
    ]) {
      const failing = ask()
      await expect(failing).rejects.toThrow(StoreUnavailableError)
      await expect(failing).rejects.toThrow(new URL(address.replace('etcd:', 'http:')).host)
    }
    await expect(storeAt(address).inspect(KEY, IO)).rejects.toThrow(words)
  })

  test('another server, which has no such path, is a ConfigurationError', async () => {
    const failing = storeAt(await serving(404, 'Not Found', 'text/plain')).inspect(KEY, IO)
    await expect(failing).rejects.toThrow(ConfigurationError)
    await expect(failing).rejects.toThrow('has no JSON gateway at /v3')
  })

  test('nobody there is told with the host, also by open', async () => {
    const failing = open('etcd://127.0.0.1:1')
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow('etcd at 127.0.0.1:1 cannot be reached')
  })

  test('an address without a port means 2379, as many hosts as there are', () => {
    for (const address of ['etcd://', 'etcd://a', 'etcds://u:p@a,b:1,[::1]', 'etcd://a/'])
      expect(() => storeAt(address)).not.toThrow()
  })

  test('addresses and options that make no sense are refused', () => {
    for (const address of ['etcd:', 'redis://a', 'etcd://a:x', 'etcd://a/0', 'etcd://a?x=1', 'etcd://user@a'])
      expect(() => etcdStore(address)).toThrow(ConfigurationError)
    const login = expect.objectContaining({ message: expect.not.stringContaining('secret') })
    expect(() => etcdStore('etcd://user:secret@a/x')).toThrow(login)
    expect(() => etcdStore('etcd://a', { clockErrorMs: -1 })).toThrow('clockErrorMs')
    expect(() => etcdStore('etcd://a', { namespace: '\ud800' })).toThrow('namespace')
  })
})
