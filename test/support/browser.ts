/**
 * A real browser for the pages: Debian's chromium. Where there is none the tests say so and are not run; where all that
 * can be had must run (CI), they fail.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { existsSync } from 'node:fs'
import axe from 'axe-core'
import { chromium } from 'playwright-core'
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import type { TestContext } from 'vitest'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const PATIENCE_MS = 120_000

const program = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map(folder => join(folder, 'chromium'))
  .find(path => existsSync(path))

export function skipWithoutBrowser(context: TestContext): void {
  if (program !== undefined) return
  const obstacle = 'chromium is not on the PATH. Install it: apt-get install chromium'
  if ((process.env['HOLDFAST_TEST_INSISTED'] ?? '') !== '') throw new Error(obstacle)
  context.skip(obstacle)
}

/** What a page did that it should not. */
export interface Visit {
  readonly page: Page
  /** Messages of the console, uncaught errors, and whatever it asked for beyond its own file. */
  readonly complaints: readonly string[]
}

export interface Browser {
  /** A page that is one file, and asks for nothing else. */
  visit(path: string): Promise<Visit>
  /** A page of a server. */
  open(url: string): Promise<Page>
  close(): Promise<void>
}

/** One for each size and scheme, with a profile of its own. */
export async function openBrowser(options: BrowserContextOptions): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'holdfast-browser-'))
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    ...options,
    args: FLAGS,
    headless: true,
    timeout: PATIENCE_MS,
    ...(program === undefined ? {} : { executablePath: program }),
  })
  context.setDefaultTimeout(PATIENCE_MS)
  return {
    async visit(path) {
      const page = await context.newPage()
      const complaints: string[] = []
      page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`))
      page.on('pageerror', error => complaints.push(`uncaught: ${error.message}`))
      page.on('request', request => {
        const url = request.url()
        if (!url.startsWith('data:') && !url.startsWith(`file://${path}`)) complaints.push(`asks for ${url}`)
      })
      await page.goto(`file://${path}`)
      return { page, complaints }
    },
    async open(url) {
      const page = await context.newPage()
      await page.goto(url)
      return page
    },
    async close() {
      await context.close()
      rmSync(profile, { recursive: true, force: true })
    },
  }
}

/** Where a page is of no use to somebody, seriously, by the rules of axe. */
export async function obstaclesIn(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source)
  const text: unknown = await page.evaluate('axe.run().then(result => JSON.stringify(result.violations))')
  const violations: readonly axe.Result[] = JSON.parse(String(text))
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''}`)
}
