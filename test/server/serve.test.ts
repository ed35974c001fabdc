/** What a holdfast server says to whoever speaks HTTP to it, in any language. */
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test } from 'vitest'
import { ConfigurationError, StoreUnavailableError } from '../../src/base/errors.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { serveStore } from '../../src/server/index.ts'
import type { ServeOptions } from '../../src/server/index.ts'
import type { Store } from '../../src/store/contract.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

interface Answer {
  readonly status: number
  readonly body: unknown
}

async function served(options: ServeOptions = {}, store: Store = memoryStore()) {
  const server = serveStore(store, options)
  closing.push(() => server.close())
  const { url } = await server.listen()
  const read = async (response: Response): Promise<Answer> => ({ status: response.status, body: await response.json() })
  return {
    url,
    get: async (path: string, headers = {}): Promise<Answer> => read(await fetch(url + path, { headers })),
    post: async (path: string, body: unknown, headers = {}): Promise<Answer> =>
      read(
        await fetch(url + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
  }
}

const A = { key: 'orders/7', id: 'A', holder: 'curl', ttlMs: 10_000 }
const refusal = (status: number, message: unknown): object => ({ status, body: { error: { message } } })

describe('the verbs', () => {
  test('enter, renew, leave and revoke answer as a store does, with what is usual left out', async () => {
    const { post } = await served()
    expect(await post('/v1/enter', A)).toMatchObject({
      status: 200,
      body: { status: 'holds', token: expect.any(Number), leftMs: 10_000, waiters: 0 },
    })
    const b = { ...A, id: 'B', meta: { job: 'nightly' } }
    expect(await post('/v1/enter', b)).toMatchObject({ status: 200, body: { status: 'waits', ahead: 1 } })
    expect(await post('/v1/enter', { ...A, id: 'C', queue: false })).toMatchObject({
      status: 200,
      body: { status: 'refused', holders: [{ holder: 'curl' }] },
    })
    const renewals = [
      { key: A.key, id: 'A', ttlMs: 5_000 },
      { key: A.key, id: 'nobody', ttlMs: 5_000 },
    ]
    expect(await post('/v1/renew', { renewals })).toMatchObject({
      status: 200,
      body: {
        renewals: [
          { status: 'held', waiters: 1 },
          { status: 'lost', reason: 'gone' },
        ],
      },
    })
    expect(await post('/v1/leave', { key: A.key, id: 'A' })).toEqual({ status: 200, body: { was: 'held' } })
    const all = { key: A.key, tickets: 'all', reason: 'maintenance' }
    expect(await post('/v1/revoke', all)).toEqual({ status: 200, body: { revoked: 1 } })
    expect(await post('/v1/enter', b)).toMatchObject({ status: 200, body: { status: 'forbidden', reason: 'revoked' } })
  })

  test('who holds and who waits, by key and by prefix; never the ids', async () => {
    const { get, post } = await served()
    await post('/v1/enter', A)
    await post('/v1/enter', { ...A, key: 'other' })
    const lock = { key: 'orders/7', holders: [{ holder: 'curl', tokens: 1 }], waiters: [] }
    const seen = await get(`/v1/lock?key=${encodeURIComponent('orders/7')}`)
    expect(seen).toMatchObject({ status: 200, body: { lock } })
    expect(JSON.stringify(seen)).not.toContain('"id"')
    expect(await get('/v1/lock?key=free')).toEqual({ status: 200, body: { lock: null } })
    expect(await get('/v1/locks?prefix=orders/')).toMatchObject({ status: 200, body: { locks: [lock] } })
    expect(await get('/v1/locks')).toMatchObject({ body: { locks: [lock, { key: 'other' }] } })
  })

  test('locks of two namespaces know nothing of each other, and one without shows as it is in the store', async () => {
    const store = memoryStore()
    const { get, post } = await served({}, store)
    for (const namespace of [undefined, 'a', 'ab'])
      expect(await post('/v1/enter', { ...A, key: 'bc', namespace })).toMatchObject({ body: { status: 'holds' } })
    expect(await post('/v1/enter', { ...A, key: 'c', namespace: 'ab' })).toMatchObject({ body: { status: 'holds' } })
    expect(await get('/v1/locks?namespace=ab')).toMatchObject({ body: { locks: [{ key: 'bc' }, { key: 'c' }] } })
    expect(await get('/v1/locks')).toMatchObject({ body: { locks: [{ key: 'bc' }] } })
    expect(await store.inspect('bc', { timeoutMs: 1_000 })).toMatchObject({ key: 'bc' })
  })

  test('a key is the same however it is written', async () => {
    const { post } = await served()
    await post('/v1/enter', { ...A, key: 'caf\u00e9' })
    const refused = await post('/v1/enter', { ...A, key: 'cafe\u0301', id: 'B', queue: false })
    expect(refused).toMatchObject({ status: 200, body: { status: 'refused' } })
  })

  test('the store behind it, and that nobody shall keep the answer', async () => {
    const { url, get } = await served()
    expect(await get('/v1/store')).toMatchObject({
      status: 200,
      body: { version: 1, pushes: true, traits: { name: 'memory', guarantee: 'process' } },
    })
    expect((await fetch(`${url}/v1/locks`)).headers.get('cache-control')).toBe('no-store')
  })
})

describe('bad input', () => {
  test.each([
    ['no JSON', '{"key"', /^The body cannot be read/],
    ['no object', '[]', 'The body cannot be read: the body is a list, not an object.'],
    ['no key', { ...A, key: undefined }, 'key is missing, not text.'],
    ['an empty key', { ...A, key: '' }, 'A key must not be empty.'],
    ['half a letter in a key', { ...A, key: '\ud800' }, /surrogate/],
    ['a long key', { ...A, key: 'x'.repeat(1_025) }, /1,?024/],
    ['no id', { ...A, id: '' }, 'id must have 1 to 256 letters.'],
    ['a mode that there is not', { ...A, mode: 'both' }, 'mode is a string, not one of exclusive, shared.'],
    ['a limit without sharing', { ...A, limit: 3 }, /^limit is 3/],
    ['a limit of none', { ...A, mode: 'shared', limit: 0 }, /^limit is 0/],
    ['no time', { ...A, ttlMs: 0 }, 'ttlMs is 0, not more than 0.'],
    ['time as text', { ...A, ttlMs: '5s' }, 'ttlMs is a string, not a number.'],
    ['endless time', `{"key":"k","id":"A","holder":"h","ttlMs":1e999}`, 'ttlMs is Infinity, not a finite number.'],
    ['half a token', { ...A, tokens: 0.5 }, /^tokens is a number, not a safe integer/],
    ['more tokens than there are', { ...A, tokens: 1e7 }, /^tokens are 10000000/],
    ['meta that is no text', { ...A, meta: { a: 1 } }, /^meta holds/],
    ['much meta', { ...A, meta: { a: 'x'.repeat(5_000) } }, 'meta is too long.'],
  ])('%s: 400, and what is wrong', async (_what, body, message) => {
    const { get, post } = await served()
    const expected = typeof message === 'string' ? message : expect.stringMatching(message)
    expect(await post('/v1/enter', body)).toMatchObject(refusal(400, expected))
    expect(await get('/v1/locks')).toEqual({ status: 200, body: { locks: [] } })
  })

  test('renewals, leaves and revocations that are none', async () => {
    const { get, post } = await served()
    const many = Array.from({ length: 257 }, () => ({ key: 'k', id: 'A', ttlMs: 1 }))
    expect(await post('/v1/renew', { renewals: many })).toMatchObject(refusal(400, expect.stringContaining('256')))
    expect(await post('/v1/renew', { renewals: 'all' })).toMatchObject(
      refusal(400, 'renewals is a string, not a list.'),
    )
    expect(await post('/v1/leave', { key: 'k' })).toMatchObject(refusal(400, 'id is missing, not text.'))
    expect(await post('/v1/revoke', { key: 'k', tickets: 'some', reason: 'x' })).toMatchObject({ status: 400 })
    expect(await post('/v1/revoke', { key: 'k', tickets: 'all' })).toMatchObject(
      refusal(400, 'reason is missing, not text.'),
    )
    expect(await get('/v1/lock')).toMatchObject(refusal(400, 'key is missing, not text.'))
  })

  test('a body that is too large is refused, whether or not it says its length', async () => {
    const { post } = await served()
    const large = JSON.stringify({ ...A, meta: { a: 'x'.repeat(5_000_000) } })
    expect(await post('/v1/enter', large)).toMatchObject({ status: 413 })
  })

  test('a page of another site cannot post: only JSON is read', async () => {
    const { post } = await served()
    expect(await post('/v1/enter', A, { 'content-type': 'text/plain' })).toMatchObject({ status: 400 })
  })

  test('a path that there is not: 404; the same by another method too', async () => {
    const { get, post } = await served()
    expect(await get('/v2/store')).toMatchObject(refusal(404, 'There is no GET /v2/store.'))
    expect(await get('/v1/enter')).toMatchObject({ status: 404 })
    expect(await get('/v1/__proto__')).toMatchObject({ status: 404 })
    expect(await post('/v1/locks', {})).toMatchObject({ status: 404 })
    for (const path of ['//', '/%', '/v1', '/?'.repeat(500)]) expect(await get(path)).toMatchObject({ status: 404 })
  })

  test('bytes that are no HTTP end their own connection and nothing else', async () => {
    const { url, get } = await served()
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write('\0\0 what\r\n\r\n'))
    const closed = new Promise(resolve => socket.on('close', resolve))
    socket.on('error', () => {})
    socket.resume()
    await closed
    expect(await get('/v1/store')).toMatchObject({ status: 200 })
  })
})

describe('a store that does not do it', () => {
  const failing = (error: Error): Store => ({ ...memoryStore(), enter: () => Promise.reject(error) })

  test('503 says whether it may have been carried out after all', async () => {
    const known = await served({}, failing(new StoreUnavailableError('it is full', { ambiguous: false })))
    expect(await known.post('/v1/enter', A)).toMatchObject({ status: 503, body: { error: { ambiguous: false } } })
    const unknown = await served({}, failing(new Error('who knows')))
    expect(await unknown.post('/v1/enter', A)).toMatchObject({
      status: 503,
      body: { error: { code: 'HOLDFAST_STORE_UNAVAILABLE', message: 'memory failed: who knows', ambiguous: true } },
    })
  })

  test('one that never answers is given up at the time that the client named', async () => {
    const hanging: Store = { ...memoryStore(), enter: () => new Promise(() => {}) }
    const { post } = await served({}, hanging)
    const answer = await post('/v1/enter', { ...A, timeoutMs: 50 })
    expect(answer).toMatchObject({ status: 503, body: { error: { ambiguous: true } } })
  })

  test('a wrong setting of the server is told as such', async () => {
    const { post } = await served({}, failing(new ConfigurationError('the tables are missing')))
    expect(await post('/v1/enter', A)).toMatchObject(refusal(500, 'the tables are missing'))
  })
})

describe('who may ask', () => {
  test('with a secret: who knows it, for every path', async () => {
    const { get, post } = await served({ secret: 'correct horse' })
    for (const path of ['/v1/store', '/v1/locks', '/v1/events', '/nowhere'])
      expect(await get(path)).toMatchObject(refusal(401, 'A secret is needed.'))
    for (const secret of ['correct', 'correct horse ', 'Correct horse', 'x'.repeat(10_000)])
      expect(await get('/v1/store', { authorization: `Bearer ${secret}` })).toMatchObject({
        status: secret === 'correct horse ' ? 200 : 401,
      })
    expect(await post('/v1/enter', A, { authorization: 'Bearer correct horse' })).toMatchObject({ status: 200 })
  })

  test('without one: nobody who calls this machine by a name of his own', async () => {
    const { url } = await served()
    const { port } = new URL(url)
    const ask = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const request = httpRequest({ host: '127.0.0.1', port, path: '/v1/store', headers: { host } }, response => {
          response.resume()
          resolve(response.statusCode)
        })
        request.on('error', reject)
        request.end()
      })
    expect(await ask('rebound.example')).toBe(403)
    expect(await ask(`localhost:${port}`)).toBe(200)
    expect(await ask('[::1]')).toBe(200)
  })

  test('without one it listens on the loopback and nowhere else', async () => {
    const server = serveStore(memoryStore())
    closing.push(() => server.close())
    for (const host of ['0.0.0.0', '::', ...addressesOfThisMachine()])
      await expect(server.listen({ host })).rejects.toThrow(ConfigurationError)
    expect((await server.listen({ host: 'localhost' })).url).toMatch(/^http:\/\/localhost:\d+$/)
  })

  test('a secret that is none is refused', () => {
    expect(() => serveStore(memoryStore(), { secret: '' })).toThrow(ConfigurationError)
  })
})

describe('pages of other origins', () => {
  const [HOME, ELSEWHERE] = ['https://app.example', 'https://elsewhere.example']
  const asks = { origin: HOME, 'access-control-request-method': 'POST' }

  test('a browser that asks for a named one is told that it may, without the secret', async () => {
    const { url } = await served({ secret: 'correct horse', origins: [HOME] })
    const answer = await fetch(`${url}/v1/enter`, { method: 'OPTIONS', headers: asks })
    expect(answer.status).toBe(204)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': HOME,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type',
      vary: 'origin',
    })
  })

  test('and may read every answer, also that the secret is wrong', async () => {
    const { url } = await served({ secret: 'correct horse', origins: [HOME] })
    for (const [secret, status] of [
      ['correct horse', 200],
      ['wrong', 401],
    ] as const) {
      const headers = { origin: HOME, authorization: `Bearer ${secret}` }
      const answer = await fetch(`${url}/v1/store`, { headers })
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, HOME])
    }
  })

  test.each([
    ['another one', { origins: [HOME] }, ELSEWHERE],
    ['one where none is named', {}, HOME],
  ])('a browser that asks for %s is told nothing', async (_what, options, origin) => {
    const { url } = await served({ secret: 'correct horse', ...options })
    const asked = await fetch(`${url}/v1/enter`, { method: 'OPTIONS', headers: { ...asks, origin } })
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([401, null])
    const answer = await fetch(`${url}/v1/store`, { headers: { origin, authorization: 'Bearer correct horse' } })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, null])
  })

  test.each(['*', 'https://app.example/', 'app.example', 'https://app.example/page', ''])('%j is no origin', origin => {
    expect(() => serveStore(memoryStore(), { origins: [origin] })).toThrow(ConfigurationError)
  })
})

test('who does not read its pushes is cut off, and the others go on', async () => {
  const store = memoryStore()
  const server = serveStore(store)
  closing.push(() => server.close())
  const { url } = await server.listen()
  const deaf = connect(Number(new URL(url).port), '127.0.0.1')
  const cut = new Promise(resolve => deaf.on('close', resolve))
  deaf.on('error', () => {})
  deaf.write('GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await new Promise(resolve => deaf.once('data', resolve))
  deaf.pause()
  const io = { timeoutMs: 5_000 }
  const reason = 'x'.repeat(100_000)
  for (let round = 0; round < 200 && !deaf.destroyed; round += 1) {
    const request = { ...A, id: `T${round}`, mode: 'exclusive' as const, limit: null, waiterTtlMs: 1_000 }
    await store.enter({ ...request, queue: true, tokens: 1, meta: {} }, io)
    await store.revoke(A.key, { tickets: 'all', reason, now: true }, io)
    await new Promise(resolve => setImmediate(resolve))
  }
  deaf.resume()
  await cut
  expect((await fetch(`${url}/v1/store`)).status).toBe(200)
})

function addressesOfThisMachine(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(all =>
    (all ?? []).flatMap(({ address, internal }) => (internal ? [] : [address])),
  )
}
