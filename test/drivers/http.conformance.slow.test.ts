import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
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
import type { Hooks, MakeStore } from '../../src/conformance/index.ts'
import { registerGroups } from '../../src/conformance/suite.ts'
import { httpStore } from '../../src/drivers/http.ts'
import { httpServer } from '../support/http-server.ts'
import type { HttpServer } from '../support/http-server.ts'
import { describeWithStore } from '../support/stores.ts'

const runner = { describe, test, beforeAll, afterAll }
/**
 * A client's first call asks what is behind the server, and the first to ask for a storage opens it. Two processes
 * share the way, so that on a busy machine a life must be longer than the store itself would need it.
 */
const FAR = { coldMs: 200, leastTtlMs: 800, atOnce: 8 }

/** What crowds do to the way there, they do before memory; here is what the store behind may answer otherwise. */
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

/** The server in a process of its own, before the store at this address. */
function behind(address: string, register: (make: MakeStore, hooks: Hooks) => void): void {
  let server: HttpServer
  beforeAll(async () => void (server = await httpServer(address)))
  afterAll(() => server.close())
  const make: MakeStore = async storage => {
    const store = httpStore(server.url(storage))
    await store.connect?.({ timeoutMs: 10_000 })
    return store
  }
  const restart = async (): Promise<void> => {
    await server.kill()
    await server.start()
  }
  register(make, { ...FAR, restart })
}

const directory = mkdtempSync(join(tmpdir(), 'holdfast-http-'))
afterAll(() => rmSync(directory, { recursive: true }))

describe('before memory', () => {
  behind('memory:', (make, hooks) => describeStore('http before memory', make, runner, hooks))
})
describe('before SQLite', () => {
  const file = `sqlite:${join(directory, 'locks.db')}`
  behind(file, (make, hooks) => registerGroups('http before SQLite', GROUPS, make, runner, hooks))
})
describeWithStore('redis', 'before Redis', url => {
  behind(url, (make, hooks) => registerGroups('http before Redis', GROUPS, make, runner, hooks))
})
