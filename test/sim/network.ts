/**
 * The network between each process and the one store, and what a driver makes of it.
 *
 * A request may be slow, lost, or sent again and carried out twice; it may be carried out long after its caller has
 * given up. A reply may be slow or lost. A push may be slow, lost or repeated. A link may be cut: what arrives then is
 * lost, or stuck until the link heals. The store may be down, and come back with its memory. The caller learns at its
 * deadline that it has learned nothing, as from a driver that keeps the contract; some calls hang for good, as from one
 * that does not.
 *
 * A first enter is not carried out again once it was answered: no client sends again what it has the answer of.
 */
import type { Timer } from '../../src/base/clock.ts'
import type { Entry, Io, LockView, Renewal, Store, StoreListener, TicketView } from '../../src/store/contract.ts'
import type { Modules } from './modules.ts'
import type { Process, World } from './world.ts'

/** How bad things are; each a part of all messages unless it says otherwise. */
export interface Weather {
  readonly leastMs: number
  readonly mostMs: number
  readonly slow: number
  /** The slowest takes so long. */
  readonly slowMs: number
  readonly loseRequest: number
  readonly loseReply: number
  readonly repeat: number
  /** The driver never settles. */
  readonly hang: number
  /** One answer of a batch is missing. */
  readonly unknown: number
  /** An inspect that nobody answers: it is for people, and nothing else may depend on it. */
  readonly loseInspect: number
  readonly losePush: number
  readonly repeatPush: number
}

/** What the store holds of a key, as of its last change. */
export interface Seen {
  readonly at: number
  readonly view: LockView | null
}

export interface NetworkObserver {
  /** An operator took what was held, up to this token, from its owners by force. */
  taken(key: string, upTo: number): void
}

export interface Network {
  connect(process: Process): Store
  seen(key: string): Seen | undefined
  /** Those that live now, with what they have left now. */
  tickets(key: string): readonly TicketView[]
  cut(process: Process): void
  heal(process: Process): void
  closing(process: Process): void
  down(): void
  up(): void
  /** From now on: `calm` for none of it. */
  weather(next: Weather): void
  /** Ids that a process has entered and never left, though something of them may stand in the store. */
  owing(process: Process): readonly string[]
  /** Those of them that wait, for all that it knows. */
  waiting(process: Process): readonly string[]
  /** At the end of all: nobody holds the key and nobody waits. */
  mustBeEmpty(key: string): Promise<void>
}

interface Link {
  readonly process: Process
  cut: boolean
  readonly stuck: (() => void)[]
  listener: StoreListener | null
  /** Its locks were told to close: nobody of it waits any more. */
  closing: boolean
  closed: boolean
  /** Enters that the core waits for, by id; the value is the instant of their deadline. */
  readonly entering: Map<string, number>
  /** Ids of which something may stand in the store, until their owner has asked to leave. */
  readonly owing: Map<string, Debt>
  /** Tokens that it was told to hold. */
  readonly told: Set<number>
}

interface Debt {
  /** Enters of which nobody knows whether they were, or will be, carried out. */
  unanswered: number
  /** As of the last answer. */
  present: boolean
  /** The token of one that waits, as of the last answer; 0: it does not. */
  waits: number
  /** The last request about it, of whatever kind. */
  sentAt: number
}

/** So soon after the news of a gap every waiter has entered again. */
const AFTER_GAP_MS = 5

export function createNetwork(world: World, modules: Modules, first: Weather, observer: NetworkObserver): Network {
  const { chance } = world
  const inner = modules.memoryStore({ clock: world.storeClock })
  const links = new Map<Process, Link>()
  const views = new Map<string, Seen>()
  const left = new Set<string>()
  let weather = first
  let isDown = false

  const latency = (): number =>
    chance.of(weather.slow) ? chance.spread(1, weather.slowMs) : chance.between(weather.leastMs, weather.mostMs)
  const linkOf = (process: Process): Link => {
    const link = links.get(process)
    if (link === undefined) throw new Error(`${process.name} is not connected`)
    return link
  }

  async function look(key: string): Promise<void> {
    views.set(key, { at: world.now, view: await inner.inspect(key, { timeoutMs: 1 }) })
  }

  /** Reaches the store, or not. */
  function arrive(link: Link, what: string, task: () => void): void {
    if (isDown) return world.note(`${what} finds no store`)
    if (!link.cut) return task()
    if (chance.of(0.5)) return world.note(`${what} is lost in the cut`)
    link.stuck.push(() => arrive(link, what, task))
  }

  function call<T extends Answer>(
    link: Link,
    what: string,
    io: Io,
    execute: () => Promise<T>,
    once = false,
  ): Promise<T> {
    const { process } = link
    return new Promise<T>((resolve, reject) => {
      let answered = false
      let open = true
      let deadline: Timer | undefined
      const settle = (how: () => void): void => {
        if (!open) return
        open = false
        deadline?.cancel()
        how()
      }
      const fail = (message: string, ambiguous: boolean): void =>
        settle(() => reject(new modules.StoreUnavailableError(message, { ambiguous })))
      if (link.closed) return fail('closed', false)
      if (!chance.of(weather.hang))
        deadline = process.clock.after(io.timeoutMs, () => fail(`no answer within ${io.timeoutMs} ms`, true))
      if ((isDown || link.cut) && chance.of(0.5))
        return process.receive(latency(), () => fail('connection refused', false))
      if (chance.of(weather.loseRequest)) return world.note(`${what} is lost`)
      const copies = chance.of(weather.repeat) ? 2 : 1
      for (let copy = 1; copy <= copies; copy += 1) {
        const delayMs = copy === 1 ? latency() : chance.spread(1, weather.slowMs)
        world.after(delayMs, () => arrive(link, what, () => void carryOut()))
      }

      async function carryOut(): Promise<void> {
        if (once && answered) return
        let answer: () => void
        let shown: string
        try {
          const value = await execute()
          shown = show(value)
          answer = () => resolve(value)
        } catch (error) {
          shown = String(error)
          answer = () => reject(error)
        }
        world.note(`${what} = ${shown}`)
        if (link.cut || chance.of(weather.loseReply)) return
        process.receive(latency(), () => {
          if (!open) return
          answered = true
          world.note(`${what} answered`)
          settle(answer)
        })
      }
    })
  }

  async function owed(link: Link, id: string, answer: Promise<Entry>): Promise<Entry> {
    const debt = link.owing.get(id) ?? { unanswered: 0, present: false, waits: 0, sentAt: 0 }
    link.owing.set(id, debt)
    debt.sentAt = world.now
    debt.unanswered += 1
    try {
      const entry = await answer
      debt.unanswered -= 1
      debt.waits = entry.status === 'waits' ? entry.token : 0
      debt.present = isIn(entry) || (entry.status === 'forbidden' && entry.reason === 'revoked')
      return entry
    } catch (error) {
      if (error instanceof modules.StoreUnavailableError && !error.ambiguous) debt.unanswered -= 1
      throw error
    }
  }

  function push(link: Link, what: string, tell: (listener: StoreListener) => void): void {
    if (link.cut || chance.of(weather.losePush)) return world.note(`push to ${link.process.name} is lost: ${what}`)
    const copies = chance.of(weather.repeatPush) ? 2 : 1
    for (let copy = 1; copy <= copies; copy += 1) {
      link.process.receive(copy === 1 ? latency() : chance.spread(1, weather.slowMs), () => {
        if (link.listener === null) return
        world.note(`push to ${link.process.name}: ${what}`)
        tell(link.listener)
      })
    }
  }

  function connect(process: Process): Store {
    const link: Link = {
      process,
      cut: false,
      stuck: [],
      listener: null,
      closing: false,
      closed: false,
      entering: new Map(),
      owing: new Map(),
      told: new Set(),
    }
    links.set(process, link)

    function refuseTwo(verb: string, id: string): void {
      const deadline = link.entering.get(id)
      if (deadline === undefined) return
      if (verb === 'enter' || world.now < deadline)
        world.fail(`${process.name} has two calls under way for ${id}: enter and ${verb}`)
    }

    return {
      traits: inner.traits,
      async enter(asked, io) {
        const what = `${process.name} enter ${asked.key} ${asked.id}${asked.token === undefined ? '' : ' again'}`
        if (link.closing) world.fail(`${process.name} is closing, and still enters "${asked.key}"`)
        refuseTwo('enter', asked.id)
        link.entering.set(asked.id, world.now + io.timeoutMs / process.rate)
        try {
          const execute = async (): Promise<Entry> => {
            const entry = await inner.enter(asked, io)
            if (left.has(asked.id) && isIn(entry))
              world.fail(
                `ghost grant: ${asked.id} came back to "${asked.key}" (${entry.status}) after its owner had left for good`,
              )
            await look(asked.key)
            return entry
          }
          return await owed(link, asked.id, call(link, what, io, execute, asked.token === undefined))
        } finally {
          link.entering.delete(asked.id)
        }
      },
      renew: (renewals, io) =>
        call(link, `${process.name} renew ${renewals.map(({ id }) => id).join(' ')}`, io, async () => {
          const answers: Renewal[] = []
          for (const renewal of renewals) {
            if (chance.of(weather.unknown))
              answers.push({ status: 'unknown', cause: new Error('one of the batch failed') })
            else answers.push(...(await inner.renew([renewal], io)))
            await look(renewal.key)
          }
          return answers
        }),
      leave(asked, io) {
        refuseTwo('leave', asked.id)
        link.owing.delete(asked.id)
        return call(
          link,
          `${process.name} leave ${asked.key} ${asked.id}${asked.keepMs > 0 ? ` keep ${asked.keepMs}` : ''}`,
          io,
          async () => {
            const answer = await inner.leave(asked, io)
            left.add(asked.id)
            await look(asked.key)
            return answer
          },
        )
      },
      listen(listener) {
        return call(link, `${process.name} listen`, { timeoutMs: 5_000 }, async () => {
          link.listener = listener
          const subscription = await inner.listen?.({
            holds: (key, tokens) =>
              push(link, `holds ${key} ${tokens.map(short).join(' ')}`, each => {
                for (const token of tokens) link.told.add(token)
                each.holds(key, tokens)
              }),
            revoked: (key, token, reason) =>
              push(link, `revoked ${key} ${short(token)}`, each => each.revoked(key, token, reason)),
            gap: () => push(link, 'gap', each => each.gap()),
          })
          return {
            async [Symbol.asyncDispose]() {
              link.listener = null
              await subscription?.[Symbol.asyncDispose]()
            },
          }
        })
      },
      async inspect(key, io) {
        if (!chance.of(weather.loseInspect))
          return call(link, `${process.name} inspect ${key}`, io, () => inner.inspect(key, io))
        await process.sleep(io.timeoutMs)
        throw new modules.StoreUnavailableError(`no answer within ${io.timeoutMs} ms`, { ambiguous: true })
      },
      async *list(prefix, io) {
        yield* inner.list(prefix, io)
      },
      revoke: (key, asked, io) =>
        call(link, `${process.name} revoke ${key} ${asked.tickets}${asked.now ? ' now' : ''}`, io, async () => {
          const { holders = [], waiters = [] } = views.get(key)?.view ?? {}
          const count = await inner.revoke(key, asked, io)
          if (asked.now)
            observer.taken(
              key,
              Math.max(0, ...[...holders, ...waiters].map(ticket => ticket.token + ticket.tokens - 1)),
            )
          await look(key)
          return count
        }),
      async close() {
        link.closed = true
        link.listener = null
      },
    }
  }

  function tellGap(link: Link): void {
    const { process, owing, entering, told } = link
    process.receive(chance.between(weather.leastMs, weather.mostMs), () => {
      if (link.listener === null) return
      world.note(`push to ${process.name}: gap`)
      link.listener.gap()
      const { now } = world
      const { pausedMs } = process
      const waiting = [...owing].filter(
        ([id, { waits, sentAt }]) => waits > 0 && !told.has(waits) && sentAt < now && !entering.has(id),
      )
      process.receive(AFTER_GAP_MS, () => {
        if (process.pausedMs > pausedMs || link.closed) return
        for (const [id, debt] of waiting)
          if (owing.get(id) === debt && debt.waits > 0 && !told.has(debt.waits) && debt.sentAt < now)
            world.fail(`${process.name} was told of a gap, and has not entered ${id} again`)
      })
    })
  }

  return {
    connect,
    seen: key => views.get(key),
    tickets(key) {
      const { at = 0, view = null } = views.get(key) ?? {}
      return [...(view?.holders ?? []), ...(view?.waiters ?? [])]
        .map(ticket => ({ ...ticket, leftMs: at + ticket.leftMs - world.now }))
        .filter(ticket => ticket.leftMs > 0)
    },
    cut(process) {
      linkOf(process).cut = true
      world.note(`${process.name} is cut off`)
    },
    heal(process) {
      const link = linkOf(process)
      if (!link.cut) return
      link.cut = false
      world.note(`${process.name} is connected again`)
      for (const task of link.stuck.splice(0)) world.after(latency(), task)
      tellGap(link)
    },
    closing(process) {
      linkOf(process).closing = true
      world.note(`${process.name} closes`)
    },
    down() {
      isDown = true
      world.note('the store stops')
    },
    up() {
      if (!isDown) return
      isDown = false
      world.note('the store runs again')
      for (const link of links.values()) tellGap(link)
    },
    weather(next) {
      weather = next
    },
    waiting(process) {
      const { owing, entering, told } = linkOf(process)
      return [...owing]
        .filter(([id, { waits, unanswered }]) => waits > 0 && unanswered === 0 && !told.has(waits) && !entering.has(id))
        .map(([id]) => id)
    },
    owing: process =>
      [...linkOf(process).owing].filter(([, { unanswered, present }]) => present || unanswered > 0).map(([id]) => id),
    async mustBeEmpty(key) {
      const view = await inner.inspect(key, { timeoutMs: 1 })
      if (view !== null) world.fail(`"${key}" is not free at the end: ${JSON.stringify(view)}`)
    },
  }
}

const isIn = (entry: Entry): boolean => entry.status === 'holds' || entry.status === 'waits'

const EARLIEST_TOKEN = Date.UTC(2026, 0, 1) * 1_000

/** Tokens as people can read them: counted from the beginning of the world. */
export function short(token: number): string {
  return String(token - EARLIEST_TOKEN)
}

type Answer =
  | Entry
  | Renewal
  | readonly Renewal[]
  | { readonly was: string }
  | number
  | LockView
  | AsyncDisposable
  | null

function show(answer: Answer): string {
  if (typeof answer !== 'object' || answer === null) return String(answer)
  if (isList(answer)) return answer.map(show).join(', ')
  if ('was' in answer) return answer.was
  if ('holders' in answer && 'waiters' in answer) return `${answer.holders.length} hold, ${answer.waiters.length} wait`
  if (!('status' in answer)) return 'done'
  if (answer.status === 'held') return `held for ${answer.leftMs.toFixed(3)}, ${answer.waiters} wait`
  if (answer.status === 'holds')
    return `holds ${short(answer.token)} for ${answer.leftMs.toFixed(3)}, ${answer.waiters} wait`
  if (answer.status === 'waits')
    return `waits ${short(answer.token)} for ${answer.leftMs.toFixed(3)} behind ${answer.ahead}, again in ${answer.retryMs.toFixed(3)}`
  if (answer.status === 'refused') return `refused behind ${answer.holders.map(({ holder }) => holder).join(' ')}`
  return 'reason' in answer ? `${answer.status} ${answer.reason}` : answer.status
}

function isList(answer: Answer): answer is readonly Renewal[] {
  return Array.isArray(answer)
}
