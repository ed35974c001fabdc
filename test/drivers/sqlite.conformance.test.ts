import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
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

afterAll(() => rmSync(directory, { recursive: true }))
