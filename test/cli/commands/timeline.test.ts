/** `holdfast timeline`: journals that real locks wrote, drawn by the real command. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { open } from '../../../src/open.ts'
import { createSite } from '../../support/holdfast.ts'
import type { Site } from '../../support/holdfast.ts'

let site: Site
beforeEach(() => {
  site = createSite()
})
afterEach(() => site.clear())

async function twoHolders(): Promise<readonly string[]> {
  const files = [site.path('a.journal'), site.path('b.journal')]
  const [a, b] = await Promise.all(
    files.map((journal, index) => open(site.store, { journal, holder: `holder ${'AB'[index]}` })),
  )
  if (a === undefined || b === undefined) throw new Error('not opened')
  const lease = await a.acquire('account:7')
  const second = b.acquire('account:7')
  await new Promise(resolve => setTimeout(resolve, 100))
  await lease.release()
  await (await second).release()
  await Promise.all([a.close(), b.close()])
  return files
}

test('who held what when, over all files, in order of time', async () => {
  const { code, stdout, stderr } = await site.holdfast(['timeline', ...(await twoHolders())])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^account:7\n/)
  const order = [
    /holder A +acquired/,
    /holder B +waits, 1 ahead, held by holder A/,
    /holder A +released/,
    /holder B +acquired/,
    /holder B +released/,
  ]
  const places = order.map(pattern => stdout.search(pattern))
  expect(places).not.toContain(-1)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(stdout).toContain('━')
})

test('--check finds that no two believed at once, or names those who did', async () => {
  const files = await twoHolders()
  const good = await site.holdfast(['timeline', '--check', ...files])
  expect(good).toMatchObject({ code: 0, stdout: '2 leases, and no two believed at once\n', stderr: '' })

  const locks = await open(site.store, { journal: site.path('c.journal'), holder: 'C' })
  const old = await locks.acquire('account:8')
  await site.holdfast(['revoke', 'account:8', '--reason', 'r', '--now'])
  // Its owner may have heard of the revocation already: only what another would have had of the lease is forged.
  const [grant = ''] = readFileSync(site.path('c.journal'), 'utf8').match(/^.*"acquired".*\n/m) ?? []
  const forged = grant.replaceAll('"C"', '"D"').replaceAll(`${old.token}`, '77')
  await old.release()
  await locks.close()
  writeFileSync(site.path('d.journal'), forged)
  appendFileSync(site.path('d.journal'), forged.replaceAll('acquired', 'renewed').replace(/"at":(\d+)/, '"at":1$1'))
  const both = await site.holdfast(['timeline', '--check', site.path('c.journal'), site.path('d.journal')])
  expect(both.code).toBe(1)
  expect(both.stdout).toMatch(
    /^"account:8": C \(token \d+\) and D \(token 77\) both believed to hold it, for .* since /,
  )
  expect(both.stderr).toMatch(/^holdfast: 1 lease without an end/)
  const json = await site.holdfast(['timeline', '--check', '--json', site.path('c.journal'), site.path('d.journal')])
  expect(JSON.parse(json.stdout)).toMatchObject({
    version: 1,
    leases: 2,
    open: 1,
    overlaps: [{ key: 'account:8', first: { holder: 'C' }, second: { holder: 'D' } }],
  })
  const other = await site.holdfast([
    'timeline',
    '--check',
    '--key',
    'k',
    site.path('c.journal'),
    site.path('d.journal'),
  ])
  expect(other.code).toBe(0)
})

test('as JSON lines, merged', async () => {
  const { code, stdout } = await site.holdfast(['timeline', '--json', '--key', 'account:7', ...(await twoHolders())])
  const entries: readonly { readonly ms: number; readonly holder: string }[] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(entries.map(entry => entry.ms)).toEqual(entries.map(entry => entry.ms).toSorted((a, b) => a - b))
  expect(new Set(entries.map(entry => entry.holder))).toEqual(new Set(['holder A', 'holder B']))
  expect(code).toBe(0)
})

test('lines that are cut short are counted and left out; keys cannot forge lines', async () => {
  const file = site.path('odd.journal')
  writeFileSync(
    file,
    `${JSON.stringify({ at: 1, wall: 1, boot: 'b', holder: 'h', type: 'acquired', key: 'a\nb', token: 1, waitedMs: 0 })}\n`,
  )
  appendFileSync(file, '{"at": 2, "wal')
  const { code, stdout, stderr } = await site.holdfast(['timeline', file])
  expect(stderr).toContain('1 unreadable line was left out')
  expect(stdout.split('\n')[0]).toBe('"a\\nb"')
  expect(code).toBe(0)
})

test('nothing to draw is said; a file that is not there is a mistake', async () => {
  const file = site.path('empty.journal')
  writeFileSync(file, '')
  expect(await site.holdfast(['timeline', file])).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'holdfast: nothing happened in these journals\n',
  })
  expect(await site.holdfast(['timeline', site.path('nowhere')])).toMatchObject({ code: 64, stdout: '' })
  expect(await site.holdfast(['timeline', '--last', '0', file])).toMatchObject({ code: 64 })
  expect(await site.holdfast(['timeline'])).toMatchObject({ code: 64 })
})
