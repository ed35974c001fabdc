import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { httpStore } from '../../src/drivers/http.ts'
import { httpServer } from '../support/http-server.ts'
import type { HttpServer } from '../support/http-server.ts'
import { describeWithStore } from '../support/stores.ts'

const runner = { describe, test, beforeAll, afterAll }
/**
 * A client's first call asks what is behind the server, and the first to ask for a storage opens it. Two processes
 * share the way, so that on a busy machine a life must be longer than the store itself would need it.
 */
const FAR = { coldMs: 200, leastTtlMs: 800, atOnce: 12 }

/** The server in a process of its own, before the store at this address. */
function suite(behind: string, address: string): void {
  let server: HttpServer
  beforeAll(async () => void (server = await httpServer(address)))
  afterAll(() => server.close())
  describeStore(
    `http before ${behind}`,
    async storage => {
      const store = httpStore(server.url(storage))
      await store.connect?.({ timeoutMs: 10_000 })
      return store
    },
    runner,
    {
      ...FAR,
      async restart() {
        await server.kill()
        await server.start()
      },
    },
  )
}

const directory = mkdtempSync(join(tmpdir(), 'holdfast-http-'))
afterAll(() => rmSync(directory, { recursive: true }))

describe('before memory', () => suite('memory', 'memory:'))
describe('before SQLite', () => suite('SQLite', `sqlite:${join(directory, 'locks.db')}`))
describeWithStore('redis', 'before Redis', url => suite('Redis', url))
