/**
 * `holdfast/conformance`: one suite for every store, random stories compared with the rule, and a store that misbehaves
 * on request.
 */
import { crowdCases } from './cases/crowds.ts'
import { electionCases } from './cases/election.ts'
import { expiryCases } from './cases/expiry.ts'
import { clockCases } from './cases/clock.ts'
import { faultCases } from './cases/faults.ts'
import { holdingCases } from './cases/holding.ts'
import { leaseCases } from './cases/leases.ts'
import { leavingCases } from './cases/leaving.ts'
import { lockCases } from './cases/locks.ts'
import { outageCases } from './cases/outage.ts'
import { promiseCases } from './cases/promises.ts'
import { pushCases } from './cases/push.ts'
import { queueCases } from './cases/queue.ts'
import { revokeCases } from './cases/revoke.ts'
import { tokenCases } from './cases/tokens.ts'
import { viewCases } from './cases/views.ts'
import type { Hooks, MakeStore } from './scene.ts'
import { registerGroups } from './suite.ts'
import type { Group, Runner } from './suite.ts'

export { modelTest } from './model/model-test.ts'
export type { ModelOptions } from './model/model-test.ts'
export type { MovableClock } from './model/play.ts'
export { faultyStore } from './faulty.ts'
export type { Fault, Plan, Verb } from './faulty.ts'
export type { Hooks, MakeStore } from './scene.ts'
export type { Runner } from './suite.ts'

const GROUPS: Readonly<Record<string, Group>> = {
  'who holds': holdingCases,
  time: expiryCases,
  'the clock after the lock': clockCases,
  tokens: tokenCases,
  leaving: leavingCases,
  'the queue': queueCases,
  pushes: pushCases,
  'lost, late and repeated requests': faultCases,
  revoke: revokeCases,
  'what people see': viewCases,
  elections: electionCases,
  'locks, strict': lockCases('strict'),
  'locks, cohort': lockCases('cohort'),
  'leases, strict': leaseCases('strict'),
  'leases, cohort': leaseCases('cohort'),
  'crowds, strict': crowdCases('strict'),
  'crowds, cohort': crowdCases('cohort'),
  'promises, strict': promiseCases('strict'),
  'promises, cohort': promiseCases('cohort'),
  'outage, strict': outageCases('strict'),
  'outage, cohort': outageCases('cohort'),
}

/**
 * Registers the whole suite for one store. `make` is called for every case with a new storage name; two stores made
 * with one name must be two processes on the same data, and an unused name must be empty.
 *
 *     const make = async storage => mineStore(client, { namespace: storage })
 *     describeStore('mine', make, { describe, test, beforeAll, afterAll })
 *
 * Cases share nothing and mostly wait, so several run side by side, whatever the runner; one that restarts or wipes the
 * store runs alone. The storage of a case is its own, so `make` may be called while other cases run.
 */
export function describeStore(name: string, make: MakeStore, runner: Runner, hooks: Hooks = {}): void {
  registerGroups(name, GROUPS, make, runner, hooks)
}
