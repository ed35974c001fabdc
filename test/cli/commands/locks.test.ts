/** ls, inspect, watch, revoke on a real store, and `run -n` against a held lock. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { open } from '../../../src/index.ts'
import type { Locks } from '../../../src/index.ts'
import { createSite, until } from '../../support/holdfast.ts'

const site = createSite()
afterAll(() => site.clear())

let locks: Locks
beforeEach(async () => {
  locks = await open(site.store, { holder: 'host-a:1', fair: 'strict' })
})
afterEach(() => locks.close({ drain: 0 }))

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)

describe('ls', () => {
  test('shows a row for each holder, in columns', async () => {
    const exclusive = await locks.acquire('report')
    const shared = [await locks.acquire('数据', { mode: 'shared' }), await locks.acquire('数据', { mode: 'shared' })]
    const { code, stdout } = await site.holdfast(['ls'])
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^KEY {5}HOLDER {4}TOKEN {13}FOR +LEFT +WAITERS$/)
    expect(lines[1]).toMatch(/^report {2}host-a:1 {2}\d{16} {2}\d+ ms +1\d(\.\d)? s +0$/)
    expect(lines[2]).toMatch(/^数据 {4}host-a:1 {2}\d{16}/)
    expect(lines).toHaveLength(4)
    await Promise.all([exclusive, ...shared].map(lease => lease.release()))
  })

  test('--json is a list of keys, holders, tokens, time left, waiters', async () => {
    const lease = await locks.acquire('orders/7', { meta: { job: 'nightly' } })
    const { stdout } = await site.holdfast(['ls', '--json', 'orders/'])
    const views: unknown = JSON.parse(stdout)
    expect(views).toMatchObject({
      version: 1,
      locks: [
        {
          key: 'orders/7',
          token: lease.token,
          holders: [{ holder: 'host-a:1', token: lease.token, mode: 'exclusive', meta: { job: 'nightly' } }],
          waiters: [],
        },
      ],
    })
    expect(JSON.parse((await site.holdfast(['ls', '--json', 'other/'])).stdout)).toEqual({ version: 1, locks: [] })
    await lease.release()
  })

  test('nothing held is no output, and on stderr which store was asked', async () => {
    const { code, stdout, stderr } = await site.holdfast(['ls'])
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: '',
      stderr: `holdfast: nothing is locked in ${site.store}\n`,
    })
    const env = { HOLDFAST_STORE: '', XDG_STATE_HOME: site.path('state') }
    const embedded = await site.holdfast(['ls', '--namespace', 'app'], { env })
    const file = site.path('state/holdfast/locks.db')
    expect(embedded.stderr).toBe(`holdfast: nothing is locked in sqlite:${file}, namespace app\n`)
  })

  test('is in the order of the keys, and as --sort asks; --holder and --waiting choose', async () => {
    const other = await open(site.store, { holder: 'host-b:2', fair: 'strict' })
    const held = [await locks.acquire('c', { ttl: '20s' }), await other.acquire('a', { ttl: '30s' })]
    held.push(await locks.acquire('b', { ttl: '10s' }))
    const stop = new AbortController()
    const waits = other.acquire('c', { wait: '60s', signal: stop.signal }).catch(() => null)
    await until('the waiter to stand in the queue', async () => (await locks.inspect('c'))?.waiters.length === 1)
    const keys = async (...args: readonly string[]): Promise<string> =>
      (await site.holdfast(['ls', ...args])).stdout.replaceAll(/^(\w+).*\n/gm, '$1 ').trim()
    expect(await keys()).toBe('KEY a b c')
    expect(await keys('--sort', 'waiters')).toBe('KEY c a b')
    expect(await keys('--sort', 'age')).toBe('KEY c a b')
    expect(await keys('--sort', 'left')).toBe('KEY b c a')
    expect(await keys('--holder', 'host-b')).toBe('KEY a')
    expect(await keys('--waiting')).toBe('KEY c')
    stop.abort()
    await waits
    await Promise.all(held.map(lease => lease.release()))
    await other.close()
  })

  test('marks what was revoked, and what is only kept', async () => {
    const [first, second] = [await locks.acquire('first'), await locks.acquire('second', { minHold: '30s' })]
    expect((await site.holdfast(['ls'])).stdout).not.toContain('MARK')
    await second.release()
    await locks.revoke('first', { reason: 'r', tickets: 'holders' })
    const [head, ...rows] = (await site.holdfast(['ls'])).stdout.trimEnd().split('\n')
    expect(head).toMatch(/ WAITERS {2}MARK$/)
    expect(rows).toEqual([expect.stringMatching(/^first .* revoked$/), expect.stringMatching(/^second .* kept$/)])
    expect((await site.holdfast(['inspect', 'second'])).stdout).toMatch(/, kept\n$/)
    const { stdout } = await site.holdfast(['ls', '--json', 'second'])
    expect(JSON.parse(stdout)).toMatchObject({ locks: [{ holders: [{ kept: true }] }] })
    expect(stdout).not.toMatch(/\d\.\d/)
    await first.release()
    await locks.revoke('second', { reason: 'r', tickets: 'holders', now: true })
  })

  test.each(['../x', '😀', 'a b', 'tab\there', 'line\nbreak', '\u001b[31mred', 'nul\0byte'])(
    'a key such as %j keeps to its line',
    async key => {
      const lease = await locks.acquire(key)
      const { stdout } = await site.holdfast(['ls'])
      expect(stdout.trimEnd().split('\n')).toHaveLength(2)
      expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
      expect(JSON.parse((await site.holdfast(['ls', '--json'])).stdout)).toMatchObject({ locks: [{ key }] })
      await lease.release()
    },
  )
})

describe('inspect', () => {
  test('exits 0 when held, and says by whom', async () => {
    const lease = await locks.acquire('report', { meta: { job: 'nightly' } })
    const { code, stdout } = await site.holdfast(['inspect', 'report'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^report: held\n {2}host-a:1 holds for \d+(\.\d+)? m?s, \d+(\.\d)? s left unless renewed, token \d+, meta job=nightly\n$/,
    )
    const shown: unknown = JSON.parse((await site.holdfast(['inspect', 'report', '--json'])).stdout)
    expect(shown).toMatchObject({ key: 'report', held: true, holders: [{ token: lease.token }] })
    await lease.release()
  })

  test('exits 1 when free', async () => {
    expect(await site.holdfast(['inspect', 'nobody'])).toMatchObject({ code: 1, stdout: 'nobody: free\n' })
    const { code, stdout } = await site.holdfast(['inspect', 'nobody', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toEqual({
      version: 1,
      key: 'nobody',
      held: false,
      token: null,
      holders: [],
      waiters: [],
    })
  })
})

describe('run against a held lock', () => {
  test('-n exits 75 and names the holder; -E changes the code', async () => {
    const lease = await locks.acquire('report')
    const refused = await site.holdfast(['run', 'report', '-n', '--', 'true'])
    expect(refused).toMatchObject({ code: 75, stdout: '' })
    expect(refused.stderr).toMatch(/^holdfast: "report" is held by host-a:1 for [\d.]+ m?s\n$/)
    expect((await site.holdfast(['run', 'report', '-n', '-E', '0', '--', 'true'])).code).toBe(0)
    await lease.release()
  })

  test('-q says nothing of what the exit code says, but of a mistake', async () => {
    const lease = await locks.acquire('report')
    for (const args of [['-n'], ['-w', '200ms']]) {
      const refused = await site.holdfast(['run', 'report', '-q', ...args, '--', 'true'])
      expect(refused).toMatchObject({ code: 75, stdout: '', stderr: '' })
    }
    const unreachable = await site.holdfast(['run', 'k', '-q', '--store', 'redis://127.0.0.1:1', '--', 'true'])
    expect(unreachable).toMatchObject({ code: 69, stderr: '' })
    const mistake = await site.holdfast(['run', 'report', '-q', '--ttl', '30', '--', 'true'])
    expect(mistake).toMatchObject({ code: 64, stderr: expect.stringContaining('30s or 30ms?') })
    await lease.release()
    const stopped = await site.holdfast(['run', 'k', '-q', '--max-hold', '300ms', '--', 'sleep', '60'])
    expect(stopped).toMatchObject({ code: 76, stderr: '' })
  })

  test('-w gives up in time, with 75', async () => {
    const lease = await locks.acquire('report')
    const before = Date.now()
    const { code, stderr } = await site.holdfast(['run', 'report', '-w', '300ms', '--', 'true'])
    expect(Date.now() - before).toBeGreaterThanOrEqual(300)
    expect(code).toBe(75)
    expect(stderr).toMatch(
      /^holdfast: waiting for "report", held by host-a:1 for .*\nholdfast: gave up on "report" after \d+ ms: held by host-a:1 for .*\n$/,
    )
    await lease.release()
  })

  test('--json says the same on stderr, as JSON lines', async () => {
    const lease = await locks.acquire('report')
    const { stderr } = await site.holdfast(['run', 'report', '-n', '--json', '--', 'true'])
    expect(JSON.parse(stderr)).toMatchObject({ event: 'refused', key: 'report', holders: [{ holder: 'host-a:1' }] })
    await lease.release()
    const ran = await site.holdfast(['run', 'report', '--json', '--', 'sh', '-c', 'exit 3'])
    const events: readonly unknown[] = ran.stderr
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(events).toMatchObject([{ event: 'acquired' }, { event: 'ended', code: 3, signal: null, exit: 3 }])
  })
})

describe('revoke', () => {
  test('tells the holder, with the reason', async () => {
    const lease = await locks.acquire('report')
    const { code, stdout } = await site.holdfast(['revoke', 'report', '--reason', 'stuck since noon'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^revoked 1 of "report"; free when its owner has stopped, at the latest in 1\d(\.\d)? s, at \d\d:\d\d:\d\d\n$/,
    )
    await expect(lease.renew()).rejects.toThrow()
    expect(String(lease.signal.reason)).toContain('stuck since noon')
    await lease.release()
  })

  test('--token chooses one, --json tells how many, nothing to revoke is 0', async () => {
    const [first, second] = [await locks.acquire('pool', { limit: 3 }), await locks.acquire('pool', { limit: 3 })]
    const one = await site.holdfast(['revoke', 'pool', '--reason', 'r', '--token', String(second.token), '--json'])
    expect(JSON.parse(one.stdout)).toMatchObject({ version: 1, key: 'pool', revoked: 1 })
    await first.renew()
    await Promise.all([first.release(), second.release()])
    const none = await site.holdfast(['revoke', 'pool', '--reason', 'r'])
    expect(none.code).toBe(0)
    expect(none.stdout).toContain('nothing to revoke')
  })

  test('--wait returns when the holder has stopped', async () => {
    const lease = await locks.acquire('report')
    lease.signal.addEventListener('abort', () => setTimeout(() => void lease.release(), 500))
    const { code, stdout } = await site.holdfast(['revoke', 'report', '--reason', 'r', '--wait'])
    expect(code).toBe(0)
    expect(stdout).toContain('at the latest')
    expect(await locks.inspect('report')).toBeNull()
  })

  test('--wait waits no longer than a dead holder lives', async () => {
    const dead = await open(site.store, { holder: 'dead', renew: 'manual', ttl: '2s' })
    await dead.acquire('report', { wait: 0 })
    const before = Date.now()
    expect((await site.holdfast(['revoke', 'report', '--reason', 'r', '--wait'])).code).toBe(0)
    expect(Date.now() - before).toBeGreaterThan(500)
    expect(await locks.inspect('report')).toBeNull()
    await dead.close({ drain: 0 })
  })

  test('--now frees it at once', async () => {
    await locks.acquire('report')
    await site.holdfast(['revoke', 'report', '--reason', 'r', '--now'])
    expect((await site.holdfast(['run', 'report', '-n', '--', 'true'])).code).toBe(0)
  })
})

describe('watch', () => {
  test('tells who takes and gives back, and ends at Ctrl-C with 0', async () => {
    const watching = site.start(['watch', 'report', '--interval', '50ms', '--json'])
    let stdout = ''
    watching.child.stdout?.on('data', piece => (stdout += String(piece)))
    const lease = await locks.acquire('report')
    await until('the grant to be told', () => stdout.includes('"held"'))
    await lease.release()
    await until('the release to be told', () => stdout.includes('"released"'))
    watching.child.kill('SIGINT')
    const { code, stderr } = await watching.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const events: unknown = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(isList(events)).toBe(true)
    expect(events).toMatchObject([
      { key: 'report', change: 'held', holder: 'host-a:1', token: lease.token },
      { key: 'report', change: 'released', holder: 'host-a:1', token: lease.token },
    ])
  })
})
