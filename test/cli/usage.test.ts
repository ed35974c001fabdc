/** What the command line says to a mistake: one line, a code, no stack trace. And what it says when asked for help. */
import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { createSite } from '../support/holdfast.ts'

const site = createSite()
afterAll(() => site.clear())

const long = 'x'.repeat(10_000)

describe('a mistake is one line, and exit code 64', () => {
  test.each([
    [['run', 'k', '--tll', '30s', '--', 'true'], 'Did you mean --ttl?'],
    [['lss'], 'Did you mean ls?'],
    [['run', 'k', '--ttl', '30', '--', 'true'], '30s or 30ms?'],
    [['run', 'k', '--ttl', '0s', '--', 'true'], 'ttl must be more than 0'],
    [['run', 'k', '--ttl', '-5s', '--', 'true'], 'not a length of time'],
    [['run', 'k', '--ttl', 'NaN', '--', 'true'], 'not a length of time'],
    [['run', 'k', '--ttl', 'Infinity', '--', 'true'], 'not a length of time'],
    [['run', 'k', '--ttl', '60d', '--', 'true'], 'at most'],
    [['run', 'k', '--wait', '1 minute', '--', 'true'], 'not a length of time'],
    [['run', 'k', '--grace', '10s', '--', 'true'], 'two thirds'],
    [['run', 'k', '--grace', '5s', '--max-hold', '6s', '--', 'true'], 'two thirds'],
    [['run', 'k', '--limit', '0', '--', 'true'], 'at least 1'],
    [['run', 'k', '--limit', '1.5', '--', 'true'], 'at least 1'],
    [['run', 'k', '-E', '256', '--', 'true'], 'from 0 to 255'],
    [['run', 'k', '--meta', 'novalue', '--', 'true'], 'name=value'],
    [['run', 'k', '--meta', `a=${long}`, '--', 'true'], 'at most 512'],
    [['run', 'k', '--holder', '', '--', 'true'], 'holder'],
    [['run', 'k', '-n', '-w', '1s', '--', 'true'], 'cannot be used with'],
    [['run', 'k', '-q', '--json', '--', 'true'], 'cannot be used with'],
    [['ls', '--sort', 'size'], 'Allowed choices are key, waiters, age, left'],
    [['run', 'k'], 'missing required argument'],
    [['run', 'k', 'ls', '-l'], 'put -- in front'],
    [['run', '', '--', 'true'], 'must not be empty'],
    [['run', long, '--', 'true'], 'at most 1024'],
    [['inspect', ''], 'must not be empty'],
    [['ls', '--store', 'memory:'], 'one process'],
    [['run', 'k', '--store', 'memory:', '--', 'true'], 'one process'],
    [['ls', '--store', 'nonsense'], 'not an address'],
    [['ls', '--store', 'ftp://user:secret@host'], 'not an address'],
    [['revoke', 'k'], '--reason'],
    [['revoke', 'k', '--reason', 'r', '--token', 'abc'], 'whole number'],
    [['watch', '--interval', '1ms'], 'at least 10'],
  ])('%j', async (args, said) => {
    const { code, stdout, stderr } = await site.holdfast(args)
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
    expect(stderr).toMatch(/^holdfast: .*\n$/)
    expect(stderr).toContain(said)
    expect(stderr).not.toContain('secret')
  })
})

describe('a store that cannot be used is one line, and exit code 64 or 69', () => {
  test.each([
    ['a folder', () => site.folder],
    [
      'no SQLite file',
      () => (
        writeFileSync(site.path('text'), 'not a database, but long enough to be looked at '.repeat(100)),
        site.path('text')
      ),
    ],
    ['in a folder that is not there', () => '/proc/none/such/locks.db'],
  ])('%s', async (_name, path) => {
    for (const args of [['ls'], ['run', 'k', '--', 'true']]) {
      const { code, stderr } = await site.holdfast([
        ...args.slice(0, 1),
        '--store',
        `sqlite:${path()}`,
        ...args.slice(1),
      ])
      expect([64, 69]).toContain(code)
      expect(stderr).toMatch(/^holdfast: .*\n$/)
    }
  })

  test('a server that is not there is 69', async () => {
    const { code, stderr } = await site.holdfast(['run', 'k', '--store', 'redis://:hidden@127.0.0.1:1', '--', 'true'])
    expect(code).toBe(69)
    expect(stderr).toMatch(/^holdfast: .*\n$/)
    expect(stderr).not.toContain('hidden')
  })

  test('in production the embedded file must be asked for', async () => {
    const { code, stderr } = await site.holdfast(['ls'], { env: { NODE_ENV: 'production', HOLDFAST_STORE: '' } })
    expect(code).toBe(64)
    expect(stderr).toContain('HOLDFAST_STORE')
  })
})

describe('help', () => {
  test('names the commands, with examples', async () => {
    const { code, stdout } = await site.holdfast(['--help'])
    expect(code).toBe(0)
    for (const word of ['run', 'ls', 'inspect', 'watch', 'revoke', 'lab', 'Examples:']) expect(stdout).toContain(word)
  })

  test('of run tells the exit codes', async () => {
    const { code, stdout } = await site.holdfast(['run', '--help'])
    expect(code).toBe(0)
    for (const word of ['75', '76', '69', '64', '126', '--ttl', '--grace', 'HOLDFAST_FENCING_TOKEN'])
      expect(stdout).toContain(word)
  })

  test('without a command it is help, and 64', async () => {
    const { code, stderr } = await site.holdfast([])
    expect(code).toBe(64)
    expect(stderr).toContain('Usage: holdfast')
  })

  test('the version is the package`s', async () => {
    expect((await site.holdfast(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+/)
  })
})
