/** ZooKeeper with odd input, logins, and others at its address; and the command line on it. */
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { ConfigurationError, StoreUnavailableError } from '../../src/base/errors.ts'
import { zookeeperStore } from '../../src/drivers/zookeeper.ts'
import type { ZookeeperStoreOptions } from '../../src/drivers/zookeeper.ts'
import { dial } from '../../src/drivers/zookeeper/client.ts'
import type { Link } from '../../src/drivers/zookeeper/client.ts'
import {
  alone,
  ANY,
  makeEphemeral,
  makePersistent,
  removeNode,
  setNode,
} from '../../src/drivers/zookeeper/statements.ts'
import type { Request } from '../../src/drivers/zookeeper/statements.ts'
import { createLocks } from '../../src/locks/locks.ts'
import { open } from '../../src/open.ts'
import { startServer } from '../../src/servers/start.ts'
import { ZOOKEEPER } from '../../src/servers/zookeeper.ts'
import type { Store, TicketRequest } from '../../src/store/contract.ts'
import { createSite, until } from '../support/holdfast.ts'
import { describeWithStore, skipWithout } from '../support/stores.ts'

const IO = { timeoutMs: 5_000 }
const KEY = 'account:7'
const TICK = '500ms'
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function storeAt(address: string, options: ZookeeperStoreOptions = {}): Store {
  const store = zookeeperStore(address, { tick: TICK, ...options })
  closing.push(() => store.close())
  return store
}

function request(change: Partial<TicketRequest> = {}): TicketRequest {
  const kind = { mode: 'exclusive', limit: null, queue: true, tokens: 1 } as const
  const lives = { ttlMs: 10_000, waiterTtlMs: 5_000 }
  return { key: KEY, id: systemClock.id(), holder: 'A', meta: {}, ...lives, ...kind, ...change }
}

describeWithStore('zookeeper', 'ZooKeeper', url => {
  const place = new URL(url.replace('zookeeper:', 'http:'))
  const host = { host: place.hostname, port: Number(place.port) }

  /** As ZooKeeper's own command line talks. */
  async function operator(login: string | null = null): Promise<Link> {
    const link = await dial(host, { session: null, ms: 10_000, login, beatMs: 1_000 }, 5_000)
    closing.push(async () => link.end())
    return link
  }

  test('what others have put in the place of a ticket is told with the key, and takes no lock', async () => {
    const namespace = systemClock.id()
    const store = storeAt(url, { namespace })
    await store.enter(request({ key: 'another' }), IO)
    const link = await operator()
    const lock = `/holdfast/${namespace}/locks/account%3A7`
    await link.ask(makePersistent(lock, 'all'))
    const ephemeral = (data: string) => alone(makeEphemeral(`${lock}/x`, { data, access: 'all' }))
    for (const [node, data, words] of [
      [ephemeral, 'something else', 'the node "x" is no ticket'],
      [ephemeral, '0 {"layout":2}', 'it has layout 2, and this holdfast knows 1'],
      [ephemeral, '0 {"layout":1}', 'holder is missing'],
      [ephemeral, '0 half of {', 'JSON'],
      [() => makePersistent(`${lock}/x`, 'all'), '0 {}', 'the node "x" has no session, and would never end'],
    ] as const) {
      expect(await link.ask(node(data))).toHaveProperty('ok', true)
      if (data === '0 {}') await link.ask(alone(setNode(`${lock}/x`, data, ANY)))
      for (const ask of [() => store.enter(request(), IO), () => store.inspect(KEY, IO)]) {
        const failing = ask()
        await expect(failing).rejects.toThrow(ConfigurationError)
        await expect(failing).rejects.toThrow('What zookeeper keeps for "account:7" cannot be read')
        await expect(failing).rejects.toThrow(words)
      }
      await link.ask(alone(removeNode(`${lock}/x`, ANY)))
    }
  })

  test('an ephemeral node in the place of a lock is told with what to do', async () => {
    const namespace = systemClock.id()
    const store = storeAt(url, { namespace })
    await store.enter(request({ key: 'another' }), IO)
    const lock = `/holdfast/${namespace}/locks/account%3A7`
    await (await operator()).ask(alone(makeEphemeral(lock, { data: '', access: 'all' })))
    const failing = store.enter(request(), IO)
    await expect(failing).rejects.toThrow(ConfigurationError)
    await expect(failing).rejects.toThrow('what stands in the place of a lock is an ephemeral node')
  })

  test('whose login is another, or who has none, is told with the host, and never with the password', async () => {
    const root = systemClock.id()
    const owner = storeAt(`zookeeper://app:right@${place.host}/${root}`)
    expect(await owner.enter(request(), IO)).toHaveProperty('status', 'holds')
    for (const login of ['app:wrong@', 'other:right@', '']) {
      const store = storeAt(`zookeeper://${login}${place.host}/${root}`)
      for (const ask of [() => store.enter(request(), IO), () => store.inspect(KEY, IO)]) {
        const failing = ask()
        await expect(failing).rejects.toThrow(ConfigurationError)
        await expect(failing).rejects.toThrow(`ZooKeeper at ${place.host} refuses with NOAUTH`)
        await expect(failing).rejects.not.toThrow('wrong')
      }
    }
    const again = storeAt(`zookeeper://app:right@${place.host}/${root}`)
    expect((await again.inspect(KEY, IO))?.holders).toHaveLength(1)
  })

  test('an ACL that allows to read alone takes no lock', async () => {
    const [root, namespace] = [systemClock.id(), systemClock.id()]
    const READ = 1
    const readable = (path: string): Request<void> => ({
      ...makePersistent(path, 'all'),
      write(to) {
        to.text(path)
        to.bytes(Buffer.alloc(0))
        to.int(1)
        to.int(READ)
        to.text('world')
        to.text('anyone')
        to.int(0)
      },
    })
    const link = await operator()
    for (const part of [`/${root}`, `/${root}/holdfast`, `/${root}/holdfast/${namespace}`])
      await link.ask(makePersistent(part, 'all'))
    for (const part of ['locks', 'marks']) await link.ask(readable(`/${root}/holdfast/${namespace}/${part}`))
    const store = storeAt(`${url}/${root}`, { namespace })
    expect(await store.inspect(KEY, IO)).toBeNull()
    for (const change of [{}, { queue: false }]) {
      const failing = store.enter(request(change), IO)
      await expect(failing).rejects.toThrow(ConfigurationError)
      await expect(failing).rejects.toThrow('NOAUTH')
    }
    expect(await store.inspect(KEY, IO)).toBeNull()
  })

  test('of several hosts some are dead: the others are asked', async () => {
    const namespace = systemClock.id()
    const store = storeAt(`zookeeper://127.0.0.1:1,127.0.0.1:2,${place.host}`, { namespace })
    expect(await store.enter(request(), IO)).toHaveProperty('status', 'holds')
    const none = storeAt('zookeeper://127.0.0.1:1,127.0.0.1:2').enter(request(), IO)
    await expect(none).rejects.toThrow('ZooKeeper at 127.0.0.1:1,127.0.0.1:2 cannot be used')
    await expect(none).rejects.toThrow('127.0.0.1:2: connect ECONNREFUSED')
    await expect(none).rejects.toMatchObject({ name: 'StoreUnavailableError', ambiguous: false })
  })

  test('two nodes after the hosts keep locks apart, and so do namespaces', async () => {
    const [one, other] = [systemClock.id(), systemClock.id()]
    const stores = [`${url}/${one}`, `${url}/${other}/deep/`].map(address => storeAt(address))
    stores.push(storeAt(url, { namespace: one }), storeAt(url, { namespace: other }))
    for (const store of stores) expect(await store.enter(request(), IO)).toHaveProperty('status', 'holds')
    expect((await storeAt(`${url}/${other}/deep`).inspect(KEY, IO))?.holders).toHaveLength(1)
  })

  test('all that holdfast stands on was removed meanwhile: it is made again', async () => {
    const namespace = systemClock.id()
    const store = storeAt(url, { namespace })
    await store.leave({ key: KEY, id: 'x', keepMs: 0, forbidMs: 0 }, IO)
    const link = await operator()
    for (const part of ['/locks', '/marks', '']) await link.ask(alone(removeNode(`/holdfast/${namespace}${part}`, ANY)))
    expect(await store.enter(request(), IO)).toHaveProperty('status', 'holds')
  })

  test('a thousand locks are taken, renewed and given back side by side', async () => {
    const namespace = systemClock.id()
    const patient = { ttl: '5m', storeTimeout: '2m', wait: '2m' } as const
    const [locks, other] = [1, 2].map(() => createLocks(zookeeperStore(url, { namespace, tick: TICK }), patient))
    if (locks === undefined || other === undefined) throw new TypeError('no locks')
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

  test('the command line runs, lists, inspects and revokes, and the laboratory takes its address', async () => {
    const site = createSite()
    closing.push(async () => site.clear())
    const store = ['--store', `${url}?tick=${TICK}&namespace=${systemClock.id()}`]
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
})

describe('a ZooKeeper that gives no long sessions', () => {
  const MOST_MS = 3_000

  test('a longer lease is given as much at a time, and goes on by its renewals', async context => {
    skipWithout(ZOOKEEPER, context)
    const files: typeof ZOOKEEPER.files = at => {
      const all = ZOOKEEPER.files?.(at) ?? {}
      const settings = all['zoo.cfg']?.replace(/maxSessionTimeout=\d+/, `maxSessionTimeout=${MOST_MS}`)
      return { ...all, 'zoo.cfg': settings ?? '' }
    }
    const server = await startServer({ ...ZOOKEEPER, files })
    closing.push(() => server.close())
    const store = storeAt(server.address)
    const long = request({ ttlMs: 60_000 })
    const entry = await store.enter(long, IO)
    expect(entry).toHaveProperty('status', 'holds')
    expect('leftMs' in entry && entry.leftMs).toBeLessThan(2 * MOST_MS)
    const [renewal] = await store.renew([{ key: KEY, id: long.id, ttlMs: 60_000 }], IO)
    expect(renewal).toHaveProperty('status', 'held')
    expect(renewal?.status === 'held' && renewal.leftMs).toBeLessThan(2 * MOST_MS)
    // Without a renewal it is over by then.
    await until('its end', async () => (await store.inspect(KEY, IO)) === null)
  }, 60_000)
})

describe('what is no ZooKeeper', () => {
  const number = (...values: readonly number[]): Buffer =>
    Buffer.concat(
      values.map(value => {
        const bytes = Buffer.alloc(4)
        bytes.writeInt32BE(value)
        return bytes
      }),
    )
  /** Version 0, a session of 10 s, its id and a password without bytes. */
  const WELCOME = number(20, 0, 10_000, 0, 7, 0)

  /** Answers what a client says first by `greeting`, and all that follows by `answer`. */
  async function serving(greeting: Buffer | null, answer: (asked: Buffer) => Buffer | null): Promise<string> {
    const sockets = new Set<Socket>()
    const server = createServer(socket => {
      let greeted = false
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', asked => {
        const words = greeted ? answer(asked) : greeting
        greeted = true
        if (words === null) socket.destroy()
        else if (words.length > 0) socket.write(words)
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    closing.push(async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return `127.0.0.1:${address.port}`
  }

  const xidOf = (asked: Buffer): number => asked.readInt32BE(4)
  const HTML = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n<html><body>Bad Request</body></html>')

  test.each([
    ['the page of a proxy', HTML, () => HTML, 'is it the right host and port?'],
    ['one that hangs up', null, () => null, 'it hung up at once'],
    ['a greeting that is too short', number(4, 0), () => null, 'it ends in the middle'],
    ['a page after a greeting', WELCOME, () => HTML, 'is it the right host and port?'],
    ['an answer to what nobody has asked', WELCOME, () => number(16, 99, 0, 1, 0), 'what nobody has asked'],
    ['half an answer', WELCOME, (asked: Buffer) => number(20, xidOf(asked), 0, 1, 0, 9), 'it ends in the middle'],
    ['the end of the connection', WELCOME, () => null, 'the connection ended'],
    ['an error that nobody knows', WELCOME, (asked: Buffer) => number(16, xidOf(asked), 0, 1, -999), 'error -999'],
    ['a session that has moved', WELCOME, (asked: Buffer) => number(16, xidOf(asked), 0, 1, -118), 'SESSIONMOVED'],
  ])('%s takes no lock, and is told with the host', async (_, greeting, answer, words) => {
    const host = await serving(greeting, answer)
    for (const ask of [
      () => storeAt(`zookeeper://${host}`).enter(request(), IO),
      () => storeAt(`zookeeper://${host}`).enter(request({ queue: false }), IO),
      () => storeAt(`zookeeper://${host}`).inspect(KEY, IO),
    ]) {
      const failing = ask()
      await expect(failing).rejects.toThrow(StoreUnavailableError)
      await expect(failing).rejects.toThrow(`ZooKeeper at ${host}`)
      await expect(failing).rejects.toThrow(words)
    }
  })

  test('an older server is a ConfigurationError', async () => {
    const host = await serving(WELCOME, asked => number(16, xidOf(asked), 0, 1, -6))
    await expect(storeAt(`zookeeper://${host}`).inspect(KEY, IO)).rejects.toThrow(ConfigurationError)
  })

  test('silence ends with the time of the call', async () => {
    const host = await serving(WELCOME, () => Buffer.alloc(0))
    const failing = storeAt(`zookeeper://${host}`).enter(request(), { timeoutMs: 300 })
    await expect(failing).rejects.toThrow(StoreUnavailableError)
  })

  test('nobody there is told with the host, also by open', async () => {
    const failing = open('zookeeper://127.0.0.1:1')
    await expect(failing).rejects.toThrow(StoreUnavailableError)
    await expect(failing).rejects.toThrow('ZooKeeper at 127.0.0.1:1 cannot be used: connect ECONNREFUSED')
  })

  test('an address without a port means 2181, as many hosts as there are, with a node after them', () => {
    for (const address of [
      'zookeeper://',
      'zookeeper://a',
      'zookeeper://u:p@a,b:1,[::1]/x/y',
      'zookeeper://a/?tick=1s',
    ])
      expect(() => zookeeperStore(address)).not.toThrow()
    expect(zookeeperStore('zookeeper://a?tick=1s').traits).toMatchObject({ minTtlMs: 2_000, clockErrorMs: 1_000 })
    expect(zookeeperStore('zookeeper://a?tick=1s', { tick: '3s' }).traits).toMatchObject({ minTtlMs: 6_000 })
    expect(zookeeperStore('zookeeper://a').traits).toMatchObject({ minTtlMs: 4_000, clockErrorMs: 2_000 })
  })

  test('addresses and options that make no sense are refused', () => {
    for (const address of [
      ...['zookeeper:', 'redis://a', 'zookeeper://a:x', 'zookeeper://a//b', 'zookeeper://a/../b', 'zookeeper://a?x=1'],
      ...['zookeeper://user@a', 'zookeeper://a?tick=2', 'zookeeper://a?tick=0s', 'zookeeper://a/%2Fb'],
    ])
      expect(() => zookeeperStore(address), address).toThrow(ConfigurationError)
    expect(() => zookeeperStore('zookeepers://a')).toThrow('this driver speaks no TLS')
    const login = expect.objectContaining({ message: expect.not.stringContaining('secret') })
    expect(() => zookeeperStore('zookeeper://user:secret@a?x=1')).toThrow(login)
    expect(() => zookeeperStore('zookeeper://a', { tick: -1 })).toThrow('tick')
    expect(() => zookeeperStore('zookeeper://a', { namespace: '\ud800' })).toThrow('namespace')
  })
})
