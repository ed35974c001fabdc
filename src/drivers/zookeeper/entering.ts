/**
 * How a ticket comes to be. Whether it will hold is known only when it is there, and it is written with one life or the
 * other: as one that holds, unless there was a line when we came to this lock last. Who was wrong writes once more.
 */
import { systemClock } from '../../base/clock.ts'
import type { Io, TicketRequest } from '../../store/contract.ts'
import { untilNotOvertaken } from '../../store/overtaken.ts'
import { holding } from '../../store/rule.ts'
import type { Added, TicketKeys } from '../shared/queue-keys.ts'
import { createCrowds } from '../shared/queue-keys/crowds.ts'
import { wordsOf } from '../shared/queue-keys/line.ts'
import type { LineTicket } from '../shared/queue-keys/line.ts'
import type { Link } from './client.ts'
import { makeRoom, prepare } from './lines.ts'
import type { Ground, Lines } from './lines.ts'
import { ANY, decoded, encoded, makeEphemeral, NO_NODE, NODE_EXISTS, nodeThere } from './statements.ts'
import { removeNode, transaction } from './statements.ts'
import { encodeTicket, ticketOf } from './ticket.ts'
import { endOf } from './tickets.ts'

export function createEntrance(
  ground: Ground,
  { lines, tickets: { rewrite, remove } }: { lines: Lines; tickets: Pick<TicketKeys, 'rewrite' | 'remove'> },
): TicketKeys['add'] {
  const { names, access, sessions, deadlines } = ground
  const crowds = createCrowds()

  /** null: there was no place to put it, and now there is. */
  async function put(request: TicketRequest, asHolder: boolean, io: Io): Promise<{ readonly answer: Added } | null> {
    const { key, id } = request
    const words = wordsOf(request, { holds: asHolder, at: systemClock.wall() })
    const outcome = await sessions.for(words.lifeMs).use(async link => {
      const end = endOf(link, words.lifeMs)
      // An earlier one of this id is being removed, and this one could be taken for it.
      if (!deadlines.raise(names.ticket(key, id), end)) return NO_NODE
      const data = encodeTicket({ ...words, lifeMs: Math.min(words.lifeMs, link.session.ms) }, null)
      const done = await make(link, request, data)
      return typeof done === 'number' ? done : { ...done, until: end.until }
    }, io)
    if (typeof outcome === 'object') return { answer: { ...outcome, mark: null } }
    return outcome === NODE_EXISTS ? { answer: { ...(await lines.read(key, id, io)), until: null } } : null
  }

  /** The line with it, or why there is none. */
  async function make(link: Link, { key, id }: TicketRequest, data: string) {
    const [path, mark] = [names.ticket(key, id), names.mark(key, id)]
    // A mark that can be made is not there; and it is gone again before the ticket is made.
    const unmarked = [makeEphemeral(mark, { data: '', access }), removeNode(mark, ANY)]
    const [made, stat, { children, revision }] = await Promise.all([
      link.ask(transaction([...unmarked, makeEphemeral(path, { data, access })])),
      link.ask(nodeThere(path)),
      lines.glance(link, key),
    ])
    if (!made.ok) return made.code
    if (!made.value.ok) {
      const { code, at } = made.value
      if (code === NO_NODE) await (at === 0 ? prepare(link, ground) : makeRoom(link, key, ground))
      return code
    }
    if (!stat.ok) return NODE_EXISTS
    const own = ticketOf(key, encoded(id), { ...stat.value, data })
    const others = children.filter(name => decoded(name) !== id)
    const ahead = await lines.ticketsIn(link, { key, children: others, fresh: id })
    return { revision, tickets: lines.inOrder(key, [own, ...ahead]) }
  }

  async function waitInstead(request: TicketRequest, line: Added, ticket: LineTicket, io: Io): Promise<Added> {
    const { key, waiterTtlMs, ttlMs } = request
    const written = await rewrite(key, ticket, { ...ticket, lifeMs: waiterTtlMs, claimMs: ttlMs }, io)
    if (written === null) return { ...(await lines.read(key, ticket.id, io)), until: null }
    const tickets = line.tickets.map(each => (each.id === ticket.id ? written.ticket : each))
    return { ...line, tickets, until: written.until }
  }

  return (request, io) => crowds.coming(request.key, () => enter(request, io))

  async function enter(request: TicketRequest, io: Io): Promise<Added> {
    const { key, id, queue } = request
    const end = systemClock.now() + io.timeoutMs
    const left = (): Io => ({ ...io, timeoutMs: Math.max(1, end - systemClock.now()) })
    if (!queue) {
      const line = await lines.read(key, id, io)
      const isThere = line.mark !== null || line.tickets.some(ticket => ticket.id === id)
      if (isThere || holding([...line.tickets, request]) <= line.tickets.length) return { ...line, until: null }
    }
    const asHolder = !queue || !crowds.has(key)
    const line = await untilNotOvertaken(each => put(request, asHolder, each()), { name: 'zookeeper', key, io: left() })
    const { tickets, until } = line
    crowds.note(key, tickets.length > 1)
    const index = tickets.findIndex(ticket => ticket.id === id)
    const ticket = tickets[index]
    if (until === null || ticket === undefined || index < holding(tickets) || !asHolder) return line
    if (queue) return waitInstead(request, line, ticket, left())
    // Somebody was quicker.
    await remove(key, { ...ticket, behind: [] }, left())
    return { ...line, tickets: tickets.filter(each => each !== ticket), until: null }
  }
}
