import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { DatabaseSync } from '@photostructure/sqlite'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { clockCases } from '../../src/conformance/cases/clock.ts'
import { describeStore } from '../../src/conformance/index.ts'
import { registerGroups } from '../../src/conformance/suite.ts'
import { sqliteStore } from '../../src/drivers/sqlite.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-conformance-'))
const file = join(directory, 'locks.db')

// All storages in one file, each in a namespace, as applications of one host would have it.
describeStore(
  'sqlite',
  async storage => sqliteStore(file, { namespace: storage }),
  { describe, test, beforeAll, afterAll },
  {
    // A file has no server: it is closed and opened again, which the cases do themselves.
    async restart() {},
    async wipe(storage) {
      const database = new DatabaseSync(file)
      database.prepare('DELETE FROM holdfast_locks WHERE namespace = ?').run(Buffer.from(storage))
      database.close()
    },
  },
)

// The lock of a record is that of its whole file: here each storage has one of its own, so that others go on.
registerGroups(
  'sqlite, a file for each storage,',
  { 'the clock after the lock': clockCases },
  async storage => sqliteStore(join(directory, `${storage}.db`)),
  { describe, test, beforeAll, afterAll },
  {
    async hold(storage, _key, ms) {
      const database = new DatabaseSync(join(directory, `${storage}.db`))
      database.exec('PRAGMA busy_timeout = 1000; BEGIN IMMEDIATE')
      await delay(ms)
      database.exec('ROLLBACK')
      database.close()
    },
  },
)

afterAll(() => rmSync(directory, { recursive: true }))
