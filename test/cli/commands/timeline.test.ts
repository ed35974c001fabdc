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

test('merged, as JSON lines', async () => {
  const { code, stdout } = await site.holdfast(['timeline', '--merge', '--key', 'account:7', ...(await twoHolders())])
  const entries: readonly { readonly ms: number; readonly holder: string }[] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(entries.map(entry => entry.ms)).toEqual(entries.map(entry => entry.ms).toSorted((a, b) => a - b))
  expect(new Set(entries.map(entry => entry.holder))).toEqual(new Set(['holder A', 'holder B']))
  expect(code).toBe(0)
})

test('only a range of time is drawn, and all leases are told', async () => {
  const files = await twoHolders()
  const { stdout } = await site.holdfast(['timeline', '--from', '50ms', ...files])
  expect(stdout).not.toMatch(/holder A +acquired/)
  expect(stdout).toMatch(/holder A +released/)
  expect(stdout).toMatch(/^ +holder A +\d+ +0\.0 ms/m)
  const nothing = await site.holdfast(['timeline', '--from', '1h', ...files])
  expect(nothing).toMatchObject({ code: 0, stdout: '', stderr: 'holdfast: nothing happened in these journals\n' })
  expect(await site.holdfast(['timeline', '--from', '5', ...files])).toMatchObject({ code: 64 })
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

test('a file that is no journal is refused, and lines with other things in them are left out', async () => {
  const file = site.path('notes.txt')
  writeFileSync(file, 'Dear diary,\ntoday I held a lock.\n')
  expect(await site.holdfast(['timeline', file])).toMatchObject({
    code: 64,
    stdout: '',
    stderr: expect.stringContaining('is no journal: none of its 2 lines is an entry'),
  })
  const odd = site.path('odd.journal')
  const good = { at: 1, wall: 1, boot: 'b', holder: 'h', type: 'acquired', key: 'k', token: 1, waitedMs: 0 }
  const lines = [good, { ...good, key: 7 }, { ...good, token: '1' }, { ...good, holder: null }, [], 'text', 5, null]
  writeFileSync(odd, `${lines.map(line => JSON.stringify(line)).join('\n')}\n{"at":1e999,"wall":1}\n`)
  const { code, stdout, stderr } = await site.holdfast(['timeline', odd])
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('8 unreadable lines were left out') })
  expect(stdout).toContain('acquired, token 1, and never released in these journals')
})

test('journals of two machines are in order as far as their wall clocks agree, and that is said', async () => {
  const line = { type: 'acquired', key: 'k', token: 1, mode: 'exclusive', waitedMs: 0 }
  const files = ['a', 'b'].map((boot, index) => {
    const path = site.path(`${boot}.journal`)
    writeFileSync(path, `${JSON.stringify({ ...line, at: 9_000 - index, wall: 1_000 + index, boot, holder: boot })}\n`)
    return path
  })
  const { code, stdout, stderr } = await site.holdfast(['timeline', ...files])
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('of different hosts or boots') })
  expect(stdout.search(/ a +acquired/)).toBeLessThan(stdout.search(/ b +acquired/))
})

test('as a page, which says what may make it wrong', async () => {
  const files = await twoHolders()
  appendFileSync(files[0] ?? '', '{"at": 2, "wal')
  const path = site.path('page.html')
  const { code, stdout } = await site.holdfast(['timeline', '--report', path, ...files])
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  const page = readFileSync(path, 'utf8')
  for (const part of ['No two were at work at once.', '1 unreadable line was left out', 'account:7', 'holder B'])
    expect(page).toContain(part)
  const nowhere = await site.holdfast(['timeline', '--report', site.path('no/page.html'), ...files])
  expect(nowhere).toMatchObject({ code: 64, stdout: '' })
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
