/**
 * Consul: its key-value store and its sessions, by its HTTP interface; no client package is needed.
 *
 * A ticket is a key, bound to a session that deletes it when it ends. The index that made it is its place in the line,
 * and 32 times that its token; both grow whatever happens. Its session is its own, so nothing that others renew keeps
 * it alive. To enter is one transaction, which adds the ticket and reads the line; one that finds others there is moved
 * to a session of its waiting life. Each session counts the tickets that it has had, and a transaction names the count
 * it expects: carried out twice, or late, it does nothing the second time.
 *
 * Guarantee: consensus. Any minority of the servers may fail; whoever holds was agreed on by a majority.
 */
import { systemClock } from '../base/clock.ts'
import { milliseconds } from '../base/duration.ts'
import { refuseUnknown } from '../base/options.ts'
import type { Known } from '../base/options.ts'
import type { Io, Store, StoreTraits, TicketRequest } from '../store/contract.ts'
import { untilNotOvertaken } from '../store/overtaken.ts'
import { holding } from '../store/rule.ts'
import { consulAddress } from './consul/address.ts'
import type { KeyValue } from './consul/answers.ts'
import { createClient } from './consul/client.ts'
import { createNotices, follow } from './consul/news.ts'
import { createSessions, isGone } from './consul/sessions.ts'
import {
  absent,
  lock,
  namesIn,
  remove,
  removeUnchanged,
  set,
  there,
  tree,
  unchanged,
  unlock,
} from './consul/statements.ts'
import type { HttpTls } from './shared/http.ts'
import { clockErrorOf, namespaceOf } from './shared/options.ts'
import { queueKeyStore } from './shared/queue-keys.ts'
import type { Added, TicketKeys } from './shared/queue-keys.ts'
import {
  decodeMark,
  decodeNamed,
  encodeMark,
  encodeWords,
  foreign,
  tokenOf,
  wordsOf,
} from './shared/queue-keys/line.ts'
import type { Line, LineTicket, Words } from './shared/queue-keys/line.ts'
import type { Life } from './shared/queue-keys/lives.ts'

export type { HttpTls as ConsulTls } from './shared/http.ts'

export interface ConsulStoreOptions {
  /** Put before every key, so that two applications on one Consul do not meet. */
  readonly namespace?: string
  /** How much sooner than it says Consul may end a session (10). Taken off every window. */
  readonly clockErrorMs?: number
  /** The shortest ttl, as the servers' `session_ttl_min` has it (10 000). */
  readonly minTtlMs?: number
  /** For `consuls://`: an authority or a certificate of one's own, as `tls.connect` takes them. */
  readonly tls?: HttpTls
}

const OPTIONS: Known<ConsulStoreOptions> = { namespace: true, clockErrorMs: true, minTtlMs: true, tls: true }
const STORE = 'consul'
const CLOCK_ERROR_MS = 10
/** Consul's own least, unless its servers say otherwise. */
const LEAST_MS = 10_000
const BLOCK = 32
const TOLD_MS = 60_000

/**
 * Locks in the Consul (1.8 or newer) of the agent at an address; more agents of the same datacentre may follow after
 * commas. Connects at the first call.
 * @throws ConfigurationError
 * @example
 * ```ts
 * import { createLocks } from 'holdfast'
 * import { consulStore } from 'holdfast/consul'
 *
 * const locks = createLocks(consulStore('consul://localhost:8500', { namespace: 'shop' }))
 * ```
 */
export function consulStore(address: string, options: ConsulStoreOptions = {}): Store {
  refuseUnknown(options, OPTIONS, 'consulStore')
  const minTtlMs = milliseconds(options.minTtlMs ?? LEAST_MS, 'minTtlMs')
  const traits: StoreTraits = {
    name: STORE,
    guarantee: 'consensus',
    reach: 'network',
    fencing: true,
    queue: true,
    shared: true,
    limit: true,
    keep: true,
    clock: 'session',
    clockErrorMs: clockErrorOf(options, CLOCK_ERROR_MS),
    minTtlMs,
    maxTokens: BLOCK,
  }
  const names = namesIn(namespaceOf(options))
  const client = createClient(consulAddress(address), options.tls)
  let readings = 0
  /** Numbers readings: one that was begun later tells nothing older. */
  const begin = (): number => (readings += 1)

  const sessions = createSessions(client, minTtlMs)

  function ticketOf(key: string, { name, value, created, modified, session }: KeyValue): LineTicket {
    if (session === '') throw foreign({ store: STORE, key }, 'a ticket has no session, and would never end')
    const words = decodeNamed(value ?? '', { store: STORE, key })
    return { ...words, name, token: tokenOf(created, { block: BLOCK, key }), version: String(modified), life: session }
  }

  /** What a transaction writes comes back without its value; what it reads, with it. */
  function lineOf(
    { key, id, begun }: { readonly key: string; readonly id: string | null; readonly begun: number },
    found: readonly KeyValue[],
  ): Line {
    const shown = found.filter(({ value }) => value !== null)
    const mark = id === null ? undefined : shown.find(({ name }) => name === names.mark(key, id))
    const tickets = shown.filter(({ name }) => name.startsWith(names.tickets(key))).map(each => ticketOf(key, each))
    return {
      tickets: tickets.toSorted((one, other) => one.token - other.token),
      mark: mark === undefined ? null : decodeMark(mark.value ?? '', { store: STORE, key }),
      revision: begun,
    }
  }

  async function read(key: string, id: string | null, io: Io): Promise<Line> {
    const asked = [tree(names.tickets(key)), ...(id === null ? [] : [tree(names.mark(key, id))])]
    const begun = begin()
    return lineOf({ key, id, begun }, await client.read(asked, io))
  }

  const inTurn = <T>(key: string, io: Io, attempt: (left: () => Io) => Promise<{ readonly answer: T } | null>) =>
    untilNotOvertaken(attempt, { name: STORE, key, io })

  /** What counts the tickets of a session. Consul counts no writing that leaves a value as it was. */
  const counted = (life: Life, id: string) => {
    const name = names.session(life.id)
    return [life.uses === 0 ? absent(name) : unchanged(name, life.uses), lock(name, id, life.id)]
  }

  function add(request: TicketRequest, io: Io): Promise<Added> {
    const { key, id, queue } = request
    const mark = names.mark(key, id)
    const words = encodeWords(wordsOf(request, { holds: true, at: systemClock.wall() }), id)
    const wouldHold = ({ tickets }: Line): boolean => holding([...tickets, request]) > tickets.length
    const isThere = ({ tickets, mark: forbidden }: Line): boolean =>
      forbidden !== null || tickets.some(each => each.id === id)

    return inTurn<Added>(key, io, async left => {
      if (!queue) {
        const line = await read(key, id, left())
        if (isThere(line) || !wouldHold(line)) return { answer: { ...line, until: null } }
      }
      const life = await sessions.take(request.ttlMs, key, left())
      const own = names.ticket(key, life.id)
      const asked = [
        absent(own),
        absent(mark),
        ...counted(life, id),
        lock(own, words, life.id),
        tree(names.tickets(key)),
      ]
      const begun = begin()
      const outcome = await sessions.spending(life, () => client.transact(asked, left()))
      if (!outcome.done) {
        const line = await read(key, id, left())
        if (isThere(line)) return { answer: { ...line, until: null } }
        // Neither ticket nor mark: the session, or its count, is not as we know it.
        sessions.forsake(life)
        return null
      }
      life.uses = outcome.results.findLast(({ name }) => name === names.session(life.id))?.modified ?? 0
      const line = lineOf({ key, id, begun }, outcome.results)
      const index = line.tickets.findIndex(each => each.id === id)
      const ticket = line.tickets[index]
      if (queue || ticket === undefined || index < holding(line.tickets))
        return { answer: { ...line, until: await sessions.endOf(life, left()) } }
      // Somebody came in between.
      await keys.remove(key, { ...ticket, behind: [] }, left())
      return null
    })
  }

  const keys: TicketKeys = {
    read,
    add,
    refresh: (_, ticket, io) => sessions.renew(ticket.life, io),

    rewrite(key, ticket, words, io) {
      const { id, name: own } = ticket
      return inTurn(key, io, async left => {
        const life = await sessions.take(words.lifeMs, key, left())
        const change = [unlock(own, ticket.life), lock(own, encodeWords(words, id), life.id)]
        const asked = [unchanged(own, Number(ticket.version)), ...change]
        const outcome = await sessions.spending(life, () => client.transact(asked, left()))
        if (!outcome.done) return isGone(outcome) ? null : { answer: null }
        // Not the one that its key is named by: another ticket on that would have the same name.
        if (names.read(own)?.last !== ticket.life) sessions.giveBack(ticket.life)
        const version = outcome.results.findLast(({ name }) => name === own)?.modified ?? 0
        const after: LineTicket = { ...ticket, ...words, version: String(version), life: life.id }
        return { answer: { ticket: after, until: await sessions.endOf(life, left()) } }
      })
    },

    async revoke(key, ticket, reason, io) {
      const { id, name: own, version } = ticket
      const words: Words = { ...ticket, revoked: reason }
      const session = await sessions.make(TOLD_MS, key, io)
      const asked = [unchanged(own, Number(version)), set(own, encodeWords(words, id)), ...tell(key, id)]
      return (await client.transact([...asked, lock(names.told(key, id), reason, session)], io)).done
    },

    async remove(key, { name: own, version, life, behind, isHeld }, io) {
      const ahead = behind.map(each => there(each.name))
      const line = isHeld === true ? [] : [tree(names.tickets(key))]
      const asked = [...line, unchanged(own, Number(version)), ...ahead]
      const outcome = await client.transact([...asked, removeUnchanged(own, Number(version))], io)
      if (!outcome.done) return null
      sessions.giveBack(life)
      sessions.giveBack(names.read(own)?.last ?? '')
      return lineOf({ key, id: null, begun: begin() }, outcome.results)
    },

    async forbid({ key, id }, { lifeMs, ...mark }, io) {
      const session = await sessions.make(lifeMs, key, io)
      const name = names.mark(key, id)
      const told = mark.reason === 'revoked' ? [...tell(key, id), lock(names.told(key, id), mark.message, session)] : []
      await client.transact([remove(name), lock(name, encodeMark(mark), session), ...told], io)
    },

    async *list(prefix, io) {
      const locks = new Map<string, KeyValue[]>()
      for (const item of await client.read([tree(names.ticketsOf(prefix))], io)) {
        const key = names.read(item.name)?.key
        if (key !== undefined) locks.set(key, [...(locks.get(key) ?? []), item])
      }
      for (const [key, found] of locks) yield { key, tickets: lineOf({ key, id: null, begun: begin() }, found).tickets }
    },

    async listen(news) {
      const notices = createNotices(
        { client, names },
        {
          told({ name, value }) {
            const id = names.read(name)?.last
            if (id !== undefined) news.marked(id, { reason: 'revoked', message: value ?? '' })
          },
          gap: () => news.gap(),
        },
      )
      await notices.start()
      return { [Symbol.asyncDispose]: async () => notices.close() }
    },
    follow: (key, news) =>
      follow({ client, names, news, key, begin, lineOf: (found, begun) => lineOf({ key, id: null, begun }, found) }),

    async connect(io) {
      await read('holdfast', null, io)
    },
    close: async () => client.close(),
  }

  /** What was told before about it may be bound to another session. */
  const tell = (key: string, id: string) => [remove(names.told(key, id))]

  return queueKeyStore(traits, keys).store
}
