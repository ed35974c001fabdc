/**
 * Redlock, with fencing: N independent Redis or Valkey servers, a majority of which must agree.
 *
 * To enter takes two rounds, each to all nodes at once. The first reserves the place on each node and learns the
 * greatest token given there; the second writes a greater one back, and only a majority that has it makes a lease. A
 * late, lost or repeated request of either round gives at most a reservation, which dies soon and which nobody counts.
 * Every node measures lives on its own clock; nothing compares the clocks of two nodes.
 *
 * Guarantee: quorum. A minority of nodes may be down, hung, cut off or empty. A node that was started within `maxTtl`
 * has no vote, since it may have forgotten who holds, unless it had everything on disk. What it does not survive, and
 * what tokens are for: clocks that step by more than `clockErrorMs`, and memory that vanishes without a restart
 * (FLUSHALL, eviction, a failover inside a node).
 *
 * Sources: Redis, Distributed Locks with Redis (https://redis.io/docs/latest/develop/use/patterns/distributed-locks/);
 * Kleppmann 2016, How to do distributed locking; Sanfilippo 2016, Is Redlock safe? (http://antirez.com/news/101).
 */
import { systemClock } from '../base/clock.ts'
import { ConfigurationError, UnsupportedError } from '../base/errors.ts'
import { milliseconds } from '../base/duration.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Duration } from '../base/duration.ts'
import type {
  Entry,
  Io,
  LeaveRequest,
  LockView,
  Renewal,
  RenewRequest,
  RevokeRequest,
  Store,
  StoreTraits,
  TicketRequest,
  Was,
} from '../store/contract.ts'
import type { OpenOptions } from './redis/address.ts'
import type { RedisLike } from './redis/client.ts'
import { done, holderOf, left, renewed, seen, viewOf } from './redlock/answers.ts'
import type { Left, Part, Renewed } from './redlock/answers.ts'
import { ballot, votes } from './redlock/ballot.ts'
import type { Count } from './redlock/ballot.ts'
import { createEntrance, LATE_REQUEST_MS } from './redlock/enter.ts'
import type { Node } from './redlock/node.ts'
import { openNodes } from './redlock/nodes.ts'
import { createRepair } from './redlock/repair.ts'
import { LEAVE, LOOK, RENEW, REVOKE } from './redlock/statements.ts'
import { unreachable } from './redlock/failures.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'

/** A node is one server: there is no login for Sentinels. */
export interface RedlockStoreOptions extends Omit<OpenOptions, 'sentinel'> {
  /** Put before every key, so that two applications on the same nodes do not meet. */
  readonly namespace?: string
  /** How long one node may take to answer ('1s'). No call takes longer than two of these. */
  readonly nodeTimeout?: Duration
  /**
   * The longest ttl, and for how long a node has no vote after its start ('1m'). All users of the nodes must say the
   * same.
   */
  readonly maxTtl?: Duration
  /** How far a node's clock may step while a lease is held (20): taken off every window. */
  readonly clockErrorMs?: number
}

const OPTIONS: Known<RedlockStoreOptions> = {
  ...{ namespace: true, nodeTimeout: true, maxTtl: true, clockErrorMs: true },
  ...{ package: true, protocol: true, tls: true },
}
const NODE_TIMEOUT = '1s'
const MAX_TTL = '1m'
/**
 * What a disciplined clock is corrected by in one step. One that nobody disciplines, or that is stepped by more, needs
 * more.
 */
const CLOCK_ERROR_MS = 20
/** Two rounds to a majority, and something left to work in. */
const LEAST_TTL_MS = 50
/** A revoked id stays forbidden so long at least: its owner, who asks every few seconds, must learn why. */
const REVOKED_MS = 60_000

/**
 * Locks on a majority of independent nodes: clients, addresses, or one address `redlock://h1:p1,h2:p2,h3:p3`. Three
 * nodes bear the loss of one, five that of two.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { redlockStore } from 'holdfast/redlock'
 *
 * const locks = createLocks(redlockStore(['redis://a:6379', 'redis://b:6379', 'redis://c:6379']))
 * ```
 */
export function redlockStore(
  servers: readonly (RedisLike | string)[] | string,
  options: RedlockStoreOptions = {},
): Store {
  refuseUnknown(options, OPTIONS, 'redlockStore')
  const namespace = namespaceOf(options)
  const clockErrorMs = clockErrorOf(options, CLOCK_ERROR_MS)
  const nodeTimeoutMs = milliseconds(options.nodeTimeout ?? NODE_TIMEOUT, 'nodeTimeout', { min: 1 })
  const maxTtlMs = milliseconds(options.maxTtl ?? MAX_TTL, 'maxTtl', { min: 1 })
  if (clockErrorMs >= maxTtlMs)
    throw new ConfigurationError(`clockErrorMs must be less than maxTtl, not ${clockErrorMs}.`)
  const nodes = openNodes(servers, nodeTimeoutMs, options)
  // The length in front keeps namespace "a" with key "bc" from meeting namespace "ab" with key "c".
  const prefix = `holdfast:redlock:${namespace.length}:${namespace}:`
  const traits: StoreTraits = {
    name: 'redlock',
    guarantee: 'quorum',
    reach: 'network',
    fencing: true,
    queue: false,
    shared: false,
    limit: false,
    keep: true,
    clock: 'store',
    clockErrorMs,
    minTtlMs: Math.ceil(LEAST_TTL_MS + 2 * clockErrorMs),
    maxTokens: 1_000_000,
  }
  const repair = createRepair({ prefix, nodeTimeoutMs, maxTtlMs })
  const entrance = createEntrance(nodes, { prefix, nodeTimeoutMs, maxTtlMs })
  const forNode = (io: Io): Io => ({ ...io, timeoutMs: Math.min(nodeTimeoutMs, io.timeoutMs) })

  /** One that is too long must not cost the others of its batch their leases. */
  async function renew(renewals: readonly RenewRequest[], io: Io): Promise<readonly Renewal[]> {
    const short = renewals.filter(({ ttlMs }) => ttlMs <= maxTtlMs)
    const answers = short.length === 0 ? [] : await renewTogether(short, io)
    let next = 0
    return renewals.map(({ ttlMs, key }): Renewal => {
      if (ttlMs > maxTtlMs) return { status: 'unknown', cause: tooLong(ttlMs, key) }
      return answers[next++] ?? { status: 'unknown', cause: new Error('no answer for this ticket') }
    })
  }

  async function renewTogether(renewals: readonly RenewRequest[], io: Io): Promise<readonly Renewal[]> {
    const keys = renewals.map(({ key }) => prefix + key)
    const args = renewals.flatMap(({ id, ttlMs }) => [id, String(ttlMs)])
    const asked = new Map<Node, Promise<readonly Renewed[]>>()
    const ask = async (node: Node): Promise<readonly Renewed[]> =>
      renewed(await node.ask(RENEW, keys, args, forNode(io)), renewals.length)
    const items = await ballot(
      nodes,
      node => {
        const answers = ask(node)
        asked.set(node, answers)
        return answers
      },
      count => renewalsOf(renewals, count),
    )
    for (const [node, answers] of asked) {
      answers.then(
        each => repairAt(node, renewals, items, each),
        () => {},
      )
    }
    return items
  }

  /** Also a node that answers after the decision, and does not have what a majority has. */
  function repairAt(
    node: Node,
    renewals: readonly RenewRequest[],
    items: readonly Renewal[],
    answers: readonly Renewed[],
  ): void {
    for (const [index, { id, ttlMs }] of renewals.entries()) {
      if (items[index]?.status === 'held' && answers[index]?.is === 'gone') repair.missing(node, id, ttlMs)
    }
  }

  async function leave({ key, id, keepMs, forbidMs }: LeaveRequest, io: Io): Promise<{ readonly was: Was }> {
    refuseLong(keepMs, key)
    const startedAt = systemClock.now()
    const underWay = repair.ends(id)
    const argsFor = (node: Node): readonly string[] => {
      const lateMs = systemClock.now() - startedAt
      const barMs = underWay(node) ? Math.max(forbidMs, LATE_REQUEST_MS) : forbidMs
      return [id, String(Math.max(0, keepMs - lateMs)), String(Math.max(0, barMs - lateMs))]
    }
    const ask = async (node: Node): Promise<Left> => {
      try {
        return left(await node.ask(LEAVE, [prefix + key], argsFor(node), forNode(io)))
      } catch (cause) {
        // The release reaches also a node that is hung, cut off, or late; after maxTtl nothing of it can be left there.
        node.owe(`leave ${id}`, {
          script: LEAVE,
          key: prefix + key,
          args: () => (systemClock.now() - startedAt > maxTtlMs ? null : argsFor(node)),
        })
        throw cause
      }
    }
    return { was: await ballot(nodes, ask, count => leftOf(key, count)) }
  }

  /** The ticket that holds, as of now; null: none. @throws StoreUnavailableError */
  async function look(key: string, io: Io): Promise<Part | null> {
    return ballot(
      nodes,
      async node => ({ part: seen(await node.ask(LOOK, [prefix + key], [], forNode(io))) }),
      count => {
        if (count.answers.size < count.majority && count.open + count.silent === 0)
          throw unreachable(`Who holds "${key}" is not known`, key, count, { ambiguous: false })
        if (count.answers.size < count.majority || count.open > 0) return undefined
        const parts = [...count.answers.values()].flatMap(({ part }) => part ?? [])
        return { holder: holderOf(parts, { unanswered: count.nodes - count.answers.size, majority: count.majority }) }
      },
    ).then(({ holder }) => holder)
  }

  async function revoke(key: string, { tickets, reason, now }: RevokeRequest, io: Io): Promise<number> {
    const holder = await look(key, io)
    if (holder === null) return 0
    if (typeof tickets === 'number' && (tickets < holder.token || tickets >= holder.token + holder.tokens)) return 0
    return ballot(
      nodes,
      async node =>
        done(
          await node.ask(REVOKE, [prefix + key], [holder.id, reason, now ? '1' : '0', String(REVOKED_MS)], forNode(io)),
        ),
      count => {
        // Marked on a majority it cannot find a majority that renews it.
        if (count.answers.size >= count.majority) return 1
        if (count.open + count.silent > 0) return undefined
        throw unreachable(`"${key}" could not be revoked on a majority`, key, count, { ambiguous: true })
      },
    )
  }

  async function* list(start: string, io: Io): AsyncIterable<LockView> {
    const names = await ballot(
      nodes,
      node => namesAt(node, prefix + start, forNode(io)),
      count => {
        if (count.answers.size < count.majority && count.open + count.silent === 0)
          throw unreachable('The locks cannot be listed', undefined, count, { ambiguous: false })
        return count.answers.size < count.majority || count.open > 0
          ? undefined
          : new Set([...count.answers.values()].flat())
      },
    )
    for (const name of [...names].toSorted()) {
      const key = name.slice(prefix.length)
      const holder = await look(key, io)
      if (holder !== null) yield viewOf(key, holder)
    }
  }

  function refuseLong(spanMs: number, key: string): void {
    if (spanMs > maxTtlMs) throw tooLong(spanMs, key)
  }

  function tooLong(spanMs: number, key: string): UnsupportedError {
    return new UnsupportedError(
      `${Math.round(spanMs)} ms for "${key}" is longer than maxTtl (${maxTtlMs} ms): a node that restarts would vote again before that time is over. Raise maxTtl for all users of these nodes.`,
      {
        key,
      },
    )
  }

  return {
    traits,
    async enter(request: TicketRequest, io: Io): Promise<Entry> {
      if (request.mode !== 'exclusive' || request.limit !== null) {
        throw new UnsupportedError(
          `redlock has exclusive locks only: "${request.key}" cannot be shared. Use redis, postgres or etcd for readers and semaphores.`,
          { key: request.key },
        )
      }
      refuseLong(request.ttlMs, request.key)
      const entry = await entrance.enter(request, io)
      if (entry.status === 'holds') repair.holds(request, entry.token)
      return entry
    },
    renew,
    leave,
    revoke,
    list,
    async inspect(key: string, io: Io): Promise<LockView | null> {
      const holder = await look(key, io)
      return holder === null ? null : viewOf(key, holder)
    },
    /** To a majority: who is missing then shows in the votes. */
    async connect(io: Io): Promise<void> {
      await ballot(
        nodes,
        node => node.connection.ready(forNode(io)),
        ({ answers, majority, open }) => (answers.size >= majority || open === 0 ? true : undefined),
      )
    },
    async close(): Promise<void> {
      await Promise.all(nodes.map(node => node.connection.close()))
    },
  }
}

/**
 * A majority keeps a lease; more than a minority of refusals ends it; what silence leaves open is unknown. One item
 * that cannot be decided does not hold up the others for a silent node.
 */
function renewalsOf(
  renewals: readonly RenewRequest[],
  count: Count<readonly Renewed[]>,
): readonly Renewal[] | undefined {
  const items = renewals.map((request, index) =>
    renewalOf(
      request,
      [...count.answers.values()].flatMap(answers => answers[index] ?? []),
      count,
    ),
  )
  const decided = items.filter(item => item !== null).length
  if (decided < items.length && (count.open > 0 || (count.silent > 0 && decided === 0))) return undefined
  return items.map(
    (item, index) =>
      item ?? {
        status: 'unknown',
        cause: unreachable(
          `Whether "${renewals[index]?.key ?? ''}" is still held is not known`,
          renewals[index]?.key,
          count,
          { ambiguous: true },
        ),
      },
  )
}

/** null: not certain yet. */
function renewalOf(
  { ttlMs }: RenewRequest,
  answers: readonly Renewed[],
  { majority, nodes }: Count<unknown>,
): Renewal | null {
  const held: number[] = []
  for (const answer of answers) {
    if (answer.is === 'revoked') return { status: 'lost', reason: 'revoked', message: answer.message }
    if (answer.is === 'held') held.push(answer.leftMs)
  }
  if (held.length >= majority) return { status: 'held', leftMs: Math.min(ttlMs, ...held), waiters: 0 }
  if (answers.length - held.length > nodes - majority)
    return { status: 'lost', reason: 'gone', message: 'a majority of the nodes no longer has the ticket' }
  return null
}

/** @throws StoreUnavailableError  no majority has answered: some of it may still be there */
function leftOf(key: string, count: Count<Left>): Was | undefined {
  const held = votes(count, answer => answer === 'held')
  if (held >= count.majority) return 'held'
  if (count.answers.size - held > count.nodes - count.majority) return 'absent'
  if (count.open > 0) return undefined
  // What the silent nodes had decides whether it still was a lease. The lock is free either way, and we do not wait for
  // them.
  if (count.answers.size >= count.majority)
    return held > 0 && held + count.nodes - count.answers.size >= count.majority ? 'held' : 'absent'
  if (count.silent > 0) return undefined
  throw unreachable(`"${key}" could not be released on a majority`, key, count, { ambiguous: true })
}

/** The names at one node that begin so, read literally. */
async function namesAt(node: Node, start: string, io: Io): Promise<readonly string[]> {
  const { keyPrefix } = node.connection
  const names: string[] = []
  for await (const page of node.connection.scan(`${literal(keyPrefix + start)}*`, io))
    names.push(...page.map(name => name.slice(keyPrefix.length)))
  return names
}

function literal(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, match => `\\${match}`)
}
