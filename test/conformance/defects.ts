/** Defects that real drivers have had, each with the cases that name it. */
import { EMPTY, enter, holding, leave, renew, revoke, view } from '../../src/store/queue.ts'
import type { Queue, Ticket } from '../../src/store/queue.ts'
import { RIGHT } from './broken-store.ts'
import type { Words } from './broken-store.ts'

export interface Defect {
  /** After "a store that". */
  readonly name: string
  readonly words: Partial<Words>
  readonly caughtBy: readonly string[]
}

const ROWS: readonly (readonly [name: string, words: Partial<Words>, caughtBy: readonly string[]])[] = [
  [
    'skips expired tickets instead of removing them',
    {
      keep: (before, after, now) => ({
        ...after,
        tickets: [
          ...before.tickets.filter(ticket => ticket.expiresAt <= now.ms && !has(after, ticket.id)),
          ...after.tickets,
        ],
      }),
      enter: (queue, request, now) => enter(revive(queue, request.id, now.ms), request, now),
    },
    [
      'an expired ticket is not brought back by a late heartbeat',
      'a lost holder can neither renew, nor come back, nor release its successor',
    ],
  ],
  [
    'lets a renewal bring an expired ticket back',
    {
      keep: (before, after, now) => ({
        ...after,
        tickets: [
          ...before.tickets.filter(ticket => ticket.expiresAt <= now.ms && !has(after, ticket.id)),
          ...after.tickets,
        ],
      }),
      renew: (queue, request, now) => renew(revive(queue, request.id, now.ms), request, now),
    },
    ['an expired ticket is not brought back by a late renewal'],
  ],
  [
    'forbids no id that was left',
    { leave: (queue, request, now) => leave(queue, { ...request, forbidMs: 0 }, now) },
    [
      'a late heartbeat after the release takes the lock for nobody',
      'a request that comes after its caller gave up takes the lock for nobody',
      'an id that was left may not take the lock by a request still under way',
    ],
  ],
  [
    'forbids an id only if it has a ticket',
    {
      leave: (queue, request, now) =>
        has(queue, request.id) ? leave(queue, request, now) : leave(queue, { ...request, forbidMs: 0 }, now),
    },
    ['an id that was left may not take the lock by a request still under way'],
  ],
  [
    'shortens a lease by a short renewal',
    {
      renew(queue, request, now) {
        const step = renew(queue, request, now)
        return {
          ...step,
          queue: {
            ...step.queue,
            tickets: step.queue.tickets.map(each =>
              each.id === request.id ? { ...each, expiresAt: now.ms + request.ttlMs } : each,
            ),
          },
        }
      },
    },
    ['a short renewal does not shorten the lease'],
  ],
  [
    'ends a lease too early',
    { enter: (queue, request, now) => enter(queue, { ...request, ttlMs: request.ttlMs * 0.8 }, now) },
    ['a lease that nobody renews is free for the next, but not before its ttl is over'],
  ],
  [
    'grants more time than was asked for',
    { enter: (queue, request, now) => enter(queue, { ...request, ttlMs: request.ttlMs * 1.2 }, now) },
    ['nobody has more time left than the ttl asked for'],
  ],
  [
    'gives a waiter the full ttl',
    { enter: (queue, request, now) => enter(queue, { ...request, waiterTtlMs: request.ttlMs }, now) },
    [
      'who waits lives for waiterTtl, and a heartbeat keeps it alive',
      'a dead waiter in front is dropped when its waiterTtl is over',
    ],
  ],
  [
    'counts tokens for a lock only while somebody has it',
    {
      now: clock => ({ ...RIGHT.now(clock), micros: 1 }),
      keep: (_before, after) => (after.tickets.length === 0 ? { ...EMPTY, forbidden: after.forbidden } : after),
    },
    ['the token grows after a release, from whatever process'],
  ],
  [
    'gives the same clock reading to two tickets',
    {
      keep: (_before, after) => ({ ...after, end: 0 }),
      now: clock => ({ ...RIGHT.now(clock), micros: 1_795_000_000_000_000 }),
    },
    ['the tokens of those who wait grow in the order in which they will be served'],
  ],
  [
    'takes one token of the block for the whole',
    {
      keep: (_before, after) => ({ ...after, end: Math.max(0, ...after.tickets.map(ticket => ticket.token + 1)) }),
      now: clock => ({ ...RIGHT.now(clock), micros: 7 }),
    },
    ['the blocks of tickets that wait or hold together never overlap either'],
  ],
  [
    'serves the newest first',
    {
      keep: (_before, { tickets, ...rest }) => ({
        ...rest,
        tickets: [...tickets.slice(0, holding(tickets)), ...tickets.slice(holding(tickets)).toReversed()],
      }),
    },
    [
      'those who wait are served in the order of their arrival, over processes',
      'who wants a lock in another way is served in its turn all the same',
    ],
  ],
  [
    'lets readers pass a writer that waits',
    {
      enter(queue, request, now) {
        const holders = queue.tickets.slice(0, holding(queue.tickets))
        if (request.mode !== 'shared' || has(queue, request.id) || holders.some(each => each.mode === 'exclusive'))
          return enter(queue, request, now)
        const step = enter({ ...queue, tickets: holders }, request, now)
        return {
          ...step,
          queue: { ...step.queue, tickets: [...step.queue.tickets, ...queue.tickets.slice(holders.length)] },
        }
      },
    },
    [
      'a writer that waits is not overtaken by readers',
      'readers-writer queues are served by the rule, ticket by ticket',
    ],
  ],
  [
    'lets one more in than the limit',
    {
      enter: (queue, request, now) =>
        enter(queue, { ...request, limit: request.limit === null ? null : request.limit + 1 }, now),
    },
    [
      'as many hold a semaphore as its limit says, no more and no fewer',
      'a semaphore lets in as many as its limit says',
    ],
  ],
  [
    'lets a writer in beside readers',
    { enter: (queue, request, now) => enter(queue, { ...request, mode: 'shared' }, now) },
    ['shared tickets hold together, and keep a writer out', 'of many who enter at the same moment exactly one holds'],
  ],
  [
    'leaves the ticket of who was refused in the queue',
    {
      enter(queue, request, now) {
        const refused = enter(queue, request, now)
        return refused.answer.status === 'refused'
          ? { ...refused, queue: enter(queue, { ...request, queue: true }, now).queue }
          : refused
      },
    },
    ['who was refused leaves nothing behind'],
  ],
  [
    'makes a new ticket for every try',
    {
      enter: (queue, request, now) =>
        enter(
          queue,
          request.token === undefined ? { ...request, id: `${request.id}${now.ms}${queue.end}` } : request,
          now,
        ),
    },
    [
      'a retry gets the token of the first try, another id never',
      'who did not get the reply to its enter asks again, and has one ticket',
    ],
  ],
  [
    'releases whatever is held, without looking at the id',
    { leave: (queue, request, now) => leave(queue, { ...request, id: queue.tickets[0]?.id ?? request.id }, now) },
    [
      'a stranger releases nothing',
      'after takeover the stale release of the first owner harms nobody',
      'a repeated release frees only what was released',
    ],
  ],
  [
    'does not keep tickets',
    { leave: (queue, request, now) => leave(queue, { ...request, keepMs: 0 }, now) },
    [
      'a kept ticket holds on after its owner has left, for as long as asked',
      'minHold keeps the lock taken after its release, and once runs once',
      'maxHold ends a lease before its minHold is over, and the lock stays taken',
    ],
  ],
  [
    'keeps a kept ticket only until it is left again',
    {
      leave: (queue, request, now) =>
        leave({ ...queue, tickets: queue.tickets.map(each => ({ ...each, kept: false })) }, request, now),
    },
    ['a kept ticket can be neither renewed, nor left again, nor taken up again'],
  ],
  [
    'lets a kept ticket be renewed',
    {
      renew: (queue, request, now) =>
        renew({ ...queue, tickets: queue.tickets.map(each => ({ ...each, kept: false })) }, request, now),
    },
    ['a kept ticket can be neither renewed, nor left again, nor taken up again'],
  ],
  [
    'keeps a ticket that only waits',
    {
      leave: (queue, request, now) =>
        request.keepMs > 0 && !isHeld(queue, request.id)
          ? { ...leave(queue, { ...request, id: '' }, now), answer: { was: 'waiting' } }
          : leave(queue, request, now),
    },
    ['a ticket that only waits is not kept'],
  ],
  [
    'pushes to all who wait',
    {
      leave: (queue, request, now) =>
        pushing(leave(queue, request, now), step => step.queue.tickets.map(ticket => ticket.token)),
    },
    [
      'a release names the next in line, and nobody else',
      'a release names all readers that now hold, and not the writer behind them',
    ],
  ],
  [
    'pushes only to the first',
    { leave: (queue, request, now) => pushing(leave(queue, request, now), step => step.holds.slice(0, 1)) },
    ['a release names all readers that now hold, and not the writer behind them'],
  ],
  [
    'does not push when an expired ticket is removed',
    { enter: (queue, request, now) => pushing(enter(queue, request, now), () => []) },
    ['the removal of an expired ticket by somebody else names who holds since then'],
  ],
  [
    'takes held tickets by every revoke',
    { revoke: (queue, request, now) => revoke(queue, { ...request, now: true }, now) },
    [
      'a revoked holder may not renew, is told why, and holds until it leaves',
      'a revoked holder that is dead goes when its time runs out, not earlier',
    ],
  ],
  [
    'lets a revoked holder renew',
    { keep: (_before, after) => ({ ...after, tickets: after.tickets.map(each => ({ ...each, revoked: null })) }) },
    ['a revoked holder may not renew, is told why, and holds until it leaves'],
  ],
  [
    'tells nobody that it was revoked',
    { revoke: (queue, request, now) => ({ ...revoke(queue, request, now), revoked: [] }) },
    ['who was revoked is told, held or waiting, and nobody else'],
  ],
  [
    'revokes by the first token of a block only',
    {
      revoke: (queue, request, now) =>
        revoke(
          queue,
          typeof request.tickets === 'number' && queue.tickets.every(each => each.token !== request.tickets)
            ? { ...request, tickets: -1 }
            : request,
          now,
        ),
    },
    ['a number revokes the ticket whose block holds that token, and no other'],
  ],
  [
    'shows a lock that is free',
    { view: (key, queue, now) => view(key, queue, now) ?? { key, token: 0, holders: [], waiters: [] } },
    ['a free lock shows nothing: never held, released, or expired'],
  ],
  [
    'shows no meta',
    { enter: (queue, request, now) => enter(queue, { ...request, meta: {} }, now) },
    [
      'a held lock shows who holds it, how, how long, and what it says about itself',
      'a lock shows who holds it and what for',
    ],
  ],
  [
    'takes a prefix for a pattern',
    {
      matches: (key, prefix) =>
        new RegExp(
          `^${prefix
            .replaceAll(/[\\[\]{}?]/g, '\\$&')
            .replaceAll('*', '.*')
            .replaceAll('%', '.*')
            .replaceAll('_', '.')}`,
          's',
        ).test(key),
    },
    ['list gives the locks in use whose key begins so, read literally'],
  ],
  [
    'ends a key at its NUL',
    { name: (storage, key) => RIGHT.name(storage, key.split('\0')[0] ?? '') },
    ['odd keys are keys like others, and no two of them meet'],
  ],
  [
    'folds the case of keys',
    { name: (storage, key) => RIGHT.name(storage, key.toLowerCase()) },
    ['odd keys are keys like others, and no two of them meet'],
  ],
  [
    'cuts long keys',
    { name: (storage, key) => RIGHT.name(storage, key.slice(0, 250)) },
    ['odd keys are keys like others, and no two of them meet'],
  ],
  [
    'gives the lock on when somebody who only waits leaves',
    {
      leave(queue, request, now) {
        const step = leave(queue, request, now)
        return step.answer.was === 'waiting'
          ? { ...step, queue: { ...step.queue, tickets: step.queue.tickets.slice(1) } }
          : step
      },
    },
    ['when the waiter in front leaves, the next waits on for the holder'],
  ],
  [
    'lets all readers end with the first of them',
    {
      keep: (_before, after) => ({
        ...after,
        tickets: after.tickets.map((each, _index, all) =>
          each.mode === 'shared'
            ? { ...each, expiresAt: Math.min(...all.filter(other => other.mode === 'shared').map(endOf)) }
            : each,
        ),
      }),
    },
    ['a dead reader with a long life keeps the writer out, one with a short life does not'],
  ],
  [
    'promises more time than it keeps',
    {
      keep: (before, after, now) => ({
        ...after,
        tickets: after.tickets.map(each =>
          has(before, each.id) ? each : { ...each, expiresAt: now.ms + (each.expiresAt - now.ms) / 2 },
        ),
      }),
    },
    ['a lease that nobody renews is free for the next, but not before its ttl is over'],
  ],
  [
    'lets one fewer in than the limit',
    {
      enter: (queue, request, now) =>
        enter(queue, { ...request, limit: request.limit === null ? null : Math.max(1, request.limit - 1) }, now),
    },
    ['as many are inside a semaphore at once as its limit says, not fewer'],
  ],
  [
    'keeps limits in 32 bits',
    { enter: (queue, request, now) => enter(queue, { ...request, limit: request.limit && request.limit | 0 }, now) },
    ['a limit may be as great as numbers go'],
  ],
  [
    'ends what people wrote at its NUL',
    {
      enter: (queue, request, now) => enter(queue, { ...request, holder: request.holder.split('\0')[0] ?? '' }, now),
    },
    ['holder and meta are shown as they were given, whatever is in them'],
  ],
  [
    'joins storage and key without a border',
    { name: (storage, key) => storage + key },
    ['storages of different names do not meet, even where name and key run together'],
  ],
]

export const DEFECTS: readonly Defect[] = ROWS.map(([name, words, caughtBy]) => ({ name, words, caughtBy }))

const has = (queue: Queue, id: string): boolean => queue.tickets.some(ticket => ticket.id === id)
const isHeld = (queue: Queue, id: string): boolean =>
  queue.tickets.slice(0, holding(queue.tickets)).some(ticket => ticket.id === id)

const endOf = (ticket: Ticket): number => ticket.expiresAt

function revive(queue: Queue, id: string, nowMs: number): Queue {
  return {
    ...queue,
    tickets: queue.tickets.map((each): Ticket =>
      each.id === id && each.expiresAt <= nowMs ? { ...each, expiresAt: nowMs + 1 } : each,
    ),
  }
}

function pushing<Step extends { readonly holds: readonly number[] }>(
  step: Step,
  holds: (step: Step) => readonly number[],
): Step {
  return { ...step, holds: holds(step) }
}
