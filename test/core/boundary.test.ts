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
    expect(withoutPassword('redis://:secret@h:1')).toBe('redis://@h:1')
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
