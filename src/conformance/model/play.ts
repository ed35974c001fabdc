/**
 * Plays one story twice, on the store and on the rule's own transitions, and compares every answer.
 *
 * Where the store's clock cannot be moved, no command is given while something is about to expire: the player waits
 * until it surely has. A call that takes longer than the margin leaves open on which side it fell, and so ends the
 * story without a verdict.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { LeaveRequest, Renewal, RenewRequest, Store, TicketRequest } from '../../store/contract.ts'
import * as rule from '../../store/queue.ts'
import type { Now, Queue, Step } from '../../store/queue.ts'
import { clock as realClock, IO, wait } from '../scene.ts'
import { KEYS } from './stories.ts'
import type { Command, Life, Person, Story } from './stories.ts'
import { createComparer, createTokens } from './same.ts'

/** A clock that stands still until it is told to go on, so that an expiry is met to the millisecond. */
export interface MovableClock {
  now(): number
  wall(): number
  advance(ms: number): unknown
}

export interface Stage {
  /** Two processes on one storage. */
  readonly stores: readonly [Store, Store]
  /** The store's own clock, where it can be moved; null: time is real. */
  readonly clock: MovableClock | null
  /** How late the store may be, and how long a call may take, for a story to be judged. 0 with a clock of ours. */
  readonly marginMs: number
  /** How much longer than it was given a ticket may live, as a part of that. */
  readonly lateness: number
  /** A length for `short`. */
  readonly shortMs: number
  /** What the two processes have heard so far. */
  readonly news: News
}

/** Tokens that pushes have named, by key. */
export interface News {
  readonly holds: Map<string, number[]>
  readonly revoked: Map<string, number[]>
}

/** Lets both processes listen, if the store pushes at all. */
export async function listen(stores: Stage['stores']): Promise<News> {
  const news: News = { holds: new Map(), revoked: new Map() }
  const note = (heard: Map<string, number[]>, key: string, tokens: readonly number[]): void =>
    void heard.set(key, [...(heard.get(key) ?? []), ...tokens])
  for (const store of stores) {
    await store.listen?.({
      holds: (key, tokens) => note(news.holds, key, tokens),
      revoked: (key, token) => note(news.revoked, key, [token]),
      gap() {},
    })
  }
  return news
}

/** `inconclusive`: a call took too long to say which side of an expiry it was on. */
export type Verdict = 'same' | 'inconclusive'

type Sent =
  | { readonly verb: 'enter'; readonly store: Store; readonly request: TicketRequest }
  | { readonly verb: 'renew'; readonly store: Store; readonly request: readonly RenewRequest[] }
  | { readonly verb: 'leave'; readonly store: Store; readonly request: LeaveRequest }

/** `id`: of its latest attempt; empty before the first. `token`: the model's. */
type Player = Person & { readonly name: string; id: string; token: number | null }

class TooSlow extends Error {}

export async function play(story: Story, stage: Stage): Promise<Verdict> {
  try {
    await compare(story, stage)
    return 'same'
  } catch (error) {
    if (error instanceof TooSlow) return 'inconclusive'
    throw error
  }
}

async function compare(story: Story, stage: Stage): Promise<void> {
  const { stores, clock, marginMs, lateness, shortMs } = stage
  const { traits } = stores[0]
  const run = randomUUID()
  const keys = Array.from({ length: KEYS }, (_, index) => `${run}:${index}`)
  const queues = new Map<string, Queue>()
  const tokens = createTokens(traits)
  const people = story.people.map((person): Player => ({
    ...person,
    name: keys[person.key] ?? run,
    id: '',
    token: null,
  }))
  const sent: Sent[] = []
  /** Model tokens that a push should have named, less those whose owners have found out by themselves. */
  const owed = new Map<string, Set<number>>()
  const everHeld = new Map<string, Set<number>>()
  /** Those revoked, by model token: the id, until its owner has found out by itself. */
  const everRevoked = new Map<string, Map<number, string | null>>()
  const lives: Readonly<Record<Life, number>> = { short: shortMs, double: 2 * shortMs, long: 3_600_000 }

  const nowMs = (): number => (clock ?? realClock).now()
  const toleranceMs = clock ? 0 : 2 * marginMs + traits.clockErrorMs
  const same = createComparer(tokens, { toleranceMs, sessions: traits.clock === 'session' })

  async function apply<Answer>(
    key: string,
    transition: (queue: Queue, now: Now) => Step<Answer>,
    now: Now,
  ): Promise<Answer> {
    noteHolders(key, now.ms)
    const step = transition(queues.get(key) ?? rule.EMPTY, now)
    queues.set(key, step.queue)
    for (const token of step.holds) setOf(owed, key).add(token)
    for (const ticket of step.queue.tickets.slice(0, rule.holding(step.queue.tickets)))
      setOf(everHeld, key).add(ticket.token)
    return step.answer
  }

  /**
   * Where sessions end by themselves, one after the other and in an order that we do not see, whoever held in between
   * may be told of, though it is gone when the next step is taken.
   */
  function noteHolders(key: string, ms: number): void {
    if (traits.clock !== 'session') return
    const { tickets } = queues.get(key) ?? rule.EMPTY
    for (const ticket of tickets) {
      const line = tickets.filter(each => each === ticket || each.expiresAt > ms)
      if (line.indexOf(ticket) < rule.holding(line)) setOf(everHeld, key).add(ticket.token)
    }
  }

  /** Gives the time for one call, once nothing is about to expire, nor to be no longer fresh. */
  async function settledNow(message?: Sent): Promise<Now> {
    for (;;) {
      const ms = nowMs()
      const asked = message?.verb === 'enter' ? message.request : null
      const turns = (asked && queues.get(asked.key)?.tickets.filter(ticket => ticket.id === asked.id)) ?? []
      const late = ({ lifeMs }: { readonly lifeMs: number }): number => lifeMs * lateness
      const ends = [...queues.values()].flatMap(queue => [
        ...queue.tickets.map(ticket => ({ from: ticket.expiresAt, to: ticket.expiresAt + late(ticket) })),
        ...queue.forbidden.map(entry => ({ from: entry.until, to: entry.until + late(entry) })),
        ...turns
          .map(ticket => ticket.expiresAt - (asked?.waiterTtlMs ?? 0) * rule.FRESH)
          .map(at => ({ from: at, to: at })),
      ])
      const close = ends.flatMap(({ from, to }) => (ms >= from - marginMs && ms <= to + marginMs ? to : []))
      if (clock || close.length === 0) return { ms, micros: Math.floor((clock ?? realClock).wall() * 1_000) }
      await wait(Math.max(...close) + marginMs + 1 - ms)
    }
  }

  /** From the moment that the rule was given: this process may have stood still before the call was sent. */
  async function timed<T>(since: Now, work: () => Promise<T>): Promise<T> {
    const answer = await work()
    if (!clock && nowMs() - since.ms > marginMs) throw new TooSlow()
    return answer
  }

  function isWaiting(key: string, id: string): boolean {
    const { tickets } = queues.get(key) ?? rule.EMPTY
    return tickets.findIndex(ticket => ticket.id === id) >= rule.holding(tickets)
  }

  async function carryOut(message: Sent): Promise<void> {
    const now = await settledNow(message)
    if (message.verb === 'enter') {
      const { request, store } = message
      // An id names one ticket, ever: its token never meets a later ticket that only a repeated story gave the id.
      const present = queues.get(request.key)?.tickets.find(ticket => ticket.id === request.id)
      if (request.token !== undefined && present !== undefined && present.token !== request.token) return
      // Without a queue a store refuses what would wait, whatever was asked.
      const asked = traits.queue ? request : { ...request, queue: false }
      const expected = await apply(request.key, (queue, at) => rule.enter(queue, asked, at), now)
      const actual = await timed(now, () =>
        store.enter(
          request.token === undefined ? request : { ...request, token: tokens.real(request.key, request.token) },
          IO,
        ),
      )
      same.entry(request.key, actual, expected)
    } else if (message.verb === 'renew') {
      // Only what holds is ever renewed, and a ticket that holds never waits again.
      const request = message.request.filter(each => !isWaiting(each.key, each.id))
      const expected: Renewal[] = []
      for (const each of request) expected.push(await apply(each.key, (queue, at) => rule.renew(queue, each, at), now))
      const actual = await timed(now, () => message.store.renew(request, IO))
      assert.equal(actual.length, expected.length)
      for (const [index, want] of expected.entries()) same.renewal(actual[index], want)
    } else {
      const { request, store } = message
      const expected = await apply(request.key, (queue, at) => rule.leave(queue, request, at), now)
      assert.deepEqual(await timed(now, () => store.leave(request, IO)), expected)
    }
    for (const { key, id } of message.verb === 'renew' ? message.request : [message.request]) {
      // Its owner knows by the answer what a push would have told.
      const own = queues.get(key)?.tickets.find(ticket => ticket.id === id)
      if (own) setOf(owed, key).delete(own.token)
      for (const [token, revoked] of everRevoked.get(key) ?? [])
        if (revoked === id) everRevoked.get(key)?.set(token, null)
    }
  }

  async function perform(command: Command): Promise<void> {
    if (command.do === 'enter') {
      const person = people[command.who]
      if (!person) return
      if (command.anew || person.id === '') Object.assign(person, { id: randomUUID(), token: null })
      const { name: key, id, mode, limit, tokens: size } = person
      const base = {
        key,
        id,
        holder: `P${command.who}`,
        mode,
        limit,
        ttlMs: lives[command.life],
        waiterTtlMs: lives[command.waiterLife],
        queue: command.queue,
        tokens: size,
        meta: { who: String(command.who) },
      }
      const message: Sent = {
        verb: 'enter',
        store: stores[person.store] ?? stores[0],
        request: command.known && person.token !== null ? { ...base, token: person.token } : base,
      }
      sent.unshift(message)
      await carryOut(message)
      person.token = queues.get(key)?.tickets.find(ticket => ticket.id === id)?.token ?? person.token
    } else if (command.do === 'renew') {
      const request = command.whos.flatMap(who => {
        const person = people[who]
        return person && person.id !== '' ? [{ key: person.name, id: person.id, ttlMs: lives[command.life] }] : []
      })
      const message: Sent = {
        verb: 'renew',
        store: stores[people[command.whos[0] ?? 0]?.store ?? 0] ?? stores[0],
        request,
      }
      sent.unshift(message)
      await carryOut(message)
    } else if (command.do === 'leave') {
      const person = people[command.who]
      if (!person || person.id === '') return
      const request = {
        key: person.name,
        id: person.id,
        keepMs: command.keep === null ? 0 : lives[command.keep],
        forbidMs: command.forbid === null ? 0 : lives[command.forbid],
      }
      const message: Sent = { verb: 'leave', store: stores[person.store] ?? stores[0], request }
      sent.unshift(message)
      await carryOut(message)
    } else if (command.do === 'revoke') {
      await revoke(command)
    } else if (command.do === 'inspect') {
      const key = keys[command.key] ?? run
      const now = await settledNow()
      const expected = rule.view(key, queues.get(key) ?? rule.EMPTY, now)
      same.view(key, await timed(now, () => stores[1].inspect(key, IO)), expected)
    } else if (command.do === 'list') {
      const now = await settledNow()
      const expected = keys.flatMap(key => rule.view(key, queues.get(key) ?? rule.EMPTY, now) ?? [])
      const actual = await timed(now, () => all(stores[0].list(`${run}:`, IO)))
      assert.deepEqual(actual.map(lock => lock.key).toSorted(), expected.map(lock => lock.key).toSorted())
      for (const want of expected) same.view(want.key, actual.find(lock => lock.key === want.key) ?? null, want)
    } else if (command.do === 'repeat') {
      const message = sent[command.back]
      if (message) await carryOut(message)
    } else {
      const ms = Math.max(0, (command.thirds * shortMs) / 3 + command.plusMs)
      if (clock) await clock.advance(ms)
      else await wait(ms)
    }
  }

  async function revoke(command: Extract<Command, { do: 'revoke' }>): Promise<void> {
    const { tickets } = command
    const person = typeof tickets === 'object' ? people[tickets.who] : undefined
    if (typeof tickets === 'object' && (person === undefined || person.token === null)) return
    const key = person?.name ?? keys[command.key] ?? run
    /** A number is the first token of the person's block, in the model's or in the store's count, plus the offset. */
    const chosen = (first: number): 'holders' | 'all' | number =>
      typeof tickets === 'object' ? first + Math.min(tickets.offset, (person?.tokens ?? 1) - 1) : tickets
    const token = person?.token ?? 0
    const options = { reason: 'by an operator', now: command.now }
    const told = everRevoked.get(key) ?? new Map<number, string | null>()
    everRevoked.set(key, told)

    const now = await settledNow()
    const before = queues.get(key) ?? rule.EMPTY
    const decide = (queue: Queue, at: Now): Step<number> => {
      const step = rule.revoke(queue, { ...options, tickets: chosen(token) }, at)
      // The owner of a kept ticket has gone: nobody is left to be told.
      for (const each of step.revoked) {
        const knows = told.get(each.token) === null
        told.set(
          each.token,
          knows ? null : (before.tickets.find(ticket => ticket.token === each.token && !ticket.kept)?.id ?? null),
        )
      }
      return step
    }
    const expected = await apply(key, decide, now)
    const actual = await timed(now, () =>
      stores[0].revoke(key, { ...options, tickets: chosen(tokens.real(key, token)) }, IO),
    )
    assert.equal(actual, expected, 'number of tickets revoked')
  }

  /**
   * Whom a push has named must have held, or been revoked. Who came to hold or was revoked by the doing of others, and
   * lives on, must have been named.
   */
  async function compareNews(): Promise<void> {
    if (!stores[0].listen) return
    for (const key of keys) {
      noteHolders(key, nowMs() + marginMs)
      const { tickets, forbidden } = queues.get(key) ?? rule.EMPTY
      const later = nowMs() + 30_000
      const alive = tickets.filter(ticket => !ticket.kept && ticket.expiresAt > later)
      const hold = tickets
        .slice(0, rule.holding(tickets))
        .filter(ticket => alive.includes(ticket) && ticket.revoked === null && setOf(owed, key).has(ticket.token))
      await heard(
        'hold',
        stage.news.holds,
        key,
        [...setOf(everHeld, key)],
        hold.map(ticket => ticket.token),
      )

      const revoked = [...(everRevoked.get(key) ?? [])]
      const known = new Set([
        ...alive.map(ticket => ticket.id),
        ...forbidden.filter(entry => entry.until > later).map(entry => entry.id),
      ])
      const told = revoked.filter(([, id]) => id !== null && known.has(id))
      await heard(
        'revoked',
        stage.news.revoked,
        key,
        revoked.map(([token]) => token),
        told.map(([token]) => token),
      )
    }
  }

  async function heard(
    what: string,
    news: ReadonlyMap<string, readonly number[]>,
    key: string,
    may: readonly number[],
    must: readonly number[],
  ): Promise<void> {
    const real = (tokenList: readonly number[]): number[] => tokenList.map(token => tokens.real(key, token))
    for (const token of news.get(key) ?? [])
      assert.ok(real(may).includes(token), `a push (${what}) wrongly named ${token} of ${key}`)
    const deadline = realClock.now() + 2_000
    while (!real(must).every(token => (news.get(key) ?? []).includes(token))) {
      assert.ok(
        realClock.now() < deadline,
        `no push (${what}) named all of ${real(must).join(', ')} of ${key}, only ${(news.get(key) ?? []).join(', ')}`,
      )
      await wait(5)
    }
  }

  for (const [index, command] of story.commands.entries()) {
    try {
      await perform(command)
    } catch (error) {
      if (error instanceof assert.AssertionError) error.message = `command ${index} (${command.do}): ${error.message}`
      throw error
    }
  }
  await compareNews()
  // Leave nothing behind that later stories would have to wade through.
  if (!clock)
    await Promise.all(
      people
        .filter(person => person.id !== '')
        .map(person => stores[0].leave({ key: person.name, id: person.id, keepMs: 0, forbidMs: 0 }, IO)),
    )
}

function setOf(sets: Map<string, Set<number>>, key: string): Set<number> {
  const found = sets.get(key) ?? new Set<number>()
  sets.set(key, found)
  return found
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
