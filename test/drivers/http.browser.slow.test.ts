/** The http driver where it is to run besides Node's main thread: in a page of another origin, and in workers. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/drivers/memory.ts'
import { serveStore } from '../../src/server/index.ts'
import type { Store } from '../../src/store/contract.ts'
import { openBrowser, skipWithoutBrowser } from '../support/browser.ts'

const ALL = ['holds', 'waits', 'pushed', 'held', 'refused', 'held']
const SECRET = 'correct horse'
const ROOT = new URL('../../', import.meta.url)
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
}

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** The files of this project, as a site of its own would have them. Gives its origin. */
async function site(): Promise<string> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://site')
    readFile(fileURLToPath(new URL(`.${pathname}`, ROOT))).then(
      content => response.writeHead(200, { 'content-type': TYPES[extname(pathname)] ?? 'text/plain' }).end(content),
      () => response.writeHead(404).end(),
    )
  })
  closing.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

/** Its address with the secret. */
async function served(store: Store, origins: readonly string[]): Promise<string> {
  const server = serveStore(store, { secret: SECRET, origins })
  closing.push(() => server.close())
  return (await server.listen()).url.replace('http://', `http://:${encodeURIComponent(SECRET)}@`)
}

describe('in a browser', () => {
  beforeEach(context => skipWithoutBrowser(context))

  /** What came of each step on a page of that origin. */
  async function onPage(origin: string, store: string, query = ''): Promise<unknown> {
    const browser = await openBrowser({})
    closing.push(() => browser.close())
    const page = await browser.open(`${origin}/test/fixtures/http/page.html?store=${encodeURIComponent(store)}${query}`)
    await page.waitForFunction('globalThis.said !== undefined')
    return page.evaluate('globalThis.said')
  }

  test('a page of an origin that may ask holds, waits, is pushed, and leaves', async () => {
    const origin = await site()
    expect(await onPage(origin, await served(memoryStore(), [origin]))).toEqual(ALL)
  })

  test('so does a worker of such a page', async () => {
    const origin = await site()
    expect(await onPage(origin, await served(memoryStore(), [origin]), '&worker')).toEqual(ALL)
  })

  test('a page of another origin is kept out, and nothing is locked', async () => {
    const origin = await site()
    const store = memoryStore()
    const said = await onPage(origin, await served(store, ['https://app.example']))
    expect(said).toEqual([expect.stringContaining('StoreUnavailableError')])
    expect(await store.inspect('account:7', { timeoutMs: 1_000 })).toBeNull()
  })
})

test('a worker thread of Node holds, waits, is pushed, and leaves, and ends by itself', async () => {
  const workerData = await served(memoryStore(), [])
  const worker = new Worker(new URL('../fixtures/http/worker.mjs', import.meta.url), { workerData })
  closing.push(() => worker.terminate())
  const ended = new Promise<number>((resolve, reject) => worker.once('exit', resolve).once('error', reject))
  const said = new Promise<unknown>(resolve => worker.once('message', resolve))
  expect(await Promise.race([said, ended])).toEqual(ALL)
  expect(await ended).toBe(0)
})
