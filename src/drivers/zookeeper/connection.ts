/**
 * The sessions of this process. A ticket lives as long as its session, so there is one for each length of life that is
 * in use, each over a connection of its own: of two tickets on one session the shorter would outlive its process by as
 * much as the longer.
 *
 * A connection that ends is made anew with the same session, to whichever member answers, and the tickets never know.
 * Only the servers end a session, when they have heard nothing of it for its whole length.
 */
import { systemClock } from '../../base/clock.ts'
import { within } from '../../base/deadline.ts'
import type { Io } from '../../store/contract.ts'
import { createConnection, madeAnew } from '../shared/connection.ts'
import type { Host, ZookeeperAddress } from './address.ts'
import { dial } from './client.ts'
import type { Link, Session } from './client.ts'
import { failureOf, needsAnother, Refusal, SessionExpired } from './failures.ts'

export interface Seat {
  /** Of its present session; null: it has none yet. */
  readonly life: string | null
  /** @throws HoldfastError */
  use<T>(work: (link: Link) => Promise<T>, io: Io): Promise<T>
}

export interface Sessions {
  readonly where: string
  /** One whose tickets are to outlive this process by no more than that. */
  for(lifeMs: number): Seat
  /** Where it does not matter which. */
  any(): Seat
  /** The one whose session this is; undefined: it is over, or another process's. */
  of(life: string): Seat | undefined
  /** Ends all but those with which something still lives. */
  close(living: ReadonlySet<string>): Promise<void>
}

export interface SessionsOptions extends Pick<ZookeeperAddress, 'hosts' | 'login'> {
  readonly beatMs: number
  /** What must be there before anything else is asked. */
  prepare(link: Link): Promise<void>
}

interface OwnSeat extends Seat {
  readonly ms: number
  close(living: ReadonlySet<string>): Promise<void>
}

/** Servers allow few connections of one host (`maxClientCnxns`: 60). */
const MOST = 8
/** That of the ttl which most have. */
const USUAL_MS = 15_000
const FAREWELL_MS = 1_000

export function createSessions({ hosts, login, beatMs, prepare }: SessionsOptions): Sessions {
  const where = `ZooKeeper at ${hosts.map(nameOf).join(',')}`
  const seats: OwnSeat[] = []
  /** Clients begin at different members. */
  let first = Math.floor(systemClock.random() * hosts.length)
  let prepared = false

  async function dialOne(host: Host, session: Session | null, ms: number, timeoutMs: number): Promise<Link> {
    const greeting = { login, beatMs, ms }
    const link = await dial(host, { ...greeting, session }, timeoutMs).catch((cause: unknown) => {
      if (session === null || !(cause instanceof SessionExpired)) throw cause
      return dial(host, { ...greeting, session: null }, timeoutMs)
    })
    if (!prepared) await prepare(link)
    prepared = true
    return link
  }

  /** At the first member that answers. */
  async function dialAny(session: Session | null, ms: number, timeoutMs: number): Promise<Link> {
    const causes: unknown[] = []
    for (const [times] of hosts.entries()) {
      const index = (first + times) % hosts.length
      const host = hosts[index]
      if (host === undefined) continue
      try {
        const link = await dialOne(host, session, ms, timeoutMs / hosts.length)
        first = index
        return link
      } catch (cause) {
        if (cause instanceof Refusal && !needsAnother(cause)) throw cause
        causes.push(hosts.length === 1 ? cause : new Error(`${nameOf(host)}: ${reasonOf(cause)}`))
      }
    }
    throw causes.length === 1 ? causes[0] : new AggregateError(causes)
  }

  function seat(ms: number): OwnSeat {
    let session: Session | null = null
    let current: Link | null = null
    const supply = madeAnew<Link>({
      where,
      async open(timeoutMs) {
        current = await dialAny(session, ms, timeoutMs)
        session = current.session
        return current
      },
      ready: link => link.ready,
      end: link => link.end(),
    })
    const connection = createConnection(supply, {
      failure: (cause, options) => failureOf(cause, where, options),
      moved: needsAnother,
    })
    return {
      ms,
      get life() {
        return session?.id ?? null
      },
      use: (work, io) => connection.use(work, io),
      async close(living) {
        const isOver = session === null || !living.has(session.id)
        if (isOver && current?.ready === true) {
          const late = (): void => {}
          await within(current.endSession().then(late, late), { timeoutMs: FAREWELL_MS, late })
        }
        connection.close()
      },
    }
  }

  function take(ms: number): OwnSeat {
    const made = seat(ms)
    seats.push(made)
    return made
  }

  /** With enough sessions, one that is longer will do, or the longest. */
  function nearest(lifeMs: number): OwnSeat | undefined {
    const sorted = seats.toSorted((one, other) => one.ms - other.ms)
    return sorted.find(({ ms }) => ms >= lifeMs) ?? sorted.at(-1)
  }

  return {
    where,
    for(lifeMs) {
      const known = seats.find(({ ms }) => ms === lifeMs)
      return known ?? (seats.length < MOST ? take(lifeMs) : (nearest(lifeMs) ?? take(lifeMs)))
    },
    any: () => seats[0] ?? take(USUAL_MS),
    of: life => seats.find(each => each.life === life),
    async close(living) {
      await Promise.all(seats.map(each => each.close(living)))
    },
  }
}

function nameOf({ host, port }: Host): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
