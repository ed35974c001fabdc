/** The pages in a real browser: on a desk and on a phone, in light and dark, by keyboard, and with hostile names. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { html } from '../../src/report/html.ts'
import { lanesIn } from '../../src/report/lanes.ts'
import { page as pageOf } from '../../src/report/page.ts'
import { obstaclesIn, openBrowser, skipWithoutBrowser } from '../support/browser.ts'
import type { Browser, Visit } from '../support/browser.ts'
import { createBench } from '../support/lab.ts'
import type { Bench } from '../support/lab.ts'
import { pauseOneProgram } from '../support/paused-program.ts'
import { HOSTILE, hostileLanes } from './hostile.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-pages-'))
/** Kept if somebody says where: to look at them. */
const shots = process.env['HOLDFAST_TEST_SCREENSHOTS'] ?? join(folder, 'shots')
let bench: Bench
const file = (name: string): string => join(folder, `${name}.html`)

beforeAll(async () => {
  mkdirSync(shots, { recursive: true })
  bench = createBench()
  const good = await bench.run('withdrawal', '--rounds', '2', '--report', file('good'))
  const sabotaged = ['--rounds', '1', '--sabotage', 'lock']
  const bad = await bench.run('withdrawal', ...sabotaged, '--report', file('bad'))
  expect([good.code, bad.code]).toEqual([0, 1])
  const { journals } = await pauseOneProgram(bench.site, bench.site.store)
  await bench.site.holdfast(['timeline', '--report', file('timeline'), ...journals])
  const body = [lanesIn(hostileLanes, { id: 'h', title: HOSTILE })]
  const hostile = { title: HOSTILE, kicker: HOSTILE, heading: HOSTILE, body, foot: html`<p>${HOSTILE}</p>` }
  writeFileSync(file('hostile'), pageOf(hostile))
}, 300_000)
afterAll(() => {
  bench.site.clear()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(context => skipWithoutBrowser(context))

let browser: Browser | null = null
afterEach(async () => {
  await browser?.close()
  browser = null
})

async function visit(name: string, options: Parameters<typeof openBrowser>[0]): Promise<Visit> {
  browser = await openBrowser(options)
  return browser.visit(file(name))
}

const DESK = { width: 1280, height: 900 }
const PHONE = { width: 375, height: 800 }

describe.each([
  ['on a desk, light', { viewport: DESK, colorScheme: 'light' }],
  ['on a desk, dark', { viewport: DESK, colorScheme: 'dark' }],
  ['on a phone, light', { viewport: PHONE, colorScheme: 'light' }],
  ['on a phone, dark', { viewport: PHONE, colorScheme: 'dark' }],
] as const)('%s', (title, options) => {
  test('each page complains of nothing, is in nobody’s way, and fits into the window', async () => {
    browser = await openBrowser(options)
    for (const name of ['good', 'bad', 'timeline', 'hostile']) {
      const { page, complaints } = await browser.visit(file(name))
      await page.screenshot({ path: join(shots, `${name}, ${title}.png`), fullPage: true })
      const wider = await page.evaluate('document.documentElement.scrollWidth > window.innerWidth')
      expect({ name, complaints, obstacles: await obstaclesIn(page), wider }).toEqual({
        name,
        complaints: [],
        obstacles: [],
        wider: false,
      })
      await page.close()
    }
  })
})

test('says at a glance whether the experiment showed what it must, and red means that a repair was taken out', async () => {
  const { page } = await visit('good', { viewport: DESK })
  expect(await page.locator('.status').getAttribute('class')).toContain('good')
  expect(await page.locator('.status').textContent()).toContain('With the repair of a way taken out')
  expect(await page.locator('blockquote').textContent()).toContain('both of you manage to withdraw')
  await page.goto(`file://${file('bad')}`)
  expect(await page.locator('.status').getAttribute('class')).toContain('bad')
  expect(await page.locator('.status').textContent()).toContain('SABOTAGED: "lock"')
  expect(await page.locator('.findings .no').count()).toBeGreaterThan(0)
})

test('the lanes are walked by keyboard: one stop of Tab, the arrows within, Enter to the event', async () => {
  const { page } = await visit('good', { viewport: DESK })
  const here = (): Promise<string> => page.evaluate('document.activeElement.getAttribute("aria-label") ?? ""')
  const isInside = (): Promise<boolean> => page.evaluate('document.activeElement.closest("svg.picture") !== null')
  await tabUntil(page, isInside)
  const [first] = [await here()]
  expect(first).toMatch(/^you: working without a lock/)
  expect(await page.locator('.detail').first().textContent()).toBe(first)
  await page.keyboard.press('ArrowRight')
  expect(await here()).toMatch(/^1\. .* you: sees a balance of 5000$/)
  await page.keyboard.press('ArrowDown')
  expect(await here()).toContain('your friend')
  await page.keyboard.press('End')
  expect(await here()).toMatch(/^4\. .*pays 5000$/)
  await page.keyboard.press('ArrowUp')
  expect(await here()).toContain('you: ')
  await page.keyboard.press('Home')
  expect(await here()).toBe(first)
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  expect(page.url()).toMatch(/#withdrawal-none-1$/)
  expect(await page.locator('tr:target').textContent()).toContain('sees a balance')
  await page.locator('a.pin').nth(1).focus()
  await page.keyboard.press('Tab')
  expect(await isInside()).toBe(false)
})

async function tabUntil(page: Page, isThere: () => Promise<boolean>): Promise<void> {
  for (let stops = 0; stops < 50; stops += 1) {
    await page.keyboard.press('Tab')
    if (await isThere()) return
  }
  throw new Error('Tab does not lead there')
}

test('what is pointed at is told, and a picture can be saved as a file that stands alone', async () => {
  const { page } = await visit('good', { viewport: DESK })
  await page.locator('a.pin').nth(1).hover()
  expect(await page.locator('.detail').first().textContent()).toMatch(/^\d\. .*: /)
  const downloading = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Save picture' }).first().click()
  const saved = join(folder, 'saved.svg')
  const download = await downloading
  expect(download.suggestedFilename()).toBe('withdrawal-none.svg')
  await download.saveAs(saved)
  expect(readFileSync(saved, 'utf8')).toContain('--held')
  await page.goto(`file://${saved}`)
  expect(await page.locator('svg text.name').allTextContents()).toEqual(['you', 'your friend'])
  expect(await page.locator('svg .told text:visible').count()).toBe(4)
})

test('without scripts there are the tables, the pictures, and their links', async () => {
  const { page } = await visit('good', { viewport: DESK, javaScriptEnabled: false })
  expect(await page.locator('table').count()).toBeGreaterThan(5)
  expect(await page.locator('svg.picture:visible').count()).toBe(4)
  await page.locator('a.pin').first().click()
  expect(await page.locator('tr:target').count()).toBe(1)
})

test('on paper there are no buttons, and the wide picture', async () => {
  const { page } = await visit('good', { viewport: DESK })
  await page.emulateMedia({ media: 'print' })
  await page.screenshot({ path: join(shots, 'good, on paper.png'), fullPage: true })
  expect(await page.locator('button:visible').count()).toBe(0)
  expect(await page.locator('svg.picture:visible').count()).toBe(4)
})

test('hostile names are shown as they are, and do nothing', async () => {
  const { page, complaints } = await visit('hostile', { viewport: DESK })
  expect(await page.locator('h1').textContent()).toContain('<script>')
  expect(await page.evaluate('globalThis.hurt')).toBeUndefined()
  expect(await page.locator('script').count()).toBe(1)
  expect(complaints).toEqual([])
})
