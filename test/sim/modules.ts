/** What a simulation runs on: the library as it is, or a copy of it with a bug put in. */
import { StoreUnavailableError } from '../../src/base/errors.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { createLocksOn } from '../../src/locks/locks.ts'

export interface Modules {
  readonly createLocksOn: typeof createLocksOn
  readonly memoryStore: typeof memoryStore
  readonly StoreUnavailableError: typeof StoreUnavailableError
}

export const real: Modules = { createLocksOn, memoryStore, StoreUnavailableError }
