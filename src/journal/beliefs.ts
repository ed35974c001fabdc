/**
 * Who believed when that it held: a lease from its grant to its end, as the journals tell it.
 *
 * An end is where the leave was sent or the window closed; the writer has seen to that. Where there is none (its
 * process was killed) the lease is believed up to the last line that it wrote for it: what came after nobody knows.
 */
import type { MergedJournal } from './read.ts'

export type Entry = MergedJournal['entries'][number]

export interface Belief {
  readonly key: string
  readonly holder: string
  readonly token: number | undefined
  readonly from: Entry
  readonly to: Entry
  /** The end is in the journals. */
  readonly ended: boolean
}

/** In the order in which they began. */
export function beliefsOf(entries: readonly Entry[]): readonly Belief[] {
  const open = new Map<string, Entry>()
  const beliefs: Belief[] = []
  const latest = new Map<Entry, Entry>()
  for (const entry of entries) {
    const { key, holder, token, type } = entry
    if (key === undefined) continue
    const name = JSON.stringify([key, holder, token])
    const from = open.get(name)
    if (type === 'acquired') open.set(name, entry)
    else if (from !== undefined && isEnd(entry)) {
      beliefs.push({ key, holder, token, from, to: endOf(from, entry), ended: true })
      open.delete(name)
    } else if (from !== undefined) latest.set(from, entry)
  }
  for (const from of open.values()) {
    const { key = '', holder, token } = from
    beliefs.push({ key, holder, token, from, to: latest.get(from) ?? from, ended: false })
  }
  return beliefs.toSorted((a, b) => a.from.ms - b.from.ms)
}

/**
 * As the line of the end tells it, or as the grant's line and the length do, whichever is earlier: who stood still
 * for a moment while it wrote a line did not hold for longer.
 */
function endOf(from: Entry, to: Entry): Entry {
  const heldMs = to['heldMs']
  const lateMs = from.boot === to.boot && typeof heldMs === 'number' ? to.at - from.at - heldMs : 0
  return lateMs > 0 ? { ...to, at: to.at - lateMs, wall: to.wall - lateMs, ms: to.ms - lateMs } : to
}

export function isEnd({ type }: Entry): boolean {
  return type === 'released' || type === 'lost'
}
