/**
 * What is said to MongoDB, as plain data made of the request alone: no server is needed to see what a statement does.
 *
 * Only what MongoDB has had since 5.0, and does atomically for one document: an update by a pipeline, a replacement
 * under a condition, an insertion under the unique `_id`. A text of the user's stands in `$literal`, since in a
 * pipeline "$name" is a field; each stage sees the document as the one before has left it, so what a stage computes
 * with is bound to a field (`_now`, `_go`, `_token`) by the stage before, and taken out by the last.
 */
import type { TicketRequest } from '../../store/contract.ts'
import { LAYOUT, REMEMBER_MS } from './record.ts'

export type Statement = Readonly<Record<string, unknown>>

const NOW_MS = { $toLong: '$$NOW' } as const

/** A record, and the server's clock as of the same command. */
export const SEEN: Statement = { layout: 1, v: 1, end: 1, tickets: 1, forbidden: 1, now: NOW_MS }

export function byName(name: string): Statement {
  return { _id: name }
}

export function byVersion(name: string, version: number): Statement {
  return { _id: name, v: version }
}

/** Not by `_id` alone: some servers would overwrite on an upsert, where this fails as a duplicate. */
export function byNameForUpsert(name: string): Statement {
  return { _id: name, v: { $ne: -1 } }
}

export function fromName(name: string): Statement {
  return { _id: { $gte: name } }
}

/**
 * Puts an exclusive ticket into a lock in which nobody is alive, and makes the lock if it is not there. Else the
 * document stays as it is.
 */
export function enterFree({ id, holder, ttlMs, tokens, meta }: TicketRequest): readonly Statement[] {
  const alive = { $filter: { input: orNone('$tickets'), as: 'each', cond: { $gt: ['$$each.expiresAt', '$_now'] } } }
  const barred = { $in: [{ $literal: id }, orNone('$forbidden.id')] }
  const isOurs = { $eq: [{ $ifNull: ['$layout', LAYOUT] }, LAYOUT] }
  const expiresAt = { $add: ['$_now', ttlMs] }
  const end = { $add: ['$_token', tokens] }
  const ticket = {
    id: { $literal: id },
    token: '$_token',
    tokens: { $literal: tokens },
    holder: { $literal: holder },
    mode: { $literal: 'exclusive' },
    limit: { $literal: null },
    meta: { $literal: JSON.stringify(meta) },
    enteredAt: '$_now',
    heldAt: '$_now',
    expiresAt,
    lifeMs: { $literal: ttlMs },
    claimMs: { $literal: null },
    kept: { $literal: false },
    revoked: { $literal: null },
  }
  const lastForbidden = { $ifNull: [{ $max: orNone('$forbidden.until') }, 0] }
  const ends = { $max: [lastForbidden, { $divide: [end, 1_000] }, expiresAt] }
  const still = { $filter: { input: orNone('$forbidden'), as: 'each', cond: { $gt: ['$$each.until', '$_now'] } } }
  return [
    { $set: { _now: NOW_MS } },
    {
      $set: {
        _go: { $and: [isOurs, { $eq: [{ $size: alive }, 0] }, { $not: [barred] }] },
        _token: { $max: [{ $ifNull: ['$end', 0] }, { $multiply: ['$_now', 1_000] }] },
      },
    },
    {
      $set: {
        layout: ifGo({ $literal: LAYOUT }, '$layout'),
        // Counted from the clock, so that no record made anew is at a version that an old one had.
        v: ifGo({ $add: [{ $ifNull: ['$v', { $multiply: ['$_now', 1_000] }] }, 1] }, '$v'),
        end: ifGo(end, '$end'),
        tickets: ifGo([ticket], '$tickets'),
        forbidden: ifGo(still, '$forbidden'),
        sweepAt: ifGo({ $toDate: { $toLong: { $ceil: { $add: [ends, REMEMBER_MS] } } } }, '$sweepAt'),
      },
    },
    { $unset: ['_now', '_go', '_token'] },
  ]
}

/** A lock in which this ticket is alone and alive: nobody comes to hold by its leave. */
export function alone(name: string, id: string): Statement {
  return {
    _id: name,
    layout: LAYOUT,
    tickets: { $size: 1 },
    'tickets.0.id': id,
    'tickets.0.kept': false,
    $expr: { $gt: [{ $arrayElemAt: ['$tickets.expiresAt', 0] }, NOW_MS] },
  }
}

export const LEAVE: Statement = { $set: { tickets: [] }, $inc: { v: 1 } }

function ifGo(then: unknown, otherwise: string): Statement {
  return { $cond: ['$_go', then, otherwise] }
}

function orNone(list: string): Statement {
  return { $ifNull: [list, []] }
}
