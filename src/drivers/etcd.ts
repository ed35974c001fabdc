/**
 * etcd, one or a cluster, by its JSON gateway: no client package is needed.
 *
 * A ticket is a key. The revision that made it is its place in the line, and 32 times that its token; both grow
 * whatever happens. Its lease is its own, so nothing that others renew keeps it alive, and etcd's leader says when it
 * is dead. To enter is one transaction: it looks whether the line is empty, takes the lease for a holder or for one
 * that waits, and gives the line as it is then. Each lease counts the tickets that it has had, and a transaction names
 * the count it expects: carried out twice, or late, it does nothing the second time.
 *
 * Guarantee: consensus. Any minority of the members may fail; whoever holds was agreed on by a majority.
 */
import { systemClock } from '../base/clock.ts'
import { UnsupportedError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Io, Store, StoreTraits, TicketRequest } from '../store/contract.ts'
import { untilNotOvertaken } from '../store/overtaken.ts'
import { holding } from '../store/rule.ts'
import { etcdAddress } from './etcd/address.ts'
import { transactionAnswer } from './etcd/answers.ts'
import type { KeyValue, Part, TransactionAnswer } from './etcd/answers.ts'
import { createClient } from './etcd/client.ts'
import { enteringOf } from './etcd/entering.ts'
import { createLeases, LEAST_MS } from './etcd/leases.ts'
import type { Used } from './etcd/leases.ts'
import { createLineWatch, createWatch } from './etcd/news.ts'
import { get, made, namesIn, put, putOver, range, remove, unchanged } from './etcd/statements.ts'
import type { Compare, Transaction } from './etcd/statements.ts'
import type { HttpTls } from './shared/http.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'
import { queueKeyStore } from './shared/queue-keys.ts'
import type { Added, TicketKeys } from './shared/queue-keys.ts'
import { decodeMark, decodeNamed, encodeMark, encodeWords, foreign, tokenOf } from './shared/queue-keys/line.ts'
import type { Line, LineTicket } from './shared/queue-keys/line.ts'
import type { Life } from './shared/queue-keys/lives.ts'

export type { Compare as EtcdCompare } from './etcd/statements.ts'
export type { HttpTls as EtcdTls } from './shared/http.ts'

export interface EtcdStoreOptions {
  /** Put before every key, so that two applications on one etcd do not meet. */
  readonly namespace?: string
  /** How much sooner than it says etcd may end a lease (10). Taken off every window. */
  readonly clockErrorMs?: number
  /** For `etcds://`: an authority or a certificate of one's own, as `tls.connect` takes them. */
  readonly tls?: HttpTls
}

export interface EtcdStore extends Store {
  /**
   * The comparison that guards a transaction of yours in the same etcd: it holds while the ticket of this lease is in
   * the line, which is as long as nobody can hold whom it keeps out. So a write that carries it happens only under the
   * lease, however late it arrives. Put it among the `compare` of the transaction; key and numbers are as the JSON
   * gateway has them.
   * @throws UnsupportedError  no lease that was acquired through this store and is still held
   */
  fenceTxn(lease: { readonly key: string; readonly token: number }): Compare
}

const OPTIONS: Known<EtcdStoreOptions> = { namespace: true, clockErrorMs: true, tls: true }
/** Of a lease's end; etcd itself ends it up to half a second late, and never early. */
const CLOCK_ERROR_MS = 10
const BLOCK = 32
const PING_LIFE_MS = 60_000
const NOTICE_LIFE_MS = 60_000

/**
 * Locks in the etcd (3.4 or newer) at an address, or in a cluster: `etcd://h1:p1,h2:p2,h3:p3`. Connects at the first
 * call.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { etcdStore } from 'holdfast/etcd'
 *
 * const locks = createLocks(etcdStore('etcd://a:2379,b:2379,c:2379', { namespace: 'shop' }))
 * ```
 */
export function etcdStore(address: string, options: EtcdStoreOptions = {}): EtcdStore {
  refuseUnknown(options, OPTIONS, 'etcdStore')
  const traits: StoreTraits = {
    name: 'etcd',
    guarantee: 'consensus',
    reach: 'network',
    fencing: true,
    queue: true,
    shared: true,
    limit: true,
    keep: true,
    clock: 'session',
    clockErrorMs: clockErrorOf(options, CLOCK_ERROR_MS),
    minTtlMs: LEAST_MS,
    maxTokens: BLOCK,
  }
  const names = namesIn(namespaceOf(options))
  const client = createClient(etcdAddress(address), options.tls)
  const leases = createLeases(client)

  const transact = (transaction: Transaction, io: Io): Promise<TransactionAnswer> =>
    client.call('kv/txn', transaction, transactionAnswer, io)
  const reading = (success: Transaction['success'], io: Io): Promise<TransactionAnswer> =>
    transact({ compare: [], success, failure: [] }, io)

  function ticketOf(key: string, { name, value, created, modified, lease }: KeyValue): LineTicket {
    if (lease === '0') throw foreign({ store: 'etcd', key }, 'a ticket has no lease, and would never end')
    const words = decodeNamed(value, { store: 'etcd', key })
    return { ...words, name, token: tokenOf(created, { block: BLOCK, key }), version: modified, life: lease }
  }

  function lineOf(key: string, revision: number, [line, marks]: readonly (Part | undefined)[]): Line {
    const [mark] = marks?.found ?? []
    return {
      tickets: (line?.found ?? []).map(each => ticketOf(key, each)),
      mark: mark === undefined ? null : decodeMark(mark.value, { store: 'etcd', key }),
      revision,
    }
  }

  async function read(key: string, id: string | null, io: Io): Promise<Line> {
    const asked = [range(names.tickets(key)), ...(id === null ? [] : [get(names.mark(key, id))])]
    const { revision, parts } = await reading(asked, io)
    return lineOf(key, revision, parts)
  }

  const inTurn = <T>(key: string, io: Io, attempt: (left: () => Io) => Promise<{ readonly answer: T } | null>) =>
    untilNotOvertaken(attempt, { name: traits.name, key, io })

  function add(request: TicketRequest, io: Io): Promise<Added> {
    const { key, id, queue, ttlMs, waiterTtlMs } = request
    const entering = enteringOf(names, request, systemClock.wall())
    /** Of the line as it was found; null: it is thought to be empty. */
    let since: number | null = null

    /** What it comes to, and the line. */
    async function attempt([hold, wait = hold]: readonly Life[], left: Io): Promise<Used<Line>> {
      if (hold === undefined || wait === undefined) throw new TypeError('no lease')
      const alone = since === null ? entering.ifFree(hold) : entering.ifSame(hold, since)
      const asked = queue ? entering.inLine(hold, wait) : alone
      const { succeeded, revision, parts } = await transact(asked, left)
      if (!succeeded) return { life: null, result: lineOf(key, revision, parts) }
      const isAlone = queue ? parts[0]?.succeeded === true : since === null
      const life = isAlone || !queue ? hold : wait
      life.uses += 1
      const found = isAlone ? [entering.alone(hold, revision)] : (parts.at(-1)?.found ?? [])
      return { life, result: lineOf(key, revision, [{ found, succeeded }]) }
    }

    return inTurn<Added>(key, io, async left => {
      const spans = queue && waiterTtlMs !== ttlMs ? [ttlMs, waiterTtlMs] : [ttlMs]
      const used = await leases.withLeases(spans, taken => attempt(taken, left()), left())
      if (used === null) return null
      const { life, result: line } = used
      if (life !== null) return { answer: { ...line, until: await leases.endOf(life, left()) } }
      const isThere = line.mark !== null || line.tickets.some(ticket => ticket.id === id)
      const wouldHold = holding([...line.tickets, request]) > line.tickets.length
      if (isThere || (!queue && !wouldHold)) return { answer: { ...line, until: null } }
      since = line.revision
      return null
    })
  }

  /** Its ticket is gone: the lease it lived on, and that which its key is named by. */
  function giveBack({ name, life }: { readonly name: string; readonly life: string }): void {
    leases.giveBack(life)
    leases.giveBack(names.read(name)?.last ?? '')
  }

  const writePing = (ping: string, io: Io): Promise<unknown> =>
    leases.withLeases(
      [PING_LIFE_MS],
      async ([life]) => {
        const success = life === undefined ? [] : [put(ping, '', life.id)]
        return { life: null, result: await transact({ compare: [], success, failure: [] }, io) }
      },
      io,
    )

  const lines = createLineWatch(({ news, since }) =>
    createWatch({
      ...{ client, names, write: writePing, gap: () => news.gap() },
      range: names.watched.lines,
      since,
      event({ removed, item }) {
        const { kind = '', key = '' } = names.read(item.name) ?? {}
        if (kind !== 'ticket') return
        const ticket = removed ? null : ticketOf(key, item)
        news.changed({ key, name: item.name, ticket, revision: Number(item.modified) })
      },
    }),
  )

  const keys: TicketKeys = {
    read,
    add,
    refresh: (_, ticket, io) => leases.keepAlive(ticket.life, io),

    rewrite(key, ticket, words, io) {
      const { id, name: own } = ticket
      const compare = [unchanged(own, ticket.version)]
      return inTurn(key, io, async left => {
        const moveTo = async ([life]: readonly Life[]): Promise<Used<TransactionAnswer>> => {
          const success = life === undefined ? [] : [put(own, encodeWords(words, id), life.id)]
          const result = await transact({ compare, success, failure: [] }, left())
          return { life: (result.succeeded && life) || null, result }
        }
        const used = await leases.withLeases([words.lifeMs], moveTo, left())
        if (used === null) return null
        if (used.life === null) return { answer: null }
        // Not the one that its key is named by: another ticket on that would have the same name.
        if (names.read(own)?.last !== ticket.life) leases.giveBack(ticket.life)
        const after = { ...ticket, ...words, version: String(used.result.revision), life: used.life.id }
        return { answer: { ticket: after, until: await leases.endOf(used.life, left()) } }
      })
    },

    async revoke(key, ticket, reason, io) {
      const { id, name: own, version } = ticket
      const lease = await leases.grant(NOTICE_LIFE_MS, io)
      const notice = put(names.notice(key, id), reason, lease)
      const success = [putOver(own, encodeWords({ ...ticket, revoked: reason }, id)), notice]
      return (await transact({ compare: [unchanged(own, version)], success, failure: [] }, io)).succeeded
    },

    async remove(key, { name: own, version, life, behind, isHeld }, io) {
      const there = behind.map(each => made(each.name, each.token / BLOCK))
      const compare = [unchanged(own, version), ...there]
      const success = [...(isHeld === true ? [] : [range(names.tickets(key))]), remove(own)]
      const { succeeded, revision, parts } = await transact({ compare, success, failure: [] }, io)
      if (!succeeded) return null
      giveBack({ name: own, life })
      return lineOf(key, revision, parts)
    },

    async forbid({ key, id }, { lifeMs, ...mark }, io) {
      const lease = await leases.grant(lifeMs, io)
      const success = [put(names.mark(key, id), encodeMark(mark), lease)]
      await transact({ compare: [], success, failure: [] }, io)
    },

    async *list(prefix, io) {
      const { parts } = await reading([range(names.ticketsOf(prefix))], io)
      const locks = new Map<string, LineTicket[]>()
      for (const item of parts[0]?.found ?? []) {
        const key = names.read(item.name)?.key
        if (key === undefined) continue
        const tickets = locks.get(key) ?? []
        tickets.push(ticketOf(key, item))
        locks.set(key, tickets)
      }
      for (const [key, tickets] of locks) yield { key, tickets }
    },

    left: (tickets, io) => Promise.all(tickets.map(({ life }) => leases.leftOf(life, io))),

    async listen(news) {
      const watch = createWatch({
        ...{ client, names, write: writePing, gap: () => news.gap() },
        range: names.watched.notices,
        event({ removed, item }) {
          const { kind = '', key = '', last = '' } = names.read(item.name) ?? {}
          if (removed) return
          if (kind === 'mark') news.marked(last, decodeMark(item.value, { store: 'etcd', key }))
          if (kind === 'notice') news.marked(last, { reason: 'revoked', message: item.value })
        },
      })
      await watch.start()
      return { [Symbol.asyncDispose]: async () => watch.close() }
    },
    follow: (_key, news, revision) => lines.follow(news, revision),

    async connect(io) {
      await read('holdfast', null, io)
    },
    async close() {
      lines.close()
      client.close()
    },
  }

  const { store, news } = queueKeyStore(traits, keys)
  return {
    ...store,
    fenceTxn({ key, token }) {
      const revision = Math.floor(token / BLOCK)
      for (const own of news.own.values())
        if (own.key === key && own.token === revision * BLOCK) return made(own.name, revision)
      throw new UnsupportedError(
        `This store holds no "${key}" with the token ${token}: pass a lease that was acquired through it and is held.`,
        { key },
      )
    },
  }
}
