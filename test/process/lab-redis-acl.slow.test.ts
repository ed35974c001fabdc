/** The experiment about a shared Redis as users run it, and the file of users that it applies. */
import { chmodSync, copyFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { REDIS } from '../../src/servers/redis.ts'
import { skipWithout } from '../support/stores.ts'
import { createBench } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'
import { redisServer } from '../support/redis-server.ts'

const FILE = fileURLToPath(new URL('../../docs/redis.acl', import.meta.url))

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

interface Way {
  readonly way: string
  readonly attacks: readonly { readonly command: string; readonly answer: string; readonly twoHolders: boolean }[]
  readonly checks: readonly {
    readonly group: string
    readonly who: string
    readonly expected: string
    readonly found: string
  }[]
}

function waysOf(value: unknown): readonly Way[] {
  if (!Array.isArray(value)) throw new TypeError('no ways')
  return value
}

describe('with servers of its own', () => {
  beforeEach(context => {
    skipWithout(REDIS, context)
  })

  test('an open server lets anybody break a lock; with the users of the documentation each may do what is its own', async () => {
    const { code, verdict, broken } = await bench.judge('redis-acl')
    expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
    const [open, users] = waysOf(verdict['rounds'])
    expect(open?.attacks).toMatchObject([
      { command: 'DEL holdfast::invoice:9', answer: 'allowed', twoHolders: true },
      { command: 'FLUSHALL', answer: 'allowed', twoHolders: true },
    ])
    expect(users?.attacks).toMatchObject([
      { answer: 'NOPERM', twoHolders: false },
      { answer: 'NOPERM', twoHolders: false },
    ])
    expect(users?.checks.filter(({ expected, found }) => expected !== found)).toEqual([])
    const amounts = ['works', 'confined', 'own', 'kept', 'out'].map(
      group => users?.checks.filter(check => check.group === group).length ?? 0,
    )
    expect(Math.min(...amounts)).toBeGreaterThanOrEqual(4)
    expect(verdict.lessons).toHaveLength(3)
  })

  test('in a namespace it attacks the locks of that namespace, and shows the same', async () => {
    const { broken, verdict } = await bench.judge('redis-acl', '--namespace', 'shop')
    expect({ broken, passed: verdict.passed }).toEqual({ broken: [], passed: true })
    expect(waysOf(verdict['rounds'])[0]?.attacks[0]?.command).toBe('DEL holdfast:shop:invoice:9')
  })

  test.each([
    ['users', ['users: neither does', 'app: cannot touch the locks', 'holdfast: nothing else does']],
    ['open', ['open: shows the problem']],
  ])('with the users of %s exchanged it says so and exits 1', async (what, claims) => {
    const { code, broken } = await bench.judge('redis-acl', '--sabotage', what)
    expect(broken).toEqual(expect.arrayContaining(claims.map(claim => expect.stringContaining(claim))))
    expect(code).toBe(1)
  })

  test('for people: what each tries, what should and what does come of it, what to learn, and a verdict', async () => {
    const { code, stdout } = await bench.run('redis-acl')
    for (const part of ['Antonio Alexander', 'FLUSHALL', 'docs/redis.acl', 'no password', 'What to learn', 'Verdict'])
      expect(stdout).toContain(part)
    expect(stdout).not.toContain('change-me')
    expect(code).toBe(0)
  })

  test('the application may have every name that does not begin with the prefix, and no other', async () => {
    const path = bench.site.path('users.acl')
    copyFileSync(FILE, path)
    chmodSync(path, 0o644)
    const server = await redisServer('--aclfile', path)
    const admin = new Redis(server.port, { username: 'admin', password: 'change-me-1' })
    try {
      const prefix = 'holdfast:'
      const letters = [...prefix, 'x', 'H', ' ', '*', '[', '^', '\\', '\n', 'é']
      const starts = Array.from({ length: prefix.length + 1 }, (_, length) => prefix.slice(0, length))
      const names = starts
        .flatMap(start => [start, ...letters.flatMap(one => [start + one, ...letters.map(two => start + one + two)])])
        .filter(name => name !== '')
      expect(names.length).toBeGreaterThan(1_000)
      const may = async (user: string, ...command: readonly string[]): Promise<boolean> =>
        (await admin.call('acl', 'dryrun', user, ...command)) === 'OK'
      const wrong = await Promise.all(
        names.map(async name => {
          const own = !name.startsWith(prefix)
          const found = [
            await may('app', 'get', name),
            await may('app', 'del', name),
            await may('app', 'publish', name, 'x'),
          ]
          const ours = [await may('holdfast', 'hget', name, 'x'), await may('holdfast', 'publish', name, 'x')]
          return found.every(one => one === own) && ours.every(one => one === !own) ? [] : [name]
        }),
      )
      expect(wrong.flat()).toEqual([])
    } finally {
      admin.disconnect()
      await server.close()
    }
  })
})

test('without redis-server on the PATH: one line that says what to install, and 69', async () => {
  const { code, stdout, stderr } = await bench.site.holdfast(['lab', 'redis-acl'], { env: { PATH: '/nowhere' } })
  expect(stderr).toContain('redis-server is not on the PATH')
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect({ code, stdout }).toEqual({ code: 69, stdout: '' })
})
