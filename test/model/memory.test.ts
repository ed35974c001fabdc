import { test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { memoryStore } from '../../src/drivers/memory.ts'
import { manualClock } from './manual-clock.ts'

const clock = manualClock()
modelTest('memory', async storage => memoryStore({ storage, clock }), { test, clock, runs: 400 })
modelTest('memory in real time', async storage => memoryStore({ storage }), { test, runs: 10 })
