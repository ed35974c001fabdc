/** The driver's own statements, carried out by mingo: no server is needed to compare them with the rule. */
import { test } from 'vitest'
import { modelTest } from '../../src/conformance/index.ts'
import { mongodbStore } from '../../src/drivers/mongodb.ts'
import { mingoServer } from '../support/mingo-client.ts'
import { manualClock } from './manual-clock.ts'

const clock = manualClock()
const server = mingoServer(() => clock.now())

modelTest('mongodb by mingo', async storage => mongodbStore(server.client(), { namespace: storage, clockErrorMs: 0 }), {
  ...{ test, clock, runs: 60 },
})
