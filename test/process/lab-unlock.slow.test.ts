/** The unlock experiment as users run it: three real processes and a real Redis. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { REDIS } from '../../src/servers/redis.ts'
import { skipWithout } from '../support/stores.ts'
import { createBench } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'
import { redisServer } from '../support/redis-server.ts'

const ROOT = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

describe('with a Redis of its own', () => {
  beforeEach(context => {
    skipWithout(REDIS, context)
  })

  test('what does not compare in one step removes the lock of a successor every time, what does not once', async () => {
    const { code, verdict, broken } = await bench.judge('unlock', '--rounds', '2')
    expect({ code, passed: verdict.passed, broken }).toEqual({ code: 0, passed: true, broken: [] })
    expect(verdict['settings']).toEqual({ ttlMs: 300, store: null })
    const each = (way: string, removed: boolean): unknown[] =>
      Array.from({ length: 2 }, () => ({
        way,
        removedOther: removed,
        overlapMs: removed ? expect.any(Number) : 0,
        exposed: 1,
      }))
    expect(verdict['rounds']).toEqual([
      ...each('del', true),
      ...each('get-del', true),
      ...each('if-exists', true),
      ...each('script', false),
      ...each('holdfast', false),
    ])
    expect(verdict.lessons).toHaveLength(5)
  })

  test.each([
    ['script', 'no two inside'],
    ['holdfast', 'no two inside'],
    ['del', 'shows the problem'],
    ['get-del', 'shows the problem'],
    ['if-exists', 'shows the problem'],
  ])('with the release of %s exchanged it says so and exits 1', async (way, claim) => {
    const { code, broken } = await bench.judge('unlock', '--rounds', '1', '--sabotage', way)
    expect(broken).toEqual([expect.stringContaining(claim)])
    expect(broken[0]).toMatch(new RegExp(`^${way}:`))
    expect(code).toBe(1)
  })

  test('for people: a timeline of each way, a table, what to learn, and a verdict', async () => {
    const { code, stdout } = await bench.run('unlock', '--rounds', '1', '--ttl', '200ms')
    for (const part of [
      'Antonio Alexander',
      'stopped between its GET and its DEL',
      'TWO INSIDE',
      'The ways side by side',
      'What to learn',
      'Verdict',
    ])
      expect(stdout).toContain(part)
    expect(code).toBe(0)
  })

  test('Ctrl-C ends it after the round, with neither processes nor files left, one of which may be stopped', async () => {
    const { finished, started, leftOver } = await bench.interrupt(
      'get-del: ',
      'unlock',
      '--rounds',
      '50',
      '--ttl',
      '100ms',
    )
    expect(started).toBe(4)
    expect({ code: finished.code, leftOver, leftBehind: bench.leftBehind() }).toEqual({
      code: 130,
      leftOver: [],
      leftBehind: [],
    })
    expect(finished.stdout).toContain('Ended early by SIGINT')
    expect(finished.stdout).not.toContain('Verdict')
  })

  test('raw keys are those of the namespace of the run', async () => {
    const args = ['--rounds', '1', '--sabotage', 'holdfast', '--ways', 'holdfast', '--namespace', 'shop:a']
    expect((await bench.judge('unlock', ...args)).broken).toEqual([expect.stringContaining('no two inside')])
  })

  test('a Redis of the user is used, and left without a trace', async () => {
    const server = await redisServer()
    try {
      const { code, verdict } = await bench.judge('unlock', '--rounds', '1', '--store', `${server.url}?namespace=shop`)
      expect({ code, broken: verdict.findings.filter(finding => !finding.holds) }).toEqual({ code: 0, broken: [] })
      expect(await server.ask('KEYS', '*')).toEqual([])
    } finally {
      await server.close()
    }
  })
})

test('without redis-server on the PATH: one line that says what to install, and 69', async () => {
  const { code, stdout, stderr } = await bench.site.holdfast(['lab', 'unlock'], { env: { PATH: '/nowhere' } })
  expect(stderr).toMatch(/redis-server is not on the PATH.*redis:\/\//)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect({ code, stdout }).toEqual({ code: 69, stdout: '' })
})

test('without a client package: one line that says what to install, and 69', async () => {
  // The package as it is installed where nobody has asked for Redis.
  const modules = bench.site.path('node_modules')
  const home = join(modules, 'holdfast')
  cpSync(ROOT('dist'), join(home, 'dist'), { recursive: true })
  cpSync(ROOT('package.json'), join(home, 'package.json'))
  mkdirSync(join(modules, '@photostructure'))
  for (const name of ['commander', '@photostructure/sqlite'])
    symlinkSync(ROOT(`node_modules/${name}`), join(modules, name))
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(home, 'dist/cli/main.js'), 'lab', 'unlock', '--store', 'redis://127.0.0.1:1'],
    { encoding: 'utf8' },
  )
  expect(stderr).toContain('npm install ioredis')
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect({ status, stdout }).toEqual({ status: 69, stdout: '' })
})

test.each([
  [['--rounds', '0'], '--rounds'],
  [['--ttl', '30'], '30s or 30ms?'],
  [['--store', 'sqlite:x'], 'redis://localhost:6379'],
  [['--sabotage', 'luck'], '"luck"'],
])('a mistake is answered with one line and 64: %o', async (args, message) => {
  const { code, stdout, stderr } = await bench.site.holdfast(['lab', 'unlock', ...args])
  expect(stderr).toContain(message)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
})
