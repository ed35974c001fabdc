/**
 * Servers that promise to remember what they have confirmed, and are lost: a PostgreSQL with a standby that is
 * promoted, and three members of etcd whose leader is killed.
 */
import { HoldfastError } from '../../base/errors.ts'
import { sleep, systemClock } from '../../base/clock.ts'
import { migrationAt } from '../../drivers/postgres/migration.ts'
import { ETCD, etcdMember, isLeader } from '../../servers/etcd.ts'
import { HOST } from '../../servers/kind.ts'
import { freePort } from '../../servers/ports.ts'
import { POSTGRES, standbyOf } from '../../servers/postgres.ts'
import { startServer } from '../../servers/start.ts'
import type { FaultServer } from '../../servers/start.ts'
import { databaseOf } from '../database.ts'
import type { Connection } from '../database.ts'
import type { Fragile } from '../ledger.ts'
import { numberOf } from '../tables.ts'
import { closingIfFails } from './outages.ts'
import { startProxy } from './proxy.ts'

export interface Promoted extends Fragile {
  /** Before the grant that is to be lost. */
  prepare(): void
  /** After the strike: is the grant known where one locks now? null: nobody can be asked but by locking. */
  remembered(): boolean | null
  /** Nothing can be confirmed from here on. null: there is no such thing. */
  readonly isolation: { readonly fault: string; begin(): Promise<void> } | null
  close(): Promise<void>
}

/** An election takes a second, on a busy machine several. */
const PATIENCE_MS = 60_000
const SYNCHRONOUS = ['-c', 'synchronous_standby_names=*']

/**
 * A primary and a standby. Asynchronous: `prepare` holds the copy back. `strike` kills the primary (-9), and promotes
 * the standby as it is. Synchronous: the primary confirms nothing that the standby has not got on disk.
 */
export function startStandby({ synchronous }: { readonly synchronous: boolean }): Promise<Promoted> {
  return closingIfFails(async (use, close) => {
    const primary = use(await startServer(POSTGRES, { args: synchronous ? SYNCHRONOUS : [] }))
    const copying = use(await startProxy({ port: primary.port }))
    // It answers once it can be read.
    const standby = use(await startServer(standbyOf(copying.port)))
    const there = use(await (await databaseOf(standby.address)).connect())
    await migrationAt(primary.address).apply({ timeoutMs: PATIENCE_MS })
    const tables = "SELECT count(to_regclass('holdfast_queues'))::int AS known"
    await until('the standby has the tables', async () => (await numberOf(there, tables)) === 1)
    let known: boolean | null = null
    return {
      before: primary.address,
      after: standby.address,
      fault: synchronous
        ? 'the primary is killed, and the standby promoted'
        : 'the primary is killed with the grant that it had not copied, and the standby promoted',
      prepare() {
        if (!synchronous) copying.set({ toClient: { hold: true } })
      },
      async strike() {
        await primary.kill()
        // What it still held back went with the primary.
        await copying.close()
        await there.rows('SELECT pg_promote()', [])
        known = (await numberOf(there, 'SELECT count(id)::int AS held FROM holdfast_queues')) > 0
      },
      remembered: () => known,
      isolation: synchronous ? { fault: 'no standby confirms any more', begin: () => demandStandby(there) } : null,
      close,
    }
  })
}

/** There is none, so that every commit waits. */
async function demandStandby(on: Connection): Promise<void> {
  await on.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", [])
  await on.rows('SELECT pg_reload_conf()', [])
  const shown =
    "SELECT count(*)::int AS told FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = '*'"
  await until('the server demands a standby', async () => (await numberOf(on, shown)) === 1)
}

/**
 * Three members, the leader of which is killed. `alone`: one that knows of no others, and comes back empty, as a new
 * machine in its place would.
 */
export function startMembers({ alone }: { readonly alone: boolean }): Promise<Promoted> {
  return closingIfFails(async (use, close) => {
    const members = alone ? [use(await startServer(ETCD))] : await startThree(use)
    const address = `etcd://${members.map(({ port }) => `${HOST}:${port}`).join(',')}`
    const leader = async (): Promise<FaultServer> => {
      let found: FaultServer | undefined
      await until('a leader', async () => {
        for (const member of members) if (member.running() && (await isLeader(member.port))) found = member
        return found !== undefined
      })
      if (found === undefined) throw new HoldfastError('No member of etcd leads.')
      return found
    }
    return {
      before: address,
      after: address,
      fault: 'the leader is killed, and the others elect a new one',
      prepare() {},
      async strike() {
        const lost = await leader()
        await lost.kill()
        if (alone) await lost.restart({ empty: true })
        await leader()
      },
      remembered: () => null,
      isolation: {
        fault: 'the next leader is killed, and no majority is left',
        begin: async () => (await leader()).kill(),
      },
      close,
    }
  })
}

async function startThree(use: (server: FaultServer) => FaultServer): Promise<readonly FaultServer[]> {
  const ports: number[] = []
  // One after the other: what is free is found by trying, and members take two in a row.
  while (ports.length < 3) {
    const port = await freePort(2)
    if (ports.every(other => Math.abs(other - port) > 1)) ports.push(port)
  }
  return Promise.all(ports.map(async port => use(await startServer(etcdMember(ports), { port }))))
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (systemClock.now() > deadline) throw new HoldfastError(`Not within ${PATIENCE_MS} ms: ${what}.`)
    await sleep(systemClock, 20)
  }
}
