/**
 * The http driver against servers that answer what they should not, and what it needs of the world it runs in: a typed
 * error that names the host and what to do, and nothing but `fetch`.
 */
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { ConfigurationError, HoldfastError, InvalidKeyError } from '../../src/base/errors.ts'
import { StoreUnavailableError, UnsupportedError } from '../../src/base/errors.ts'
import { httpStore } from '../../src/drivers/http.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { createLocks } from '../../src/locks/locks.ts'
import { open } from '../../src/open.ts'
import { serveStore } from '../../src/server/index.ts'
import type { Store } from '../../src/store/contract.ts'
import { codeOnly, importsOf, librarySources } from '../tidy/sources.ts'

const IO = { timeoutMs: 5_000 }
const REQUEST = {
  ...{ key: 'k', id: 'A', holder: 'h', mode: 'exclusive' as const, limit: null, ttlMs: 10_000, waiterTtlMs: 5_000 },
  ...{ queue: true, tokens: 1, meta: {} },
}
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A server of ours over memory. */
async function served(secret?: string, store: Store = memoryStore()): Promise<string> {
  const server = serveStore(store, secret === undefined ? {} : { secret })
  closing.push(() => server.close())
  return (await server.listen()).url
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Something that answers in its place; what it does not answer itself, a server of ours does. */
async function impostor(paths: Readonly<Record<string, Handler>>): Promise<string> {
  const real = serveStore(memoryStore())
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?')
    const handler = paths[path] ?? paths['*'] ?? real.handle
    handler(request, response)
  })
  closing.push(async () => {
    await real.close()
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

const page =
  (status: number, headers: Readonly<Record<string, string>> = {}): Handler =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'text/html', ...headers }).end('<html>nginx</html>')

const json =
  (body: unknown): Handler =>
  (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))

async function failureOf(work: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await work.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (error instanceof HoldfastError) return error
  throw new Error(`no failure of holdfast: ${String(error)}`)
}

describe('answers that are none', () => {
  const enterAt = async (url: string, timeoutMs = 5_000): Promise<HoldfastError> => {
    const error = await failureOf(httpStore(url).enter(REQUEST, { timeoutMs }))
    expect(error.message).toContain(new URL(url).host)
    return error
  }

  test.each([
    ['the page of a proxy', page(200)],
    ['a proxy that cannot reach it', page(502)],
    ['a proxy without a server behind it', page(503)],
    ['a proxy that lost patience', page(504)],
    ['no page at all', page(404)],
    ['a list', json([])],
    ['text', json('holds')],
    ['nothing', json(null)],
    ['an answer without a status', json({ token: 1 })],
    ['a status that there is not', json({ status: 'perhaps' })],
    ['a token that is text', json({ status: 'holds', token: '1', leftMs: 10_000, waiters: 0 })],
    ['a token beyond the safe integers', json({ status: 'holds', token: 2 ** 60, leftMs: 10_000, waiters: 0 })],
    ['time that is none', json({ status: 'holds', token: 1, leftMs: null, waiters: 0 })],
    [
      'half an answer',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
        response.write('{"status"')
        response.socket?.end()
      },
    ],
    ['an end without an answer', request => void request.socket.destroy()],
  ] satisfies readonly (readonly [string, Handler])[])(
    '%s: unavailable, and perhaps carried out',
    async (_what, answer) => {
      const error = await enterAt(await impostor({ '/v1/enter': answer }))
      expect(error).toBeInstanceOf(StoreUnavailableError)
      expect(error).toHaveProperty('ambiguous', true)
    },
  )

  test('endless time is no window: never more than the ttl that was asked for', async () => {
    const url = await impostor({ '/v1/enter': json({ status: 'holds', token: 1, leftMs: 1e15, waiters: 0 }) })
    expect(await httpStore(url).enter(REQUEST, IO)).toMatchObject({ leftMs: REQUEST.ttlMs })
  })

  test('fewer answers than renewals are all unknown', async () => {
    const url = await impostor({ '/v1/renew': json({ renewals: [] }) })
    const error = await failureOf(httpStore(url).renew([{ key: 'k', id: 'A', ttlMs: 1_000 }], IO))
    expect(error.message).toContain('renewals are 0, where 1 were asked for')
  })

  test('a server that accepts and is silent: at the deadline, and the request is cut off', async () => {
    let ended = false
    const url = await impostor({ '/v1/enter': (_request, response) => response.on('close', () => (ended = true)) })
    const store = httpStore(url)
    await store.connect?.(IO)
    const error = await failureOf(store.enter(REQUEST, { timeoutMs: 100 }))
    expect(error.message).toContain('did not answer within')
    expect(error).toHaveProperty('ambiguous', true)
    await expect.poll(() => ended, { timeout: 20_000 }).toBe(true)
  })

  test('nobody listens there: not carried out, and the message says why', async () => {
    const server = serveStore(memoryStore())
    const { url } = await server.listen()
    await server.close()
    const error = await enterAt(url)
    expect(error).toMatchObject({ ambiguous: false, message: expect.stringContaining('ECONNREFUSED') })
    const nowhere = await failureOf(httpStore('http://no.such.host.invalid').enter(REQUEST, IO))
    expect(nowhere).toMatchObject({ ambiguous: false, message: expect.stringContaining('no.such.host.invalid') })
  })

  test.each([
    ['a size that a proxy refuses', page(413), 'Raise its limit'],
    ['a proxy that wants a login', page(401), 'refuses us'],
    ['a proxy that forbids', page(403), 'refuses us'],
    [
      'a proxy that leads elsewhere',
      page(301, { location: 'https://elsewhere.example/' }),
      'https://elsewhere.example/',
    ],
  ])('%s: asking again cannot help', async (_what, answer, says) => {
    const error = await enterAt(await impostor({ '*': answer }))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).toContain(says)
  })

  test('another version of the protocol is refused', async () => {
    const url = await impostor({ '/v1/store': json({ version: 2, pushes: true, traits: memoryStore().traits }) })
    expect(await enterAt(url)).toMatchObject({ message: expect.stringContaining('version 2') })
  })

  test('traits that windows cannot be made of are refused', async () => {
    const traits = { ...memoryStore().traits, clockErrorMs: -1 }
    const url = await impostor({ '/v1/store': json({ version: 1, pushes: true, traits }) })
    expect(await enterAt(url)).toMatchObject({ message: expect.stringContaining('clockErrorMs is -1') })
  })

  test.each([
    ['a page', page(200)],
    [
      'a stream without a beginning',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(':\n\n')
      },
    ],
    [
      'a stream of something else',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('event: holds\ndata: {"key":7}\n\n')
      },
    ],
  ] satisfies readonly (readonly [string, Handler])[])(
    'instead of pushes %s: who waits asks instead',
    async (_what, answer) => {
      const url = await impostor({ '/v1/events': answer })
      const locks = createLocks(httpStore(url))
      const errors: string[] = []
      locks.on('store-error', ({ verb }) => errors.push(verb))
      const lease = await locks.acquire('k')
      const other = createLocks(httpStore(url))
      const granted = other.acquire('k')
      await expect.poll(async () => (await locks.inspect('k'))?.waiters.length, { timeout: 20_000 }).toBe(1)
      await lease.release()
      await expect(granted).resolves.toMatchObject({ state: 'held' })
      expect(errors).toContain('listen')
      await Promise.all([locks.close({ drain: 0 }), other.close({ drain: 0 })])
    },
  )
})

describe('the secret', () => {
  test('opens, by address or by option', async () => {
    const url = await served('correct horse/7')
    expect(await httpStore(url, { secret: 'correct horse/7' }).enter(REQUEST, IO)).toHaveProperty('status', 'holds')
    const locks = await open(url.replace('//', '//:correct%20horse%2F7@'))
    expect(await locks.tryAcquire('k')).toBeNull()
    await locks.close({ drain: 0 })
  })

  test('missing or wrong: says so, where it belongs, and nothing of it', async () => {
    const url = await served('correct horse')
    await expect(open(url)).rejects.toThrow(/A secret is needed\. Put it into the address: http:\/\/:SECRET@host:port/)
    const wrong = await failureOf(open(url.replace('//', '//:wrong-secret@')))
    expect(wrong).toBeInstanceOf(ConfigurationError)
    expect(wrong.message).not.toContain('wrong-secret')
  })

  test('goes to the server that was named and not to where that one leads', async () => {
    const seen: unknown[] = []
    const other = await impostor({
      '*': (request, response) => {
        seen.push(request.headers.authorization)
        response.end()
      },
    })
    const first = await impostor({ '*': page(307, { location: other }) })
    await failureOf(httpStore(first, { secret: 'correct horse' }).enter(REQUEST, IO))
    expect(seen).toEqual([])
  })
})

describe('the address', () => {
  test.each([
    ['ftp://host', 'another scheme'],
    ['http://h1:1,h2:2', 'several hosts'],
    ['http://user:secret@host', 'no users'],
    ['http://host?db=1', 'no parameter "db"'],
    ['http://host:99999', 'something else'],
    ['http://:%00@host', 'printable ASCII'],
  ])('%s is refused', (address, why) => {
    expect(() => httpStore(address)).toThrow(ConfigurationError)
    expect(() => httpStore(address)).toThrow(why)
  })

  test('may have a path, and a namespace that keeps two applications apart', async () => {
    const real = serveStore(memoryStore())
    const url = await impostor({
      '*': (request, response) => {
        request.url = request.url?.replace('/team/locks/', '/')
        real.handle(request, response)
      },
    })
    const [a, ab] = [await open(`${url}/team/locks/?namespace=a`), await open(`${url}/team/locks?namespace=ab`)]
    expect(await a.tryAcquire('bc')).not.toBeNull()
    expect(await ab.tryAcquire('c')).not.toBeNull()
    const keys: string[] = []
    for await (const { key } of ab.list()) keys.push(key)
    expect(keys).toEqual(['c'])
    await Promise.all([a.close({ drain: 0 }), ab.close({ drain: 0 }), real.close()])
  })

  test('a key that is too long with its namespace is refused at once, and not asked for again', async () => {
    const locks = await open(`${await served()}?namespace=shop`)
    await expect(locks.acquire('x'.repeat(1_020), { wait: '1h' })).rejects.toThrow(InvalidKeyError)
    await locks.close()
  })
})

describe('the store behind', () => {
  test('its traits are told, but that the network reaches it', async () => {
    const store = httpStore(await served())
    expect(store.traits).toMatchObject({ name: 'http', guarantee: 'best-effort', maxTokens: 1 })
    await store.connect?.(IO)
    const { name: _name, reach: _reach, clock: _clock, ...same } = memoryStore().traits
    expect(store.traits).toEqual({ ...same, name: 'http', reach: 'network', clock: 'store' })
  })

  test('what it cannot do is refused as it would refuse it', async () => {
    const store: Store = { ...memoryStore(), enter: () => Promise.reject(new UnsupportedError('no readers here')) }
    await expect(httpStore(await served(undefined, store)).enter(REQUEST, IO)).rejects.toThrow(UnsupportedError)
  })

  test('if it does not push, nobody listens to it', async () => {
    const { listen: _listen, ...mute } = memoryStore()
    const store = httpStore(await served(undefined, mute))
    await store.connect?.(IO)
    expect(store.listen).toBeUndefined()
  })

  test('after a failure it is asked anew what it can do: another may stand there', async () => {
    let minTtlMs = 1
    let broken = false
    const inner = memoryStore()
    const store: Store = {
      ...inner,
      get traits() {
        return { ...inner.traits, minTtlMs }
      },
      enter: (request, io) => (broken ? Promise.reject(new Error('gone')) : inner.enter(request, io)),
    }
    const client = httpStore(await served(undefined, store))
    await client.enter(REQUEST, IO)
    expect(client.traits.minTtlMs).toBe(1)
    broken = true
    minTtlMs = 5_000
    await failureOf(client.enter(REQUEST, IO))
    await client.inspect('k', IO)
    expect(client.traits.minTtlMs).toBe(5_000)
  })
})

describe('nothing but fetch', () => {
  const sources = new Map(librarySources().map(({ path, text }) => [path, text]))

  /** All files that the driver loads, types left out. */
  function loadedBy(path: string, seen = new Set<string>()): ReadonlySet<string> {
    if (seen.has(path)) return seen
    seen.add(path)
    const text = (sources.get(path) ?? '').replaceAll(/^(?:import|export) type [^]*?from '[^']+'/gm, '')
    for (const { specifier } of importsOf(text))
      if (specifier.startsWith('.')) loadedBy(posix.join(posix.dirname(path), specifier), seen)
      else seen.add(specifier)
    return seen
  }

  test('of what the driver loads nothing is of Node or of a package', () => {
    const loaded = [...loadedBy('src/drivers/http.ts')]
    expect(loaded.length).toBeGreaterThan(10)
    expect(loaded.filter(each => !each.startsWith('src/'))).toEqual([])
    expect([...loadedBy('src/drivers/sqlite.ts')]).toContain('node:fs')
  })

  test('where a name of Node stands, it is asked first whether it is there', () => {
    const named = [...loadedBy('src/drivers/http.ts')].flatMap(path =>
      codeOnly(sources.get(path) ?? '')
        .split('\n')
        .filter(line => /\b(?:require|__dirname|setImmediate|process)\b/.test(line) && !line.includes('typeof process'))
        .map(line => `${path}: ${line.trim()}`),
    )
    // Of the clock of the host, and of turns, which this driver does not use.
    expect(named.filter(line => !line.startsWith('src/base/clock.ts'))).toEqual([])
  })

  test('it works where Node has nothing to offer but what browsers have', async () => {
    const program = fileURLToPath(new URL('../fixtures/http/bare.mjs', import.meta.url))
    const server = await import('../support/http-server.ts').then(({ httpServer }) => httpServer('memory:'))
    closing.push(() => server.close())
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, server.url('s')], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.trim().split('\n')).toEqual(['holds', 'waits', 'pushed', 'held', 'refused', 'held'])
  })
})
