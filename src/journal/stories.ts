/**
 * What happened, reconstructed: each lease with the instants that one asks for afterwards (when was it acquired, when
 * was it over, when did its holder read, write, commit, confirm), and where that went wrong.
 *
 * A holder is at work until the last line about its lease, also when the lease was over long before: two at work at
 * once is what a lock is to prevent, whether both believed in their lease or one did no longer have any.
 */
import { beliefsOf, isEnd } from './beliefs.ts'
import type { Belief, Entry } from './beliefs.ts'
import { overlapsOf } from './check.ts'
import type { Overlap } from './check.ts'
import { keyOf } from './lanes.ts'
import { kindOf } from './model.ts'
import type { MarkKind } from './model.ts'

export type Deed = Extract<MarkKind, 'read' | 'write' | 'commit' | 'confirmation' | 'refused'>
export const DEEDS: readonly Deed[] = ['read', 'write', 'commit', 'confirmation', 'refused']

export interface LeaseStory {
  readonly holder: string
  readonly token: number | undefined
  /** Milliseconds since the first line about this key, as all instants of a story. */
  readonly acquiredAt: number
  /** null: these journals do not tell. */
  readonly overAt: number | null
  /** released, or why it was lost; null: these journals do not tell. */
  readonly ended: string | null
  /** The last of each kind. */
  readonly deeds: Partial<Readonly<Record<Deed, number>>>
}

export type Trouble =
  /** Two at work. `pastMs`: so long did the first one go on after its own lease was over; null: it believed in it. */
  | {
      readonly kind: 'overlap'
      readonly holder: string
      readonly with: string
      readonly at: number
      readonly forMs: number
      readonly pastMs: number | null
    }
  /** Written, or let pass by the resource, though the lease was over. */
  | { readonly kind: 'late write'; readonly holder: string; readonly at: number; readonly pastMs: number }
  | {
      readonly kind: 'refused write'
      readonly holder: string
      readonly at: number
      readonly token: number | undefined
      readonly newest: number | null
    }
  | { readonly kind: 'lost lease'; readonly holder: string; readonly at: number; readonly reason: string }

export interface Story {
  readonly key: string
  readonly leases: readonly LeaseStory[]
  /** In order of time. */
  readonly troubles: readonly Trouble[]
}

/** One for each key that somebody held, in the order in which the keys first appear. */
export function storiesOf(entries: readonly Entry[]): readonly Story[] {
  const byKey = new Map<string, Entry[]>()
  for (const entry of entries) {
    const key = keyOf(entry)
    if (key === undefined) continue
    const own = byKey.get(key) ?? []
    own.push(entry)
    byKey.set(key, own)
  }
  return [...byKey].flatMap(([key, own]) => {
    const beliefs = beliefsOf(own)
    return beliefs.length === 0 ? [] : [storyOf(key, own, beliefs)]
  })
}

interface Work {
  readonly belief: Belief
  /** What its holder did under this lease, or believed to. */
  readonly deeds: readonly Entry[]
}

function storyOf(key: string, entries: readonly Entry[], beliefs: readonly Belief[]): Story {
  const start = entries[0]?.ms ?? 0
  const deeds = deedsOf(entries, beliefs)
  const works = beliefs.map(belief => ({ belief, deeds: deeds.get(belief) ?? [] }))
  const troubles = [
    ...overlapsOf(works.map(longest)).map(overlap => overlapping(overlap, { works, start })),
    ...works.flatMap(work => troublesOf(work, start)),
  ]
  return {
    key,
    leases: works.map(work => leaseOf(work, start)),
    troubles: troubles.toSorted((a, b) => a.at - b.at),
  }
}

/** By the token that they carry; else of the lease that their holder had last. */
function deedsOf(entries: readonly Entry[], beliefs: readonly Belief[]): ReadonlyMap<Belief, readonly Entry[]> {
  const nameOf = ({ holder, token }: { readonly holder: string; readonly token?: number | undefined }): string =>
    JSON.stringify([holder, token])
  const byToken = new Map(beliefs.map(belief => [nameOf(belief), belief]))
  const began = new Map(beliefs.map(belief => [belief.from, belief]))
  const last = new Map<string, Belief>()
  const deeds = new Map<Belief, Entry[]>()
  for (const entry of entries) {
    const begun = began.get(entry)
    if (begun !== undefined) last.set(entry.holder, begun)
    const belief = entry.token === undefined ? last.get(entry.holder) : byToken.get(nameOf(entry))
    if (belief === undefined || deedOf(entry) === null) continue
    const own = deeds.get(belief) ?? []
    own.push(entry)
    deeds.set(belief, own)
  }
  return deeds
}

function deedOf({ type }: Entry): Deed | null {
  const kind = kindOf(type)
  return type === 'timed-out' ? null : (DEEDS.find(deed => deed === kind) ?? null)
}

/** From the grant to the last that was done. */
function longest({ belief, deeds }: Work): Belief {
  const last = deeds.at(-1)
  return last !== undefined && last.ms > belief.to.ms ? { ...belief, to: last } : belief
}

function leaseOf({ belief, deeds }: Work, start: number): LeaseStory {
  const { holder, token, from, to, ended } = belief
  const at = deeds.flatMap(entry => {
    const deed = deedOf(entry)
    return deed === null ? [] : [[deed, entry.ms - start] as const]
  })
  return {
    holder,
    token,
    acquiredAt: from.ms - start,
    overAt: ended ? to.ms - start : null,
    ended: ended ? endingOf(to) : null,
    deeds: Object.fromEntries(at),
  }
}

function endingOf(end: Entry): string {
  const reason = end['reason']
  return end.type === 'lost' ? (typeof reason === 'string' ? reason : 'lost') : 'released'
}

function overlapping(
  { first, second, overlapMs }: Overlap,
  { works, start }: { readonly works: readonly Work[]; readonly start: number },
): Trouble {
  const { belief } = works.find(work => work.belief.from === first.from) ?? { belief: first }
  const pastMs = belief.to.ms > second.from.ms ? null : first.to.ms - belief.to.ms
  const at = second.from.ms - start
  return { kind: 'overlap', holder: first.holder, with: second.holder, at, forMs: overlapMs, pastMs }
}

/** What a line costs to write comes on top of the instant that it is about. */
const TOLERANCE_MS = 0.1

function troublesOf({ belief, deeds }: Work, start: number): readonly Trouble[] {
  const { holder, token, to, ended } = belief
  const lost: readonly Trouble[] =
    ended && isEnd(to) && to.type === 'lost'
      ? [{ kind: 'lost lease', holder, at: to.ms - start, reason: endingOf(to) }]
      : []
  const done = deeds.flatMap((entry): readonly Trouble[] => {
    const [deed, at, pastMs] = [deedOf(entry), entry.ms - start, entry.ms - to.ms]
    const newest = typeof entry['newest'] === 'number' ? entry['newest'] : null
    if (deed === 'refused') return [{ kind: 'refused write', holder, at, token, newest }]
    const late = ended && pastMs > TOLERANCE_MS && (deed === 'write' || deed === 'commit')
    return late ? [{ kind: 'late write', holder, at, pastMs }] : []
  })
  return [...lost, ...done]
}
