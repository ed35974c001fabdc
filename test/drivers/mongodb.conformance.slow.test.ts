/**
 * On a real server where there is one, and everywhere by mingo, which carries out the driver's own statements: there
 * the cases show that they say what the rule says, and nothing about a server.
 */
import { afterAll, beforeAll, describe, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { electionCases } from '../../src/conformance/cases/election.ts'
import { expiryCases } from '../../src/conformance/cases/expiry.ts'
import { faultCases } from '../../src/conformance/cases/faults.ts'
import { holdingCases } from '../../src/conformance/cases/holding.ts'
import { leaseCases } from '../../src/conformance/cases/leases.ts'
import { leavingCases } from '../../src/conformance/cases/leaving.ts'
import { lockCases } from '../../src/conformance/cases/locks.ts'
import { pushCases } from '../../src/conformance/cases/push.ts'
import { queueCases } from '../../src/conformance/cases/queue.ts'
import { revokeCases } from '../../src/conformance/cases/revoke.ts'
import { tokenCases } from '../../src/conformance/cases/tokens.ts'
import { viewCases } from '../../src/conformance/cases/views.ts'
import { describeStore } from '../../src/conformance/index.ts'
import { registerGroups } from '../../src/conformance/suite.ts'
import { mongodbStore } from '../../src/drivers/mongodb.ts'
import { mingoServer } from '../support/mingo-client.ts'
import { describeWithStore } from '../support/stores.ts'

const runner = { describe, test, beforeAll, afterAll }
const GROUPS = {
  'who holds': holdingCases,
  time: expiryCases,
  tokens: tokenCases,
  leaving: leavingCases,
  'the queue': queueCases,
  pushes: pushCases,
  'lost, late and repeated requests': faultCases,
  revoke: revokeCases,
  'what people see': viewCases,
  elections: electionCases,
  'locks, cohort': lockCases('cohort'),
  'leases, cohort': leaseCases('cohort'),
}

const server = mingoServer(() => systemClock.wall())
registerGroups(
  'mongodb by mingo',
  GROUPS,
  async storage => mongodbStore(server.client(), { namespace: storage, clockErrorMs: 0 }),
  runner,
  // Mingo reckons in this very process, beside all cases: what takes a server no time is felt here.
  { atOnce: 6, leastTtlMs: 1_000 },
)

describeWithStore('mongodb', 'mongodb on a server', url => {
  describeStore('mongodb', async storage => mongodbStore(url, { namespace: storage }), runner, { coldMs: 500 })
})
