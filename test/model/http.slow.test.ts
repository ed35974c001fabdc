import { afterAll, beforeAll, test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { httpStore } from '../../src/drivers/http.ts'
import { httpServer } from '../support/http-server.ts'
import type { HttpServer } from '../support/http-server.ts'

let server: HttpServer
beforeAll(async () => void (server = await httpServer('memory:')))
afterAll(() => server.close())

async function make(storage: string): Promise<ReturnType<typeof httpStore>> {
  const store = httpStore(server.url(storage))
  await store.connect?.({ timeoutMs: 10_000 })
  return store
}

modelTest('http before memory', make, { test, runs: 12, marginMs: 200 })
