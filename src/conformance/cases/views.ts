/** What people see: inspect and list, keys of every kind, and storages that do not meet. */
import assert from 'node:assert/strict'
import type { LockView, Store } from '../../store/contract.ts'
import { gone, held, holds, IO, KEY, visitor, waits } from '../scene.ts'
import type { Register } from '../suite.ts'

const longest = (start: string, fill: string): string =>
  start + fill.repeat((1_024 - Buffer.byteLength(start)) / Buffer.byteLength(fill))

/** Each is a key of its own, however a store spells, folds, splits, escapes or cuts them. */
export const ODD_KEYS: readonly string[] = [
  ...[
    'a',
    'A',
    ' ',
    'a ',
    ' a',
    'a\0',
    '\0',
    'a\0b',
    'a\tb',
    'a\nb',
    'a\r\nb',
    'ä',
    'ß',
    'ss',
    'é',
    'e',
    'ﬁ',
    'fi',
    'İ',
    'i',
    '🔒',
    '🔒🔑',
    '家',
    '\u200b',
    '\u202e',
    '\ufffd',
    '\u{10ffff}',
  ],
  ...[
    '.',
    '..',
    '../x',
    'x',
    '/',
    '//',
    '/a',
    'a/',
    'a/b',
    'a//b',
    'a/../b',
    'a\\b',
    '~',
    '%',
    '%2F',
    '%00',
    '%%',
    '_',
    'a_',
    'a%',
    '*',
    'a*',
    '?',
    'a?',
    '[a]',
    '[ab]',
    '{a}',
    '{a}b',
    '{',
    '}',
    '$',
    '$1',
    '$a',
  ],
  ...[
    ':',
    'a:',
    ':a',
    'a:b',
    'a::b',
    "'",
    "';--",
    '"',
    '`',
    '#',
    '&',
    '=',
    ',',
    ';',
    '|',
    '<b>',
    '0',
    '00',
    '-0',
    '1e3',
    'null',
    'true',
    'undefined',
    'NaN',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
  ],
  ...[
    longest('', 'k'),
    longest('K', 'k'),
    longest('', '🔒'),
    longest('🔑', '🔒'),
    `${longest('', 'k').slice(0, -1)}l`,
    longest('a\0', '/'),
    longest('', '%'),
    longest('', '\u0001'),
  ],
]

export function viewCases(test: Register): void {
  test('a free lock shows nothing: never held, released, or expired', [], async scene => {
    const store = await scene.store()
    assert.equal(await store.inspect(KEY, IO), null)
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B', { ttlMs: scene.times.tinyMs })]
    holds(await a.enter())
    await a.leave()
    assert.equal(await store.inspect(KEY, IO), null)
    holds(await b.enter())
    await gone(scene, store, b)
    assert.equal(await store.inspect(KEY, IO), null)
  })

  test('a held lock shows who holds it, how, how long, and what it says about itself', [], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    const meta = { job: 'nächtlicher Bericht 🌙', attempt: '3', empty: '', __proto__x: 'a"b\\c\n' }
    const a = visitor(scene, here, 'host-7:4711', { meta })
    const { token } = holds(await a.enter())
    const lock = await there.inspect(KEY, IO)
    const [ticket] = lock?.holders ?? []
    assert.ok(lock !== null && ticket !== undefined)
    assert.deepEqual([lock.key, lock.token, lock.holders.length, lock.waiters.length], [KEY, token, 1, 0])
    assert.deepEqual(
      [ticket.holder, ticket.token, ticket.mode, ticket.limit, { ...ticket.meta }],
      ['host-7:4711', token, 'exclusive', null, meta],
    )
    assert.ok(ticket.sinceMs >= 0 && ticket.sinceMs < scene.times.guardMs, `sinceMs is ${ticket.sinceMs}`)
    assert.ok(ticket.leftMs > 0 && ticket.leftMs <= scene.times.longMs, `leftMs is ${ticket.leftMs}`)
    assert.ok(!JSON.stringify(lock).includes(a.id), 'the id, which proves possession, was shown')
  })

  test('a held lock shows that it was revoked', ['revoke'], async scene => {
    const [store, there] = [await scene.store(), await scene.store()]
    holds(await visitor(scene, store, 'A').enter())
    assert.equal((await there.inspect(KEY, IO))?.holders[0]?.revoked, undefined)
    await store.revoke(KEY, { tickets: 'holders', reason: 'why', now: false }, IO)
    assert.equal((await there.inspect(KEY, IO))?.holders[0]?.revoked, true)
  })

  test('a lock that its owner has left, and that stays taken, shows it', ['keep'], async scene => {
    const [store, there] = [await scene.store(), await scene.store()]
    const a = visitor(scene, store, 'A')
    holds(await a.enter())
    assert.equal((await there.inspect(KEY, IO))?.holders[0]?.kept, undefined)
    await a.leave({ keepMs: scene.times.longMs })
    assert.equal((await there.inspect(KEY, IO))?.holders[0]?.kept, true)
  })

  test('those who wait are shown in the order in which they will be served', ['queue', 'shared'], async scene => {
    const store = await scene.store()
    const wishes = [
      ['A', {}],
      ['R1', { mode: 'shared' }],
      ['P', { mode: 'shared', limit: 2 }],
      ['W', { meta: { why: 'write' } }],
    ] as const
    const tickets = wishes.map(([name, wish]) =>
      visitor(scene, store, name, 'limit' in wish && !store.traits.limit ? { mode: 'shared' } : wish),
    )
    for (const each of tickets) await each.enter()
    const lock = await store.inspect(KEY, IO)
    assert.deepEqual(
      [...(lock?.holders ?? []), ...(lock?.waiters ?? [])].map(({ holder, mode, limit, meta }) => ({
        holder,
        mode,
        limit,
        meta: { ...meta },
      })),
      tickets.map(({ request: { holder, mode, limit, meta } }) => ({ holder, mode, limit, meta })),
    )
    assert.equal(lock?.holders.length, 1)
  })

  test('holder and meta are shown as they were given, whatever is in them', [], async scene => {
    const store = await scene.store()
    const meta = { 'k\0': 'v\0w', quotes: `'"\\\`$?%`, lines: 'a\r\nb\u2028', '': '🔒' }
    const a = visitor(scene, store, 'A\0B\n"', { meta })
    holds(await a.enter())
    const [ticket] = (await store.inspect(KEY, IO))?.holders ?? []
    assert.deepEqual([ticket?.holder, { ...ticket?.meta }], ['A\0B\n"', meta])
    assert.equal(await a.leave(), 'held')
  })

  test('looking changes nothing', ['queue'], async scene => {
    const store = await scene.store()
    const [a, b] = [visitor(scene, store, 'A'), visitor(scene, store, 'B')]
    holds(await a.enter())
    const { token } = waits(await b.enter())
    for (let round = 0; round < 5; round += 1) await store.inspect(KEY, IO)
    held(await a.renew())
    assert.equal(waits(await b.enter()).token, token)
  })

  test('list gives the locks in use whose key begins so, read literally', ['list'], async scene => {
    const store = await scene.store()
    const keys = [
      'a',
      'a*',
      'a*b',
      'ab',
      'a%',
      'a%b',
      'a_',
      'a_b',
      'a?',
      'a?b',
      'a[b]',
      'a{b}',
      'a\\',
      'a\\b',
      'A',
      'A*',
      'b',
      'ä',
      '🔒',
      '🔒1',
      '/a',
      '/a/b',
    ]
    for (const key of keys) holds(await visitor(scene, store, `holder of ${key}`, { key }).enter())
    for (const prefix of [
      '',
      'a',
      'a*',
      'a%',
      'a_',
      'a?',
      'a[',
      'a[b',
      'a{',
      'a\\',
      'A',
      'ä',
      '🔒',
      '/a/',
      'none',
      'a*b*',
    ]) {
      const locks = await listed(store, prefix)
      assert.deepEqual(
        locks.map(lock => lock.key).toSorted(),
        keys.filter(key => key.startsWith(prefix)).toSorted(),
        `list(${JSON.stringify(prefix)})`,
      )
      for (const lock of locks) assert.equal(lock.holders[0]?.holder, `holder of ${lock.key}`)
    }
  })

  test('list leaves out what is free', ['list'], async scene => {
    const store = await scene.store()
    const [a, b, c] = [
      visitor(scene, store, 'A', { key: 'a' }),
      visitor(scene, store, 'B', { key: 'b', ttlMs: scene.times.tinyMs }),
      visitor(scene, store, 'C', { key: 'c' }),
    ]
    for (const each of [a, b, c]) holds(await each.enter())
    await a.leave({ forbidMs: scene.times.longMs })
    await gone(scene, store, b)
    assert.deepEqual(
      (await listed(store, '')).map(lock => lock.key),
      ['c'],
    )
  })

  test('odd keys are keys like others, and no two of them meet', [], async scene => {
    const store = await scene.store()
    const all = ODD_KEYS.map((key, index) => visitor(scene, store, `H${index}`, { key, queue: false }))
    for (const each of all)
      assert.equal(
        (await each.enter()).status,
        'holds',
        `the key ${JSON.stringify(each.request.key.slice(0, 40))} met another`,
      )
    for (const each of all) {
      const lock = await store.inspect(each.request.key, IO)
      assert.equal(lock?.key, each.request.key)
      assert.equal(lock?.holders[0]?.holder, each.request.holder)
      held(await each.renew())
    }
    for (const each of all) assert.equal(await each.leave(), 'held')
    for (const each of all) assert.equal(await store.inspect(each.request.key, IO), null)
  })

  test('odd keys are listed as they were given', ['list'], async scene => {
    const store = await scene.store()
    for (const key of ODD_KEYS) holds(await visitor(scene, store, 'A', { key }).enter())
    assert.deepEqual((await listed(store, '')).map(lock => lock.key).toSorted(), ODD_KEYS.toSorted())
    for (const prefix of ['../', '%', '\0', ':']) {
      assert.deepEqual(
        (await listed(store, prefix)).map(lock => lock.key).toSorted(),
        ODD_KEYS.filter(key => key.startsWith(prefix)).toSorted(),
      )
    }
  })

  test('odd keys wait and are told by push under their own name', ['queue', 'listen'], async scene => {
    const store = await scene.store()
    const named: string[] = []
    await store.listen?.({ holds: key => void named.push(key), revoked() {}, gap() {} })
    for (const key of ODD_KEYS) {
      const [a, b] = [visitor(scene, store, 'A', { key }), visitor(scene, store, 'B', { key })]
      holds(await a.enter())
      waits(await b.enter())
      await a.leave()
      holds(await b.enter())
    }
    for (const key of named) assert.ok(ODD_KEYS.includes(key), `a push named ${JSON.stringify(key)}`)
  })

  test('storages of different names do not meet, even where name and key run together', [], async scene => {
    const stores = [
      await scene.store(),
      await scene.store(`${scene.storage}a`),
      await scene.store(`${scene.storage}a:b`),
    ]
    const keys = ['k', 'ak', 'a:bk', 'b:k', ':bk', 'bk']
    for (const [index, store] of stores.entries()) {
      for (const key of keys) holds(await visitor(scene, store, `S${index}`, { key, queue: false }).enter())
    }
    for (const [index, store] of stores.entries()) {
      for (const key of keys) assert.equal((await store.inspect(key, IO))?.holders[0]?.holder, `S${index}`)
    }
  })

  test('a list of one storage does not show another', ['list'], async scene => {
    const [here, there] = [await scene.store(), await scene.store(`${scene.storage}x`)]
    holds(await visitor(scene, here, 'A', { key: 'here' }).enter())
    holds(await visitor(scene, there, 'B', { key: 'there' }).enter())
    assert.deepEqual(
      (await listed(here, '')).map(lock => lock.key),
      ['here'],
    )
  })

  test('a closed store can be closed again, and the others of its storage go on', ['queue'], async scene => {
    const [here, there] = [await scene.store(), await scene.store()]
    holds(await visitor(scene, there, 'B').enter())
    await here.close()
    await here.close()
    waits(await visitor(scene, there, 'C').enter())
    assert.equal((await there.inspect(KEY, IO))?.waiters.length, 1)
  })
}

async function listed(store: Store, prefix: string): Promise<LockView[]> {
  const locks: LockView[] = []
  for await (const lock of store.list(prefix, IO)) locks.push(lock)
  return locks
}
