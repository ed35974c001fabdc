/** Experiments on a row of the user's own database server, with its own row locks. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBench } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'
import { describeWithStore, storeUrl } from '../support/stores.ts'

const QUICK = ['--duration', '600ms', '--interval', '60ms'] as const
const TIMEOUT_MS = 120_000

let bench: Bench
beforeEach(() => {
  bench = createBench()
})
afterEach(() => bench.site.clear())

for (const name of ['mariadb', 'mysql', 'postgres']) {
  describeWithStore(name, `a row in ${name}`, url => {
    const db = ['--db', url] as const

    test(
      'only without protection are updates lost, and only versions give errors',
      { timeout: TIMEOUT_MS },
      async () => {
        const redis = storeUrl('redis')
        const store = redis === undefined ? [] : ['--store', redis]
        const { code, verdict, broken } = await bench.judge('employee', ...QUICK, ...db, ...store)
        expect({ code, broken }).toEqual({ code: 0, broken: [] })
        expect(verdict['conditions']).toMatchObject({ 'row lock': expect.stringContaining('FOR UPDATE') })
      },
    )

    test("a table of locks beside holdfast's own driver on the same database", { timeout: TIMEOUT_MS }, async () => {
      await bench.site.holdfast(['migrate', url])
      const lengths = ['--ttl', '1s', '--sweep', '6s']
      const { code, broken } = await bench.judge('ttl-index', ...lengths, ...db, '--store', url)
      expect({ code, broken }).toEqual({ code: 0, broken: [] })
    })

    test(
      "without holdfast's driver a dead holder blocks, and a late unlock removes a lock",
      { timeout: TIMEOUT_MS },
      async () => {
        await bench.site.holdfast(['migrate', url])
        const ways = ['--ways', 'holdfast', '--sabotage', 'holdfast']
        const { code, broken } = await bench.judge('ttl-index', ...ways, ...db, '--store', url)
        expect({ code, broken }).toEqual({
          code: 1,
          broken: [
            'holdfast: a dead holder blocks for its ttl, and not until a sweep',
            "holdfast: a late release removes nobody's lock, not that of its own instance either",
          ],
        })
      },
    )

    test('without the row lock it fails', { timeout: TIMEOUT_MS }, async () => {
      const ways = ['--ways', 'row-lock', '--sabotage', 'row-lock']
      const { code, broken } = await bench.judge('employee', ...QUICK, ...db, ...ways)
      expect(code).toBe(1)
      expect(broken).toContain('row-lock: no data inconsistencies, no update lost')
    })

    test('who waits for the row is seen to wait, and one of two is paid', { timeout: TIMEOUT_MS }, async () => {
      const { code, broken } = await bench.judge('withdrawal', '--rounds', '2', ...db)
      expect({ code, broken }).toEqual({ code: 0, broken: [] })
    })
  })
}

test('a database that cannot be used: 64, and what to name', { timeout: TIMEOUT_MS }, async () => {
  const { code, stderr } = await bench.run('employee', '--db', 'mysql://nobody@127.0.0.1:1/test')
  expect(stderr).toMatch(/--db: "mysql:\/\/nobody@127.0.0.1:1\/test" cannot be used/)
  expect(code).toBe(64)
})
