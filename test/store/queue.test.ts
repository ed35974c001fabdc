import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Entry, Mode } from '../../src/store/contract.ts'
import { EMPTY, enter, forgettable, holding, leave, renew, revoke, view } from '../../src/store/queue.ts'
import type { Now, Queue } from '../../src/store/queue.ts'
import { at, gone, queueOf, request, T0 } from './requests.ts'

type Wish = { readonly mode: Mode; readonly limit: number | null }

const wish: fc.Arbitrary<Wish> = fc.oneof(
  fc.constant({ mode: 'exclusive' as const, limit: null }),
  fc.record({ mode: fc.constant('shared' as const), limit: fc.option(fc.integer({ min: 1, max: 5 }), { nil: null }) }),
)

/** The rule word by word, ticket by ticket, however slow. */
function holdsByTheWord(queue: readonly Wish[], index: number): boolean {
  const ticket = queue[index]
  const before = queue.slice(0, index)
  if (ticket === undefined) return false
  if (ticket.mode === 'exclusive') return before.length === 0
  return before.every(each => each.mode === 'shared') && (ticket.limit === null || before.length < ticket.limit)
}

describe('the rule', () => {
  test('is what it says, word by word, as long as those who hold are in front', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 12 }), queue => {
        const count = holding(queue)
        for (let index = 0; index < count; index += 1) expect(holdsByTheWord(queue, index)).toBe(true)
        expect(holdsByTheWord(queue, count)).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })

  test('serves in order: nobody behind one who waits holds', () => {
    // Every ticket before the last is shared, but one of them waits for its limit.
    expect(
      holding([
        { mode: 'shared', limit: null },
        { mode: 'shared', limit: 1 },
        { mode: 'shared', limit: null },
      ]),
    ).toBe(1)
  })

  test('never lets a writer hold with anybody else', () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 12 }), queue => {
        const holders = queue.slice(0, holding(queue))
        expect(holders.length === 1 || holders.every(each => each.mode === 'shared')).toBe(true)
        for (const [index, each] of holders.entries()) if (each.limit !== null) expect(index).toBeLessThan(each.limit)
      }),
    )
  })

  test('lets somebody hold whenever anybody is there', () => {
    fc.assert(fc.property(fc.array(wish, { minLength: 1, maxLength: 12 }), queue => holding(queue) > 0))
    expect(holding([])).toBe(0)
  })

  test('takes nobody who holds out when one more comes', () => {
    fc.assert(
      fc.property(
        fc.array(wish, { maxLength: 12 }),
        wish,
        (queue, last) => holding([...queue, last]) >= holding(queue),
      ),
    )
  })

  test('takes nobody who holds out when another leaves', () => {
    fc.assert(
      fc.property(fc.array(wish, { minLength: 1, maxLength: 12 }), fc.nat(), (queue, at) => {
        const gone = at % queue.length
        const held = queue.slice(0, holding(queue)).filter((_, index) => index !== gone)
        const left = queue.toSpliced(gone, 1)
        expect(left.slice(0, holding(left)).slice(0, held.length)).toEqual(held)
      }),
    )
  })
})

/** What the length of a statement explains: a clock set back by more is a clock set back. */
const TOLERANCE_MS = 1_000

const ids = (queue: Queue): readonly string[] => queue.tickets.map(ticket => ticket.id)
const status = (entry: Entry): string => entry.status

describe('time', () => {
  test('an expired ticket is removed, not skipped: no later operation finds it', () => {
    const queue = queueOf(T0, request('a'))
    const { queue: after } = enter(queue, request('b', { queue: false }), at(1_000))
    expect(ids(after)).toEqual(['b'])
    expect(renew(after, { key: 'k', id: 'a', ttlMs: 9_000 }, at(1_001)).answer.status).toBe('lost')
  })

  test('every operation sweeps, one that finds nothing to do included', () => {
    const queue = queueOf(T0, request('a'), request('b', { waiterTtlMs: 100 }))
    const late = at(5_000)
    expect(ids(enter(queue, request('x', { token: 1 }), late).queue)).toEqual([])
    expect(ids(renew(queue, { key: 'k', id: 'x', ttlMs: 1 }, late).queue)).toEqual([])
    expect(ids(leave(queue, { key: 'k', id: 'x', ...gone }, late).queue)).toEqual([])
    expect(ids(revoke(queue, { tickets: 'all', reason: '', now: true }, late).queue)).toEqual([])
    expect(view('k', queue, late)).toBeNull()
  })

  test('a ticket lives to the last millisecond of its time and not into the next', () => {
    const queue = queueOf(T0, request('a'))
    expect(renew(queue, { key: 'k', id: 'a', ttlMs: 1 }, at(999)).answer.status).toBe('held')
    expect(renew(queue, { key: 'k', id: 'a', ttlMs: 1 }, at(1_000)).answer.status).toBe('lost')
  })

  test('an expiry only moves later', () => {
    const queue = renew(queueOf(T0, request('a')), { key: 'k', id: 'a', ttlMs: 10 }, at(1)).queue
    expect(queue.tickets[0]?.expiresAt).toBe(T0.ms + 1_000)
    expect(renew(queue, { key: 'k', id: 'a', ttlMs: 10 }, at(2)).answer).toMatchObject({ status: 'held', leftMs: 10 })
    expect(renew(queue, { key: 'k', id: 'a', ttlMs: 2_000 }, at(2)).queue.tickets[0]?.expiresAt).toBe(T0.ms + 2_002)
  })

  test('a clock that was set back gives nobody more than its own ttl', () => {
    const queue = leave(
      queueOf(T0, request('a'), request('b')),
      { key: 'k', id: 'x', keepMs: 0, forbidMs: 700 },
      T0,
    ).queue
    const back = at(-3_600_000)
    const swept = renew(queue, { key: 'k', id: 'x', ttlMs: 1 }, back).queue
    expect(swept.tickets.map(ticket => ticket.expiresAt - back.ms)).toEqual([1_000, 300])
    expect(swept.forbidden.map(entry => entry.until - back.ms)).toEqual([700])
    // And the cut stays cut when the clock comes back.
    expect(ids(renew(swept, { key: 'k', id: 'x', ttlMs: 1 }, T0).queue)).toEqual([])
  })

  test('nobody is told of more time than it was given, at whatever fraction of a millisecond', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.integer({ min: 1, max: 1e6 }), (ms, lifeMs) => {
        const now: Now = { ms, micros: T0.micros }
        const held = enter(EMPTY, request('a', { ttlMs: lifeMs }), now)
        const waits = enter(held.queue, request('b', { waiterTtlMs: lifeMs }), now)
        const refused = enter(held.queue, request('c', { queue: false }), now)
        for (const { answer } of [held, waits]) expect('leftMs' in answer && answer.leftMs <= lifeMs).toBe(true)
        expect(refused.answer).toMatchObject({
          status: 'refused',
          retryMs: expect.toSatisfy(retryMs => retryMs <= lifeMs),
        })
        expect(view('k', waits.queue, now)).toMatchObject({
          holders: [{ leftMs: expect.toSatisfy(leftMs => leftMs <= lifeMs) }],
        })
      }),
      { examples: [[68.05, 60]] },
    )
  })

  test('one that waits has its waiterTtl; one that holds by the leaving of another has no more until it renews', () => {
    const queue = leave(queueOf(T0, request('a'), request('b')), { key: 'k', id: 'a', ...gone }, at(10)).queue
    expect(queue.tickets).toMatchObject([{ id: 'b', heldAt: T0.ms + 10, expiresAt: T0.ms + 300 }])
    expect(renew(queue, { key: 'k', id: 'b', ttlMs: 1_000 }, at(20)).queue.tickets[0]?.expiresAt).toBe(T0.ms + 1_020)
  })

  test('the first that is heard of a holder that waited sets its end to the ttl, be it sooner or later', () => {
    const waited = queueOf(T0, request('a'), request('b', { ttlMs: 100, waiterTtlMs: 5_000 }))
    const queue = leave(waited, { key: 'k', id: 'a', ...gone }, at(10)).queue
    const renewed = renew(queue, { key: 'k', id: 'b', ttlMs: 100 }, at(20))
    expect(renewed).toMatchObject({ answer: { leftMs: 100 }, queue: { tickets: [{ expiresAt: T0.ms + 120 }] } })
    const entered = enter(queue, request('b', { ttlMs: 100, waiterTtlMs: 5_000 }), at(20))
    expect(entered.queue.tickets[0]?.expiresAt).toBe(T0.ms + 120)
    // From then on it only moves later.
    expect(renew(renewed.queue, { key: 'k', id: 'b', ttlMs: 50 }, at(30)).queue.tickets[0]?.expiresAt).toBe(T0.ms + 120)
  })

  test('a first renewal for less than the ttl asked for takes nothing from what a pushed owner counts on', () => {
    const waited = queueOf(T0, request('a'), request('b', { ttlMs: 400, waiterTtlMs: 5_000 }))
    const queue = leave(waited, { key: 'k', id: 'a', ...gone }, at(10)).queue
    const renewed = renew(queue, { key: 'k', id: 'b', ttlMs: 50 }, at(20))
    expect(renewed).toMatchObject({ answer: { leftMs: 50 }, queue: { tickets: [{ expiresAt: T0.ms + 420 }] } })
  })

  test('who waits and asks again soon is not prolonged; its heartbeat, after a third, is', () => {
    const queue = queueOf(T0, request('a'), request('b'))
    expect(enter(queue, request('b'), at(70)).answer).toMatchObject({ status: 'waits', leftMs: 230 })
    expect(enter(queue, request('b'), at(100)).answer).toMatchObject({ status: 'waits', leftMs: 300 })
  })

  test('a clock that is a statement older than the record takes nothing from anybody', () => {
    const queue = renew(queueOf(T0, request('a')), { key: 'k', id: 'a', ttlMs: 1_000 }, at(900)).queue
    const stale = enter(queue, request('b', { queue: false }), at(0))
    expect(stale.queue.tickets[0]?.expiresAt).toBe(T0.ms + 1_900)
    expect(enter(stale.queue, request('b', { queue: false }), at(1_800)).answer.status).toBe('refused')
  })

  test('only the ticket that the next expiry lets hold is called for it; the others keep their heartbeat', () => {
    const queue = queueOf(T0, request('a', { ttlMs: 50 }))
    const b = enter(queue, request('b'), T0)
    const c = enter(b.queue, request('c'), T0)
    expect(b.answer).toMatchObject({ status: 'waits', retryMs: 50 })
    expect(c.answer).toMatchObject({ status: 'waits', retryMs: 100 })
  })

  test('a writer comes again when the last of the readers in front has run out, though they end one after the other', () => {
    const readers = [30, 50, 40].map(ttlMs => request(`r${ttlMs}`, { mode: 'shared', ttlMs }))
    expect(enter(queueOf(T0, ...readers), request('w'), T0).answer).toMatchObject({ status: 'waits', retryMs: 50 })
    const longer = request('r400', { mode: 'shared', ttlMs: 400 })
    expect(enter(queueOf(T0, ...readers, longer), request('w'), T0).answer).toMatchObject({
      status: 'waits',
      retryMs: 100,
    })
  })

  test('one behind a limit comes again when as many have run out as must', () => {
    const queue = queueOf(T0, ...[30, 50, 40].map(ttlMs => request(`s${ttlMs}`, { mode: 'shared', limit: 3, ttlMs })))
    expect(enter(queue, request('a', { mode: 'shared', limit: 3 }), T0).answer).toMatchObject({
      status: 'waits',
      retryMs: 30,
    })
    expect(enter(queue, request('b', { mode: 'shared', limit: 2 }), T0).answer).toMatchObject({
      status: 'waits',
      retryMs: 40,
    })
  })
})

describe('tokens', () => {
  test('begin at the clock, and never within or before an earlier block', () => {
    const first = enter(EMPTY, request('a', { tokens: 32 }), T0)
    expect(first.answer).toMatchObject({ token: T0.micros })
    const second = enter(leave(first.queue, { key: 'k', id: 'a', ...gone }, T0).queue, request('b'), T0)
    expect(second.answer).toMatchObject({ token: T0.micros + 32 })
  })

  test('grow even if the clock that makes them is set back', () => {
    const queue = leave(queueOf(T0, request('a')), { key: 'k', id: 'a', ...gone }, T0).queue
    const { answer } = enter(queue, request('b'), { ms: T0.ms, micros: T0.micros - 3_600e6 })
    expect(answer).toMatchObject({ token: T0.micros + 1 })
  })

  test('beyond the safe integers are refused, not rounded', () => {
    const queue = { ...EMPTY, end: Number.MAX_SAFE_INTEGER - 1 }
    expect(() => enter(queue, request('a', { tokens: 2 }), T0)).toThrow(RangeError)
  })

  test('of a record that may be forgotten are surely passed by the clock', () => {
    const left = leave(
      queueOf(T0, request('a', { tokens: 1_000 })),
      { key: 'k', id: 'a', keepMs: 0, forbidMs: 0 },
      T0,
    ).queue
    const day = 86_400_000
    expect(forgettable(left, at(day - 1))).toBe(false)
    expect(forgettable(left, at(day + 2))).toBe(true)
  })

  test('what has run out keeps no record from being forgotten, though nobody came to remove it', () => {
    const held = leave(queueOf(T0, request('a'), request('b')), { key: 'k', id: 'x', keepMs: 0, forbidMs: 5 }, T0).queue
    expect(forgettable(held, at(2 * 86_400_000))).toBe(true)
  })

  test('a record with a ticket, a kept ticket or a forbidden id in it is never forgotten', () => {
    const day = { ms: T0.ms, micros: T0.micros + 10 * 86_400e6 }
    const held = queueOf(T0, request('a'))
    expect(forgettable(held, day)).toBe(false)
    expect(forgettable(leave(held, { key: 'k', id: 'a', keepMs: 5, forbidMs: 0 }, T0).queue, day)).toBe(false)
    expect(forgettable(leave(held, { key: 'k', id: 'a', keepMs: 0, forbidMs: 5 }, T0).queue, day)).toBe(false)
    expect(forgettable(EMPTY, day)).toBe(true)
  })
})

describe('leaving', () => {
  test('forbids the id for its time, the id of one that never came included', () => {
    const { queue, answer } = leave(EMPTY, { key: 'k', id: 'a', keepMs: 0, forbidMs: 100 }, T0)
    expect(answer.was).toBe('absent')
    expect(status(enter(queue, request('a'), at(99)).answer)).toBe('forbidden')
    expect(status(enter(queue, request('a'), at(100)).answer)).toBe('holds')
  })

  test('forbids an id as it was told last, and takes back no other', () => {
    const first = leave(EMPTY, { key: 'k', id: 'a', keepMs: 0, forbidMs: 100 }, T0).queue
    const second = leave(first, { key: 'k', id: 'b', keepMs: 0, forbidMs: 100 }, T0).queue
    const again = leave(second, { key: 'k', id: 'a', keepMs: 0, forbidMs: 50 }, T0).queue
    expect(again.forbidden.map(({ id, until }) => [id, until - T0.ms])).toEqual([
      ['b', 100],
      ['a', 50],
    ])
  })

  test('tells all who hold since then, each once', () => {
    const shared = { mode: 'shared' as const }
    const queue = queueOf(T0, request('a'), request('r1', shared), request('r2', shared), request('w'))
    const step = leave(queue, { key: 'k', id: 'a', ...gone }, T0)
    expect(step.holds).toEqual(step.queue.tickets.slice(0, 2).map(ticket => ticket.token))
    expect(leave(step.queue, { key: 'k', id: 'a', ...gone }, T0).holds).toEqual([])
    expect(leave(step.queue, { key: 'k', id: 'r1', ...gone }, T0).holds).toEqual([])
  })

  test('keeps a held ticket when asked to, as long as that and no longer than that', () => {
    const { queue } = leave(queueOf(T0, request('a')), { key: 'k', id: 'a', keepMs: 50, forbidMs: 0 }, T0)
    expect(queue.tickets).toMatchObject([{ id: 'a', kept: true, expiresAt: T0.ms + 50 }])
    expect(renew(queue, { key: 'k', id: 'a', ttlMs: 9_000 }, T0).answer.status).toBe('lost')
    expect(leave(queue, { key: 'k', id: 'a', ...gone }, T0)).toMatchObject({
      answer: { was: 'absent' },
      queue: { tickets: [{ id: 'a' }] },
    })
    expect(status(enter(queue, request('b', { queue: false }), at(49)).answer)).toBe('refused')
    expect(status(enter(queue, request('b', { queue: false }), at(50)).answer)).toBe('holds')
  })
})

describe('revoke', () => {
  const queue = queueOf(T0, request('a', { tokens: 4 }), request('b', { tokens: 4 }), request('c', { tokens: 4 }))
  const reason = 'maintenance'

  test('leaves a held ticket its time, and takes its renewal', () => {
    const step = revoke(queue, { tickets: 'holders', reason, now: false }, T0)
    expect([step.answer, ids(step.queue), step.holds]).toEqual([1, ['a', 'b', 'c'], []])
    expect(renew(step.queue, { key: 'k', id: 'a', ttlMs: 9_000 }, T0).answer).toMatchObject({
      status: 'lost',
      reason: 'revoked',
      message: reason,
    })
    expect(ids(enter(step.queue, request('d'), at(1_000)).queue)).toEqual(['d'])
  })

  test('removes who waits, and its id may not come back', () => {
    const step = revoke(queue, { tickets: T0.micros + 7, reason, now: false }, T0)
    expect([step.answer, ids(step.queue), step.revoked]).toEqual([1, ['a', 'c'], [{ token: T0.micros + 4, reason }]])
    expect(enter(step.queue, request('b'), at(10)).answer).toMatchObject({
      status: 'forbidden',
      reason: 'revoked',
      message: reason,
    })
  })

  test('by a token takes the one ticket that has it in its block, first and last included', () => {
    const taken = (token: number): readonly number[] =>
      revoke(queue, { tickets: T0.micros + token, reason, now: true }, T0).revoked.map(each => each.token - T0.micros)
    expect([4, 7, 8].map(taken)).toEqual([[4], [4], [8]])
    expect(taken(12)).toEqual([])
  })

  test('of all takes also who waits, and is told to its owner for a minute, or as long as its ticket would have lived', () => {
    const all = { tickets: 'all', reason, now: true } as const
    const step = revoke(queueOf(T0, request('a', { ttlMs: 90_000 }), request('b')), all, T0)
    expect([step.answer, ids(step.queue)]).toEqual([2, []])
    expect(status(enter(step.queue, request('b'), at(59_999)).answer)).toBe('forbidden')
    expect(status(enter(step.queue, request('b'), at(60_000)).answer)).toBe('holds')
    expect(status(enter(step.queue, request('a'), at(89_999)).answer)).toBe('forbidden')
  })

  test('is told to the owner of that very ticket alone', () => {
    const step = revoke(queue, { tickets: T0.micros, reason, now: true }, T0)
    expect(renew(step.queue, { key: 'k', id: 'a', ttlMs: 1 }, T0).answer).toMatchObject({ reason: 'revoked' })
    expect(renew(step.queue, { key: 'k', id: 'b', ttlMs: 1 }, T0).answer.status).toBe('held')
    expect(renew(step.queue, { key: 'k', id: 'x', ttlMs: 1 }, T0).answer).toMatchObject({ reason: 'gone' })
    const left = leave(queue, { key: 'k', id: 'a', keepMs: 0, forbidMs: 100 }, T0).queue
    expect(renew(left, { key: 'k', id: 'a', ttlMs: 1 }, T0).answer).toMatchObject({ reason: 'gone' })
    expect(status(enter(left, request('x'), T0).answer)).toBe('waits')
  })

  test('is told to a holder that asks by entering again, as being kept is', () => {
    const revoked = revoke(queue, { tickets: 'holders', reason, now: false }, T0).queue
    expect(enter(revoked, request('a'), T0).answer).toMatchObject({ status: 'forbidden', reason: 'revoked' })
    const kept = leave(queue, { key: 'k', id: 'a', keepMs: 50, forbidMs: 0 }, T0).queue
    expect(enter(kept, request('a'), T0).answer).toMatchObject({ status: 'forbidden', reason: 'left' })
  })

  test('now takes what is held, and the next is told', () => {
    const step = revoke(queue, { tickets: 'holders', reason, now: true }, T0)
    expect([step.answer, ids(step.queue), step.holds]).toEqual([1, ['b', 'c'], [T0.micros + 4]])
  })
})

describe('any sequence', () => {
  const key = 'k'
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const span = fc.constantFrom(0, 1, 50, 100, 1_000)
  const move = fc.oneof(
    fc.record({
      verb: fc.constant('enter' as const),
      id,
      wish,
      ttlMs: fc.constantFrom(50, 100, 1_000),
      waiterTtlMs: fc.constantFrom(50, 100),
      queue: fc.boolean(),
      tokens: fc.integer({ min: 1, max: 40 }),
    }),
    fc.record({ verb: fc.constant('renew' as const), id, ttlMs: fc.constantFrom(1, 50, 1_000) }),
    fc.record({ verb: fc.constant('leave' as const), id, keepMs: span, forbidMs: span }),
    fc.record({
      verb: fc.constant('revoke' as const),
      tickets: fc.constantFrom('holders' as const, 'all' as const),
      now: fc.boolean(),
    }),
  )

  function step(
    queue: Queue,
    now: Now,
    each: typeof move extends fc.Arbitrary<infer T> ? T : never,
  ): { readonly queue: Queue; readonly holds: readonly number[] } {
    if (each.verb === 'enter') return enter(queue, request(each.id, { ...each, ...each.wish, key }), now)
    if (each.verb === 'renew') return renew(queue, { key, id: each.id, ttlMs: each.ttlMs }, now)
    if (each.verb === 'leave') return leave(queue, { key, ...each }, now)
    return revoke(queue, { ...each, reason: 'r' }, now)
  }

  test('gives the very queue that it was given if nothing has changed', () => {
    const queue = queueOf(T0, request('a'), request('b'))
    const same = [
      enter(queue, request('b'), at(70)),
      enter(queue, request('c', { queue: false }), at(70)),
      enter(queue, request('c', { token: 1 }), at(70)),
      enter(queue, request('a', { ttlMs: 10 }), at(70)),
      renew(queue, { key, id: 'a', ttlMs: 10 }, at(70)),
      renew(queue, { key, id: 'c', ttlMs: 10 }, at(70)),
      leave(queue, { key, id: 'c', ...gone }, at(70)),
      revoke(queue, { tickets: 7, reason: '', now: true }, at(70)),
    ]
    for (const { queue: after } of same) expect(after).toBe(queue)
    expect(enter(queue, request('b'), at(75)).queue).not.toBe(queue)
  })

  test('keeps what every step must keep', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(move, fc.constantFrom(0, 0, 1, 49, 50, 200, -500, -5_000)), { maxLength: 60, size: 'max' }),
        moves => {
          let queue = EMPTY
          let ms = 0
          for (const [each, passedMs] of moves) {
            ms += passedMs
            const now = at(ms)
            const before = queue
            const after = step(before, now, each)
            queue = after.queue
            const holders = queue.tickets.slice(0, holding(queue.tickets))

            // Blocks in order, none overlapping another, and the end beyond them all.
            for (const [index, ticket] of queue.tickets.entries())
              expect(ticket.token + ticket.tokens).toBeLessThanOrEqual(queue.tickets[index + 1]?.token ?? queue.end)
            expect(queue.end).toBeGreaterThanOrEqual(before.end)
            // One ticket an id; none expired; none with more than its own life left.
            expect(new Set(ids(queue)).size).toBe(queue.tickets.length)
            for (const ticket of queue.tickets) {
              expect(ticket.expiresAt).toBeGreaterThan(now.ms)
              expect(ticket.expiresAt - now.ms).toBeLessThanOrEqual(ticket.lifeMs + TOLERANCE_MS)
            }
            // Who holds is marked as holding, nobody else is, and only those who hold are told.
            for (const ticket of queue.tickets) expect(ticket.heldAt !== null).toBe(holders.includes(ticket))
            for (const token of after.holds) expect(holders.map(ticket => ticket.token)).toContain(token)
            // A ticket that held goes by its owner, by its time, or by `now`; and it never waits again.
            for (const was of before.tickets.slice(0, holding(before.tickets))) {
              const is = queue.tickets.find(ticket => ticket.token === was.token)
              if (is) expect(holders).toContain(is)
              else
                expect(
                  was.expiresAt <= now.ms ||
                    (each.verb === 'leave' && each.id === was.id) ||
                    (each.verb === 'revoke' && each.now),
                ).toBe(true)
              // Its end moves later, unless its owner has left, claims it after a wait, or the clock was set back.
              if (is && is.claimMs === null && was.claimMs !== null && !is.kept)
                expect(is.expiresAt).toBeGreaterThanOrEqual(now.ms + was.claimMs)
              if (is && passedMs >= 0 && !is.kept && was.claimMs === null)
                expect(is.expiresAt).toBeGreaterThanOrEqual(Math.min(was.expiresAt, now.ms + was.lifeMs))
            }
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})
