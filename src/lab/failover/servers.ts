/**
 * The servers of the failover experiment, and the fault: whoever is in charge is killed, together with a grant that it
 * had confirmed and that nobody else knows of.
 */
import { sleep, systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../../base/errors.ts'
import { startProxy } from '../faults/proxy.ts'
import { REDIS_DURABLE } from '../../servers/redis.ts'
import { addressOf, ownRedis } from '../redis/own.ts'
import { openRaw } from '../redis/raw.ts'

export interface Servers {
  /** Where the first process locks. */
  readonly before: string
  /** Where the second one does, after the fault. */
  readonly after: string
  /** Called when the first process is about to lock. */
  prepare(): void
  /** Called when it has. */
  strike(): Promise<void>
  /** Leaves no majority. null: there is none to lose. */
  readonly strikeMajority: (() => Promise<void>) | null
  close(): Promise<void>
}

const SYNC_MS = 10_000

/**
 * A primary and a replica, as Redis copies: after the primary has answered, when it gets to it. `prepare` lets the copy
 * lag, `strike` kills the primary (-9) and promotes the replica, as Sentinel or an operator would. `insync`: the copy
 * does not lag.
 */
export async function startPair({ insync }: { readonly insync: boolean }): Promise<Servers> {
  const open: { close(): Promise<void> }[] = []
  const close = async (): Promise<void> => {
    for (const each of open.toReversed()) await each.close()
  }
  try {
    const primary = await ownRedis({ args: ['--repl-diskless-sync-delay', '0'] })
    open.push(primary)
    const copying = await startProxy({ port: primary.port })
    open.push(copying)
    const replica = await ownRedis({ args: ['--replicaof', copying.host, String(copying.port)] })
    open.push(replica)
    const raw = openRaw(addressOf(replica))
    open.push(raw)
    const deadline = systemClock.now() + SYNC_MS
    while (!String(await raw.ask('INFO', 'replication')).includes('master_link_status:up')) {
      if (systemClock.now() > deadline)
        throw new StoreUnavailableError(`The replica had not copied its primary after ${SYNC_MS} ms.`)
      await sleep(systemClock, 10)
    }
    return {
      before: addressOf(primary),
      after: addressOf(replica),
      prepare() {
        if (!insync) copying.set({ toClient: { hold: true } })
      },
      async strike() {
        if (insync) await sleep(systemClock, 100)
        await primary.kill()
        await raw.ask('REPLICAOF', 'NO', 'ONE')
      },
      strikeMajority: null,
      close,
    }
  } catch (cause) {
    await close()
    throw cause
  }
}

const NODES = 5

/**
 * Five servers that know nothing of each other. `strike` kills two of them, with all that they had granted.
 * `alone`: only the first of them is asked, as if it were the one server; it is started again, empty.
 */
export async function startNodes({ alone }: { readonly alone: boolean }): Promise<Servers> {
  const started = await Promise.allSettled(Array.from({ length: NODES }, () => ownRedis({ kind: REDIS_DURABLE })))
  const nodes = started.flatMap(node => (node.status === 'fulfilled' ? [node.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map(node => node.close()))
  }
  const failed = started.find(node => node.status === 'rejected')
  const [first] = nodes
  if (failed !== undefined || first === undefined) {
    await close()
    throw failed?.reason ?? new Error('No node was started.')
  }
  const kill = async (amount: number): Promise<void> => {
    await Promise.all(nodes.slice(0, amount).map(node => node.kill()))
  }
  const address = alone ? addressOf(first) : `redlock://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`
  return {
    before: address,
    after: address,
    prepare() {},
    async strike() {
      await kill(2)
      if (alone) await first.restart({ empty: true })
    },
    strikeMajority: () => kill(3),
    close,
  }
}
