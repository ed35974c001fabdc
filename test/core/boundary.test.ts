import { describe, expect, test } from 'vitest'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createLocks,
  ConfigurationError,
  duration,
  InvalidKeyError,
  open,
  StoreUnavailableError,
  UnsupportedError,
} from '../../src/index.ts'
import type { OpenOptions } from '../../src/index.ts'
import { humanMs, milliseconds } from '../../src/base/duration.ts'
import { namespaceOf, withoutPassword } from '../../src/base/address.ts'
import { normalKey } from '../../src/base/key.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { redisStore } from '../../src/drivers/redis.ts'
import { redlockStore } from '../../src/drivers/redlock.ts'

describe('a duration', () => {
  test('is milliseconds, or text with its unit', () => {
    expect(
      ['250ms', '1.5s', '2m', '1h', '1d', 7].map(value =>
        milliseconds(typeof value === 'string' ? duration(value) : value, 'ttl'),
      ),
    ).toEqual([250, 1_500, 120_000, 3_600_000, 86_400_000, 7])
  })

  test.each(['30', '', 's', '1 s', '-1s', '1w', '1e3ms', 'NaNs', 'Infinitys'])(
    '%j is refused, since it has no length or no unit',
    text => {
      expect(() => duration(text)).toThrow(ConfigurationError)
    },
  )

  test('without a unit is asked back', () => {
    expect(() => duration('30')).toThrow('30s or 30ms?')
  })

  test('is shown to people in a unit that they read', () => {
    expect([1, 999, 4_200, 90_000, 5_400_000, Infinity].map(humanMs)).toEqual([
      '1 ms',
      '999 ms',
      '4.2 s',
      '1.5 min',
      '1.5 h',
      'for ever',
    ])
  })
})

describe('a key', () => {
  test('is any text of up to 1,024 bytes', () => {
    for (const key of ['../x', '🔒', 'a\0b', ' ', '%*{}:', 'é'.repeat(512)]) expect(normalKey(key)).toBe(key)
  })

  test('meets its other spelling', () => {
    expect(normalKey('e\u0301')).toBe(normalKey('\u00e9'))
  })

  test.each([
    ['', 'empty'],
    ['x'.repeat(1_025), '1025 bytes'],
    ['x'.repeat(10_240), '10240 bytes'],
    ['\ud800', 'surrogate'],
  ])('is refused when it is not one', (key, why) => {
    expect(() => normalKey(key)).toThrow(InvalidKeyError)
    expect(() => normalKey(key)).toThrow(why)
  })

  test('is refused before anything is sent', async () => {
    const locks = createLocks(memoryStore())
    await expect(locks.acquire('')).rejects.toThrow(InvalidKeyError)
    await expect(locks.inspect('\udfff')).rejects.toThrow(InvalidKeyError)
    expect(() => locks.lock('')).toThrow(InvalidKeyError)
    await expect(locks.acquireAll(['a', ''])).rejects.toThrow(InvalidKeyError)
    expect(await locks.inspect('a')).toBeNull()
    await locks.close()
  })
})

describe('an option that is wrong is refused and locks nothing', () => {
  const wrong: Record<string, object> = {
    'a ttl of 0': { ttl: 0 },
    'a negative ttl': { ttl: -1 },
    'a ttl that is no number': { ttl: Number.NaN },
    'a ttl without end': { ttl: Infinity },
    'a ttl of 60 days': { ttl: '60d' },
    'a ttl without a unit': { ttl: '30' },
    'a limit of 0': { limit: 0 },
    'half a limit': { limit: 1.5 },
    'an exclusive limit': { mode: 'exclusive', limit: 2 },
    'a mode of its own': { mode: 'upgradable' },
    'a negative wait': { wait: -1 },
    'meta beyond its size': { meta: { text: 'x'.repeat(600) } },
    'meta that is no text': { meta: { n: 1 } },
    'a maxHold of 0': { maxHold: 0 },
    'a minHold of 60 days': { minHold: '60d' },
    'a way to renew of its own': { renew: 'sometimes' },
    'a signal that is text': { signal: 'text' },
    'an option that is mistyped': { tll: '1s' },
  }
  test.each(Object.entries(wrong))('%s', async (_name, options) => {
    const locks = createLocks(memoryStore())
    await expect(locks.acquire('k', options)).rejects.toThrow(ConfigurationError)
    await expect(locks.run('k', options, () => 1)).rejects.toThrow(ConfigurationError)
    expect(await locks.inspect('k')).toBeNull()
    await locks.close()
  })

  test.each([
    { ttl: 0 },
    { holder: '' },
    { wait: '30' },
    { fair: 'unfair' },
    { cohort: { passes: -1 } },
    { storeTimeout: 0 },
  ])('%j for all locks', options => {
    expect(() => Reflect.apply(createLocks, undefined, [memoryStore(), options])).toThrow(ConfigurationError)
  })

  test('is told which option was probably meant, and of which there are', async () => {
    const locks = createLocks(memoryStore())
    const refused = (method: (...values: never[]) => unknown, ...values: unknown[]): Promise<unknown> =>
      Promise.resolve()
        .then((): unknown => Reflect.apply(method, locks, values))
        .catch((error: unknown) => error)
    expect(await refused(locks.acquire, 'k', { tll: '1s' })).toMatchObject({
      code: 'HOLDFAST_CONFIGURATION',
      message: 'a lock has no option "tll": did you mean "ttl"?',
    })
    for (const [error, says] of [
      [await refused(locks.tryRun, 'k', { minhold: 1 }, () => 1), '"minHold"'],
      [await refused(locks.acquire, 'k', null), 'must be an object'],
      [await refused(locks.acquire, 'k', { zzzzz: 1 }), 'there are ttl, wait, signal'],
      [await refused(locks.close, { darin: 1 }), '"drain"'],
      [await refused(locks.election, 'k', { vlaue: 'x' }), '"value"'],
      [await refused(locks.election('k').campaign, { wiat: 1 }), '"wait"'],
      [await refused(locks.on, 'aquired', () => {}), 'no event "aquired": did you mean "acquired"?'],
      [await refused(locks.on, 'lost'), 'needs a listener'],
      [await refused(createLocks, memoryStore(), { Holder: 'x' }), '"holder"'],
      [await refused(createLocks, memoryStore(), { cohort: { pases: 1 } }), '"passes"'],
      [await refused(memoryStore, { namspace: 'x' }), '"namespace"'],
    ] satisfies [unknown, string][]) {
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(String(error)).toContain(says)
    }
    await locks.close()
  })

  test.each([
    undefined,
    {},
    { tickets: 'all' },
    { reason: '', tickets: 'all' },
    { reason: 7, tickets: 'all' },
    { reason: 'x' },
    { reason: 'x', tickets: 'everybody' },
    { reason: 'x', tickets: 1.5 },
    { reason: 'x', tickets: Number.NaN },
    { reason: 'x', tickets: 'all', now: 'yes' },
  ])('a revocation of %j revokes nobody', async options => {
    const locks = createLocks(memoryStore())
    const lease = await locks.acquire('k')
    await expect(Reflect.apply(locks.revoke, locks, ['k', options])).rejects.toThrow(ConfigurationError)
    await lease.renew()
    expect(lease.state).toBe('held')
    await lease.release()
    await locks.close()
  })

  test('what is no store is not opened', async () => {
    for (const nothing of [{}, { namespace: 'app' }, null, 7, () => 1]) {
      await expect(Promise.resolve().then(() => Reflect.apply(open, undefined, [nothing]))).rejects.toThrow(
        ConfigurationError,
      )
    }
    expect(() => Reflect.apply(createLocks, undefined, [{}])).toThrow('This is not a store: it has no enter')
    expect(() => Reflect.apply(createLocks, undefined, [{ ...memoryStore(), traits: undefined }])).toThrow('no traits')
  })

  test.each([
    { clockErrorMs: Number.NaN },
    { clockErrorMs: -1 },
    { clockErrorMs: Infinity },
    { clockErrorMs: '10' },
    { minTtlMs: Number.NaN },
    { minTtlMs: undefined },
    { maxTokens: 0 },
    { maxTokens: 1.5 },
    { queue: 1 },
    { fencing: undefined },
    { guarantee: 'eventual' },
    { reach: 'planet' },
    { clock: 'sundial' },
    { name: '' },
  ])('locks are not made on a store with the trait %j', trait => {
    const store = { ...memoryStore(), traits: { ...memoryStore().traits, ...trait } }
    expect(() => Reflect.apply(createLocks, undefined, [store])).toThrow(Object.keys(trait)[0])
  })

  test.each([
    { clockErrorMs: Number.NaN },
    { clockErrorMs: -1 },
    { clockErrorMs: '20' },
    { namespace: 7 },
    { namespace: '\ud800' },
    { namespace: 'x'.repeat(257) },
  ])('a driver is not made with %j', option => {
    for (const make of [
      () => Reflect.apply(redisStore, undefined, ['redis://127.0.0.1:1', option]),
      () => Reflect.apply(redlockStore, undefined, ['redlock://127.0.0.1:1', option]),
    ])
      expect(make).toThrow(ConfigurationError)
  })

  test('a task that is none', async () => {
    const locks = createLocks(memoryStore())
    await expect(Reflect.apply(locks.run, locks, ['k'])).rejects.toThrow(ConfigurationError)
    await locks.close()
  })

  test('what a store cannot give is refused, never faked', async () => {
    const store = memoryStore()
    const poor = createLocks({
      ...store,
      traits: { ...store.traits, name: 'poor', shared: false, limit: false, keep: false, minTtlMs: 1_000 },
    })
    await expect(poor.acquire('k', { mode: 'shared' })).rejects.toThrow(UnsupportedError)
    expect(() => poor.semaphore('k', 3)).toThrow(UnsupportedError)
    await expect(poor.once('k', { minHold: '1s' }, () => 1)).rejects.toThrow(UnsupportedError)
    await expect(poor.acquire('k', { ttl: 999 })).rejects.toThrow('at least 1000 ms')
    await poor.close()
  })
})

describe('an address', () => {
  test.each(['nonsense', 'ftp://x', '', 'constructor:x'])('%j is refused with what it may be', async address => {
    await expect(open(address)).rejects.toThrow(ConfigurationError)
  })

  test('is needed in production', async () => {
    const { NODE_ENV, HOLDFAST_STORE } = process.env
    process.env['NODE_ENV'] = 'production'
    delete process.env['HOLDFAST_STORE']
    try {
      await expect(open()).rejects.toThrow('HOLDFAST_STORE')
    } finally {
      process.env['NODE_ENV'] = NODE_ENV
      if (HOLDFAST_STORE !== undefined) process.env['HOLDFAST_STORE'] = HOLDFAST_STORE
    }
  })

  test('is shown without its password', () => {
    expect(withoutPassword('redis://me:secret@h:1')).toBe('redis://me@h:1')
    expect(withoutPassword('redis://:secret@h:1')).toBe('redis://h:1')
    expect(withoutPassword('sqlite:/a:b@c')).toBe('sqlite:/a:b@c')
  })

  test.each(['rediss+sentinel://127.0.0.1:1/main', 'rediss+cluster://127.0.0.1:1', 'valkeys+cluster://127.0.0.1:1'])(
    '%s is known, as the driver says',
    async address => {
      await expect(open(address)).rejects.toThrow(StoreUnavailableError)
    },
  )

  test('may carry a namespace; the option is stronger, the environment weaker', async () => {
    const address = `sqlite:${join(mkdtempSync(join(tmpdir(), 'holdfast-')), 'locks.db')}`
    const before = process.env['HOLDFAST_NAMESPACE']
    process.env['HOLDFAST_NAMESPACE'] = 'c'
    const seenBy = async (target: string, options: OpenOptions): Promise<string[]> => {
      const locks = await open(target, options)
      const held = new Set<string>()
      for await (const { key } of locks.list()) held.add(key)
      await locks.close()
      return [...held]
    }
    try {
      for (const [target, options, key] of [
        [address, { namespace: 'a/ä' }, 'option'],
        [`${address}?namespace=b`, {}, 'address'],
        [address, {}, 'environment'],
        [`${address}?namespace=`, {}, 'none'],
      ] satisfies [string, OpenOptions, string][]) {
        const locks = await open(target, options)
        await locks.once(key, { minHold: '1m' }, () => 1)
        await locks.close()
      }
      expect(await seenBy(`${address}?namespace=a%2F%C3%A4`, {})).toEqual(['option'])
      expect(await seenBy(`${address}?namespace=c`, { namespace: 'b' })).toEqual(['address'])
      expect(await seenBy(`${address}?namespace=c`, {})).toEqual(['environment'])
      expect(await seenBy(address, { namespace: '' })).toEqual(['none'])
      await expect(open(`${address}?namespace=a&namespace=b`)).rejects.toThrow('two namespaces')
      await expect(open(`${address}?namespace=%`)).rejects.toThrow('%25')
    } finally {
      if (before === undefined) delete process.env['HOLDFAST_NAMESPACE']
      else process.env['HOLDFAST_NAMESPACE'] = before
    }
  })

  test('keeps its other parameters, and a question mark of its own', () => {
    expect(namespaceOf('sqlite:what?.db')).toEqual({ address: 'sqlite:what?.db', namespace: undefined })
    expect(namespaceOf('x://h?a=1&namespace=n&b=2')).toEqual({ address: 'x://h?a=1&b=2', namespace: 'n' })
  })

  test('opens the store that it names', async () => {
    const locks = await open('memory:', { namespace: 'app' })
    expect(locks.traits.name).toBe('memory')
    expect(await locks.run('k', lease => lease.token)).toBeGreaterThan(0)
    await locks.close()
  })
})
