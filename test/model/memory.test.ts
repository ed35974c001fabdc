import { memoryStore } from '../../src/drivers/memory.ts'
import { manualClock } from './manual-clock.ts'
import { modelTest } from './model.ts'

const clock = manualClock()
modelTest('memory', async storage => memoryStore({ storage, clock }), { clock, runs: 400 })
modelTest('memory in real time', async storage => memoryStore({ storage }), { runs: 10 })
