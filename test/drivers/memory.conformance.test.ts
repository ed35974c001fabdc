import { afterAll, beforeAll, describe, test } from 'vitest'
import { describeStore } from '../../src/conformance/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'

describeStore('memory', async storage => memoryStore({ storage }), {
  describe,
  test,
  beforeAll,
  afterAll,
})
