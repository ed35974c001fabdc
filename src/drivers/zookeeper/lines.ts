/**
 * The line of a lock as the ensemble has it, and the nodes that must be there for one.
 *
 * What a ticket says of itself is in its node; where it stands never changes. So who comes by often, to ask for its
 * turn, reads the names of all and the node of its own ticket, and knows the others from before: a crowd does not read
 * itself anew whenever one of it asks.
 */
import { systemClock } from '../../base/clock.ts'
import type { Io } from '../../store/contract.ts'
import { holding } from '../../store/rule.ts'
import { decodeMark } from '../shared/queue-keys/line.ts'
import type { Line, LineTicket } from '../shared/queue-keys/line.ts'
import type { Link } from './client.ts'
import type { Sessions } from './connection.ts'
import type { Deadlines } from './deadlines.ts'
import { childrenOf, getNode, makeContainer, makePersistent, nodeThere, NO_NODE, sync } from './statements.ts'
import type { Access, Names } from './statements.ts'
import { ticketOf } from './ticket.ts'

/** What all parts of this driver work with. */
export interface Ground {
  readonly names: Names
  readonly access: Access
  readonly sessions: Sessions
  readonly deadlines: Deadlines
}

export interface Lines {
  /** As of no earlier than the call. With an id: of others the words may be older, but not who they are. */
  read(key: string, id: string | null, io: Io): Promise<Line>
  /** The names of its nodes, as the member that is asked knows them. */
  glance(link: Link, key: string): Promise<{ readonly children: readonly string[]; readonly revision: number }>
  /** Those that are still there. `fresh`: whose is to be read in any case; null: all are. */
  ticketsIn(
    link: Link,
    of: { readonly key: string; readonly children: readonly string[]; readonly fresh: string | null },
  ): Promise<readonly LineTicket[]>
  /** Oldest first. Notes who of ours holds: it does until it goes. */
  inOrder(key: string, tickets: readonly LineTicket[]): readonly LineTicket[]
}

interface Seen {
  readonly ticket: LineTicket
  readonly until: number
}

/** An id never comes back in another place; if a user of the driver did that, it would wait for no longer than this. */
const KNOWN_MS = 30_000
const MOST_KNOWN = 1_024

export function createLines({ names, sessions, deadlines }: Ground): Lines {
  const known = new Map<string, ReadonlyMap<string, Seen>>()

  async function glance(link: Link, key: string) {
    const children = await link.ask(childrenOf(names.lock(key)))
    return { children: children.ok ? children.value : [], revision: children.zxid }
  }

  const ticketsIn: Lines['ticketsIn'] = async (link, { key, children, fresh }) => {
    const before = known.get(key)
    const now = systemClock.now()
    const seen = await Promise.all(
      children.map(async (name): Promise<readonly [string, Seen] | null> => {
        const old = before?.get(name)
        if (old !== undefined && old.until > now && fresh !== null && old.ticket.id !== fresh) return [name, old]
        const node = await link.ask(getNode(`${names.lock(key)}/${name}`))
        return node.ok ? [name, { ticket: ticketOf(key, name, node.value), until: now + KNOWN_MS }] : null
      }),
    )
    const found = new Map(seen.filter(each => each !== null))
    remember(key, found)
    return [...found.values()].map(({ ticket }) => ticket)
  }

  function remember(key: string, found: ReadonlyMap<string, Seen>): void {
    if (found.size === 0) return void known.delete(key)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(key, found)
  }

  function inOrder(key: string, tickets: readonly LineTicket[]): readonly LineTicket[] {
    const sorted = tickets.toSorted((one, other) => one.token - other.token)
    for (const ticket of sorted.slice(0, holding(sorted))) deadlines.holds(names.ticket(key, ticket.id), ticket)
    return sorted
  }

  return {
    glance,
    ticketsIn,
    inOrder,
    read: (key, id, io) =>
      sessions.any().use(async link => {
        const [, { children, revision }, mark] = await Promise.all([
          link.ask(sync(names.lock(key))),
          glance(link, key),
          id === null ? null : link.ask(getNode(names.mark(key, id))),
        ])
        const tickets = inOrder(key, await ticketsIn(link, { key, children, fresh: id }))
        const isMarked = mark?.ok === true
        return { tickets, revision, mark: isMarked ? decodeMark(mark.value.data, { store: 'zookeeper', key }) : null }
      }, io),
  }
}

/** Makes what every lock stands on. */
export async function prepare(link: Link, { names, access }: Pick<Ground, 'names' | 'access'>): Promise<void> {
  const found = await Promise.all(names.base.map(path => link.ask(nodeThere(path))))
  for (const [index, path] of names.base.entries())
    if (found[index]?.ok === false) await link.ask(makePersistent(path, access))
}

/** Makes what a ticket of this lock is put under. */
export async function makeRoom(link: Link, key: string, ground: Pick<Ground, 'names' | 'access'>): Promise<void> {
  const made = await link.ask(makeContainer(ground.names.lock(key), ground.access))
  if (!made.ok && made.code === NO_NODE) await prepare(link, ground)
}
