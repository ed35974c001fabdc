/**
 * What a timeline is made of, whoever draws it: one lane for each who acts, with what he does for a while and what
 * happens at a moment. Made from journals (lanes.ts) and from the laboratory's acts, drawn as text (draw.ts) and as a
 * picture (report/picture.ts).
 */

export interface Lane {
  readonly name: string
  readonly spans: readonly Span[]
  readonly marks: readonly Mark[]
}

/** working: busy without holding anything. stale: at work after its lease was over. */
export type SpanKind = 'held' | 'waiting' | 'working' | 'stale'

/** Milliseconds on one clock for all lanes. */
export interface Span {
  readonly kind: SpanKind
  readonly from: number
  readonly to: number
}

export interface Mark {
  readonly at: number
  readonly text: string
  readonly kind: MarkKind
}

/** lost: a lease, or somebody's data. moment: anything else. */
export type MarkKind = 'moment' | 'read' | 'write' | 'commit' | 'confirmation' | 'renewal' | 'refused' | 'lost'

export const SPAN_MEANINGS: Readonly<Record<SpanKind, string>> = {
  waiting: 'waiting',
  working: 'working without a lock',
  held: 'holding',
  stale: 'still at work after its lease was over',
}
/** Later kinds are drawn over earlier ones where they share a place. */
export const SPAN_ORDER: readonly SpanKind[] = ['waiting', 'working', 'held', 'stale']

const KINDS: Readonly<Record<string, MarkKind>> = {
  read: 'read',
  looks: 'read',
  wrote: 'write',
  writes: 'write',
  fenced: 'write',
  committed: 'commit',
  commits: 'commit',
  confirmed: 'confirmation',
  confirms: 'confirmation',
  pays: 'confirmation',
  renewed: 'renewal',
  refused: 'refused',
  'is refused': 'refused',
  'timed-out': 'refused',
  stale: 'refused',
  'is stale': 'refused',
  lost: 'lost',
}

/** By the word of the event or act. */
export function kindOf(type: string): MarkKind {
  return KINDS[type] ?? 'moment'
}

/** Every instant at which something begins, ends or happens. */
export function instantsOf(lanes: readonly Lane[]): readonly number[] {
  return lanes.flatMap(({ spans, marks }) => [
    ...spans.flatMap(({ from, to }) => [from, to]),
    ...marks.map(({ at }) => at),
  ])
}

/** A mark with its lane, and its number in order of time, from 1. */
export interface Numbered extends Mark {
  readonly number: number
  readonly lane: number
}

export function numbered(lanes: readonly Lane[]): readonly Numbered[] {
  return lanes
    .flatMap((lane, index) => lane.marks.map(mark => ({ ...mark, lane: index })))
    .toSorted((a, b) => a.at - b.at)
    .map((mark, position) => ({ ...mark, number: position + 1 }))
}

/** For people: an instant, since the first one. */
export function showAt(ms: number): string {
  return ms < 10_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s`
}
