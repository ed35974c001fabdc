import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, test } from 'vitest'
import { sqliteStore } from '../../src/drivers/sqlite.ts'
import { manualClock } from './manual-clock.ts'
import { modelTest } from '../../src/conformance/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-model-'))
const clock = manualClock()

const path = (storage: string): string => join(directory, `${storage}.db`)

modelTest('sqlite', async storage => sqliteStore(path(storage), { clock, domain: 'by hand' }), {
  test,
  clock,
  runs: 100,
})
modelTest('sqlite in real time', async storage => sqliteStore(path(storage)), { test, runs: 15 })

afterAll(() => rmSync(directory, { recursive: true }))
