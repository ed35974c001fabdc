/** The template that the page shows is a store: it passes the whole suite, and the page shows what has passed. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeStore, modelTest } from '../../src/conformance/index.ts'
import { blocksOf } from '../docs/blocks.ts'
import { yourOwnStore } from '../fixtures/your-own-store.ts'

const tables = new Map<string, Map<string, string>>()

/** Two stores of one name are two processes on one table. */
async function make(storage: string): Promise<ReturnType<typeof yourOwnStore>> {
  const table = tables.get(storage) ?? new Map<string, string>()
  tables.set(storage, table)
  return yourOwnStore(table)
}

describeStore('a store of your own', make, { describe, test, beforeAll, afterAll })
modelTest('a store of your own', make, { test, runs: 15 })

test('the page on a driver of your own shows the template that runs, and no more than 50 lines of it', () => {
  const template = readFileSync(fileURLToPath(new URL('../fixtures/your-own-store.ts', import.meta.url)), 'utf8')
  const published = template.replaceAll('../../src/store/index.ts', 'holdfast/store').trimEnd()
  expect(blocksOf('docs/drivers/your-own.md').map(({ code }) => code)).toContain(published)
  expect(published.split('\n').length).toBeLessThan(55)
})
