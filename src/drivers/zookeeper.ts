/**
 * ZooKeeper, one or an ensemble, in its own protocol: no client package is needed.
 *
 * A ticket is an ephemeral node. The transaction that made it is its place in the line, and 32 times that its token;
 * both grow whatever happens. Its name is its id, so to make it a second time changes nothing, and a reply that was
 * lost is found again. It ends with a session whose length is the ticket's life. While this process lives it removes
 * what nobody renews itself; when it is dead, the ensemble does. A ticket that is given another life moves: it is
 * removed and made again in one transaction of the session that it moves to, with its place written in it.
 *
 * To enter is one transaction and one look at the line, sent together. A renewal is a transaction too: what a member
 * answers from its own memory could be older than the end of the session.
 *
 * Guarantee: consensus. Any minority of the members may fail; whoever holds was agreed on by a majority.
 */
import type { Duration } from '../base/duration.ts'
import { milliseconds } from '../base/duration.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Io, Store, StoreTraits } from '../store/contract.ts'
import { namespaceOf } from './shared/options.ts'
import { queueKeyStore } from './shared/queue-keys.ts'
import type { TicketKeys } from './shared/queue-keys.ts'
import { zookeeperAddress } from './zookeeper/address.ts'
import { createSessions } from './zookeeper/connection.ts'
import { createDeadlines } from './zookeeper/deadlines.ts'
import { createEntrance } from './zookeeper/entering.ts'
import { createLines, prepare } from './zookeeper/lines.ts'
import { createWatch } from './zookeeper/news.ts'
import { childrenOf, decoded, namesIn, sync } from './zookeeper/statements.ts'
import { BLOCK } from './zookeeper/ticket.ts'
import { createTickets, removeOwn } from './zookeeper/tickets.ts'

export interface ZookeeperStoreOptions {
  /** Put before every key, so that two applications on one ensemble do not meet. */
  readonly namespace?: string
  /**
   * The `tickTime` of the servers ('2s', which is theirs). So late may the leader have heard of a session: it is taken
   * off every window, and no ttl can be less than two of it.
   */
  readonly tick?: Duration
}

const OPTIONS: Known<ZookeeperStoreOptions> = { namespace: true, tick: true }
const TICK_MS = 2_000
const LISTED_AT_ONCE = 64
const IO: Io = { timeoutMs: 5_000 }

/**
 * Locks in the ZooKeeper (3.5 or newer) at an address, or in an ensemble: `zookeeper://h1:p1,h2:p2,h3:p3/chroot`.
 * Connects at the first call.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { zookeeperStore } from 'holdfast/zookeeper'
 *
 * const locks = createLocks(zookeeperStore('zookeeper://a:2181,b:2181,c:2181', { namespace: 'shop' }))
 * ```
 */
export function zookeeperStore(address: string, options: ZookeeperStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'zookeeperStore')
  const { hosts, chroot, login, tickMs: ownTickMs } = zookeeperAddress(address)
  const tickMs = options.tick === undefined ? (ownTickMs ?? TICK_MS) : milliseconds(options.tick, 'tick', { min: 1 })
  const traits: StoreTraits = {
    name: 'zookeeper',
    guarantee: 'consensus',
    reach: 'network',
    fencing: true,
    queue: true,
    shared: true,
    limit: true,
    keep: true,
    clock: 'session',
    clockErrorMs: tickMs,
    minTtlMs: 2 * tickMs,
    maxTokens: BLOCK,
  }
  const names = namesIn(chroot, namespaceOf(options))
  const access = login === null ? 'all' : 'creator'
  const sessions = createSessions({
    ...{ hosts, login, beatMs: tickMs / 2 },
    prepare: link => prepare(link, { names, access }),
  })
  const deadlines = createDeadlines(path => removeOwn(path, sessions, IO))
  const ground = { names, access, sessions, deadlines } as const
  const lines = createLines(ground)
  const tickets = createTickets(ground, lines)
  const add = createEntrance(ground, { lines, tickets })
  const watch = createWatch({ sessions, names, read: lines.read })

  async function keysWith(prefix: string, io: Io): Promise<readonly string[]> {
    return sessions.any().use(async link => {
      const [, locks] = await Promise.all([link.ask(sync(names.locks)), link.ask(childrenOf(names.locks))])
      return (locks.ok ? locks.value : []).flatMap(name => decoded(name) ?? []).filter(key => key.startsWith(prefix))
    }, io)
  }

  const keys: TicketKeys = {
    ...tickets,
    read: lines.read,
    async add(request, io) {
      const added = await add(request, io)
      if (added.until !== null) watch.mind(request.key, request.id)
      return added
    },
    async *list(prefix, io) {
      const found = await keysWith(prefix, io)
      for (let from = 0; from < found.length; from += LISTED_AT_ONCE) {
        const some = found.slice(from, from + LISTED_AT_ONCE)
        const read = await Promise.all(some.map(async key => ({ key, ...(await lines.read(key, null, io)) })))
        for (const line of read) if (line.tickets.length > 0) yield line
      }
    },
    listen: async news => watch.listen(news),
    follow: watch.follow,
    connect: io => sessions.any().use(async () => {}, io),
    close: () => sessions.close(deadlines.close()),
  }
  return queueKeyStore(traits, keys).store
}
