/**
 * Did two believe at once that they held what only one may hold? Told by the journals alone, afterwards.
 *
 * Within one host times are exact to some microseconds. Between hosts they are as good as the wall clocks agree, so an
 * overlap counts only if it is longer than those may differ.
 */
import { beliefsOf } from './beliefs.ts'
import type { Belief, Entry } from './beliefs.ts'

/** What a line costs to write comes on top of the instant that it is about. */
const SAME_HOST_MS = 0.1
/** How far the wall clocks of hosts whose clocks are kept by NTP differ at most, generously. */
export const OTHER_HOST_MS = 100

export interface Overlap {
  readonly key: string
  readonly first: Belief
  readonly second: Belief
  readonly overlapMs: number
  /** Judged by the wall clocks of two hosts. */
  readonly byWallClock: boolean
}

export interface Verdict {
  readonly leases: number
  /** Leases without an end in these journals: judged only up to the last line about them. */
  readonly open: number
  readonly overlaps: readonly Overlap[]
}

export function check(entries: readonly Entry[]): Verdict {
  const beliefs = beliefsOf(entries)
  const open = beliefs.filter(({ ended }) => !ended).length
  return { leases: beliefs.length, open, overlaps: overlapsOf(beliefs) }
}

/** In the order in which the second one began; `beliefs` in that in which they began. */
export function overlapsOf(beliefs: readonly Belief[]): readonly Overlap[] {
  const overlaps: Overlap[] = []
  const live = new Map<string, readonly Belief[]>()
  for (const second of beliefs) {
    const before = (live.get(second.key) ?? []).filter(first => first.to.ms >= second.from.ms)
    live.set(second.key, [...before, second])
    const together = before.filter(first => overlap(first, second).overlapMs > 0)
    for (const first of broken(together, second))
      overlaps.push({ key: second.key, first, second, ...overlap(first, second) })
  }
  return overlaps
}

/** With whom it should not have held together. */
function broken(together: readonly Belief[], second: Belief): readonly Belief[] {
  const rivals = together.filter(first => isExclusive(first) || isExclusive(second))
  const { limit } = second.from
  // A limit counts those that were in front in the queue, which the tokens tell.
  const inFront = together.filter(first => !rivals.includes(first) && (first.token ?? 0) <= (second.token ?? 0))
  return [...rivals, ...(typeof limit === 'number' && inFront.length >= limit ? inFront : [])]
}

/** Journals of before the mode was written have exclusive leases for the most part. */
function isExclusive({ from }: Belief): boolean {
  return from['mode'] !== 'shared'
}

function overlap(first: Belief, second: Belief): { readonly overlapMs: number; readonly byWallClock: boolean } {
  const byWallClock = first.to.boot !== second.from.boot
  const toleranceMs = byWallClock ? OTHER_HOST_MS : SAME_HOST_MS
  const at = (entry: Entry): number => (byWallClock ? entry.wall : entry.at)
  const lengthMs = Math.min(at(first.to), at(second.to)) - Math.max(at(first.from), at(second.from))
  return { overlapMs: lengthMs > toleranceMs ? lengthMs : 0, byWallClock }
}
