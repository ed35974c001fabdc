/** What is done to tickets that are there, and the marks of ids that may not come back. */
import { systemClock } from '../../base/clock.ts'
import type { Io } from '../../store/contract.ts'
import { untilNotOvertaken } from '../../store/overtaken.ts'
import type { TicketKeys } from '../shared/queue-keys.ts'
import { encodeMark } from '../shared/queue-keys/line.ts'
import type { Link } from './client.ts'
import type { Sessions } from './connection.ts'
import type { End } from './deadlines.ts'
import { prepare } from './lines.ts'
import type { Ground, Lines } from './lines.ts'
import {
  alone,
  ANY,
  checkNode,
  getNode,
  makeEphemeral,
  NO_NODE,
  NODE_EXISTS,
  removeNode,
  setNode,
  transaction,
} from './statements.ts'
import type { Step } from './statements.ts'
import { encodeTicket } from './ticket.ts'

type Tickets = Pick<TicketKeys, 'rewrite' | 'refresh' | 'revoke' | 'remove' | 'forbid'>

/** Of what is sent now: as far as the servers let a session live. */
export function endOf({ session }: Link, lifeMs: number): End {
  return { until: systemClock.now() + Math.min(lifeMs, session.ms), life: session.id }
}

/** Whether all of it was done. */
async function isDone(link: Link, steps: readonly Step[]): Promise<boolean> {
  const done = await link.ask(transaction(steps))
  return done.ok && done.value.ok
}

export function createTickets(ground: Ground, lines: Lines): Tickets {
  const { names, access, sessions, deadlines } = ground

  /** The versions of a node that is made again go on: who compares with an older one must find it changed. */
  function moving(path: string, data: string, version: number): readonly Step[] {
    const again = Array.from({ length: version + 1 }, () => setNode(path, data, ANY))
    return [removeNode(path, version), makeEphemeral(path, { data, access }), ...again]
  }

  /** Changes it where it is, or takes it over to the session of that life. */
  const rewrite: Tickets['rewrite'] = async (key, ticket, words, io) => {
    const path = names.ticket(key, ticket.id)
    return sessions.for(words.lifeMs).use(async link => {
      const certain = endOf(link, words.lifeMs)
      // No window stands on it: while this process lives it is kept for as long as asked.
      const end = words.kept ? { ...certain, until: systemClock.now() + words.lifeMs } : certain
      const given = { ...words, lifeMs: Math.min(words.lifeMs, link.session.ms) }
      if (!deadlines.raise(path, end)) return null
      const data = encodeTicket(given, ticket.token)
      const version = Number(ticket.version)
      const isHere = end.life === ticket.life
      const isSame = isHere && data === encodeTicket(ticket, ticket.token)
      const here = isSame ? checkNode(path, version) : setNode(path, data, version)
      if (!(await isDone(link, isHere ? [here] : moving(path, data, version)))) return null
      deadlines.set(path, end)
      const after = { ...ticket, ...given, version: String(isSame ? version : version + 1), life: end.life }
      return { ticket: after, until: end.until }
    }, io)
  }

  const refresh: Tickets['refresh'] = async (key, ticket, io) => {
    const seat = sessions.of(ticket.life)
    if (seat === undefined) return (await rewrite(key, ticket, ticket, io)) !== null
    const path = names.ticket(key, ticket.id)
    return seat.use(async link => {
      if (link.session.id !== ticket.life || !deadlines.raise(path, endOf(link, ticket.lifeMs))) return false
      return isDone(link, [checkNode(path, Number(ticket.version))])
    }, io)
  }

  const revoke: Tickets['revoke'] = (key, ticket, reason, io) => {
    const data = encodeTicket({ ...ticket, revoked: reason }, ticket.token)
    const step = setNode(names.ticket(key, ticket.id), data, Number(ticket.version))
    return sessions.any().use(async link => (await link.ask(alone(step))).ok, io)
  }

  /** Who is known to hold need not look at the line. */
  const remove: Tickets['remove'] = async (key, { id, version, life, behind }, io) => {
    const path = names.ticket(key, id)
    const held = deadlines.held(path)
    const line = held === null ? await lines.read(key, id, io) : { tickets: [held], mark: null, revision: 0 }
    if (line.tickets.every(ticket => ticket.id !== id)) return null
    const there = behind.map(each => checkNode(names.ticket(key, each.id), ANY))
    const step = removeNode(path, Number(version))
    const seat = sessions.of(life) ?? sessions.any()
    const isGone = await seat.use(
      async link => (there.length > 0 ? isDone(link, [...there, step]) : (await link.ask(alone(step))).ok),
      io,
    )
    if (!isGone) return null
    deadlines.drop(path)
    return line
  }

  const forbid: Tickets['forbid'] = async ({ key, id }, { lifeMs, ...mark }, io) => {
    const path = names.mark(key, id)
    const make = makeEphemeral(path, { data: encodeMark(mark), access })
    await untilNotOvertaken<void>(
      left =>
        sessions.for(lifeMs).use(async link => {
          deadlines.raise(path, { until: systemClock.now() + lifeMs, life: link.session.id })
          const made = await link.ask(alone(make))
          if (made.ok) return { answer: undefined }
          if (made.code === NO_NODE) await prepare(link, ground)
          // An earlier one ends with another session, and perhaps sooner.
          const isReplaced = made.code === NODE_EXISTS && (await isDone(link, [removeNode(path, ANY), make]))
          return isReplaced ? { answer: undefined } : null
        }, left()),
      { name: 'zookeeper', key, io },
    )
  }

  return { rewrite, refresh, revoke, remove, forbid }
}

/** Until it is gone, or another's. */
export async function removeOwn(path: string, sessions: Sessions, io: Io): Promise<void> {
  await sessions.any().use(async link => {
    for (let isThere = true; isThere;) {
      const node = await link.ask(getNode(path))
      isThere =
        node.ok &&
        sessions.of(node.value.life) !== undefined &&
        !(await link.ask(alone(removeNode(path, node.value.version)))).ok
    }
  }, io)
}
