/**
 * From the merged journal to a timeline: for each key, one lane a holder, with what it waited for, held, lost, and did.
 *
 * A journal may end in the middle (its process was killed): such a lease is drawn up to the next one's beginning or to
 * the end of what is known, and is said never to have been released here.
 */
import { humanMs } from '../base/duration.ts'
import { isEnd } from './beliefs.ts'
import type { Entry } from './beliefs.ts'
import { kindOf } from './model.ts'
import type { Lane, Mark, Span } from './model.ts'

export interface KeyTimeline {
  readonly key: string
  readonly lanes: readonly Lane[]
  /** Entries that are not drawn, since only the newest are. */
  readonly left: number
}

/**
 * One timeline a key, in the order in which the keys first appear. `last`: draw at most so many entries of each.
 * `renewals`: they too, which are many and all alike.
 */
export function timelines(
  entries: readonly Entry[],
  { last, renewals = false }: { readonly last: number; readonly renewals?: boolean },
): readonly KeyTimeline[] {
  const keys = [...new Set(entries.map(keyOf).filter(key => key !== undefined))]
  return keys.map(key => {
    const isTold = (entry: Entry): boolean => keyOf(entry) === key && (renewals || entry.type !== 'renewed')
    const holders = new Set(entries.filter(isTold).map(entry => entry.holder))
    // A standstill is of the whole process, so it belongs to all of its lanes.
    const told = entries.filter(entry => isTold(entry) || (entry.type === 'stalled' && holders.has(entry.holder)))
    const drawn = told.slice(-last)
    const lanes = [...new Set(drawn.map(entry => entry.holder))].map(holder => laneOf(holder, drawn))
    return { key, lanes, left: told.length - drawn.length }
  })
}

/** What `fence` tells names the resource, which is the key unless somebody chose another. */
export function keyOf(entry: Entry): string | undefined {
  if (entry.key !== undefined) return entry.key
  const { resource } = entry
  return typeof resource === 'string' ? resource : undefined
}

function laneOf(holder: string, entries: readonly Entry[]): Lane {
  const own = entries.filter(entry => entry.holder === holder)
  const start = entries[0]?.ms ?? 0
  const spans: Span[] = []
  const marks: Mark[] = []
  for (const entry of own) {
    spans.push(...spansOf(entry, own, entries).map(span => ({ ...span, from: Math.max(span.from, start) })))
    const never =
      entry.type === 'acquired' && endOf(entry, own) === undefined ? ', and never released in these journals' : ''
    marks.push({ at: entry.ms, text: tell(entry) + never, kind: kindOf(entry.type) })
  }
  return { name: holder, spans, marks }
}

function spansOf(entry: Entry, own: readonly Entry[], all: readonly Entry[]): readonly Span[] {
  const waited: readonly Span[] = [{ kind: 'waiting', from: entry.ms - amount(entry, 'waitedMs'), to: entry.ms }]
  if (entry.type === 'timed-out') return waited
  if (entry.type === 'released') return heldUntil(entry)
  if (entry.type === 'lost') {
    const works = own.filter(later => later.ms > entry.ms && later.token === entry.token)
    const to = works.at(-1)?.ms
    return [...heldUntil(entry), ...(to === undefined ? [] : [{ kind: 'stale' as const, from: entry.ms, to }])]
  }
  if (entry.type !== 'acquired') return []
  const before = amount(entry, 'waitedMs') < 1 ? [] : waited
  return endOf(entry, own) === undefined
    ? [...before, { kind: 'held', from: entry.ms, to: knownUntil(entry, all) }]
    : before
}

function heldUntil(entry: Entry): readonly Span[] {
  return [{ kind: 'held', from: entry.ms - amount(entry, 'heldMs'), to: entry.ms }]
}

function endOf(acquired: Entry, own: readonly Entry[]): Entry | undefined {
  return own.find(entry => isEnd(entry) && entry.token === acquired.token && entry.ms >= acquired.ms)
}

function knownUntil(acquired: Entry, all: readonly Entry[]): number {
  const next = all.find(entry => entry.type === 'acquired' && entry.ms > acquired.ms)
  return next?.ms ?? all.at(-1)?.ms ?? acquired.ms
}

function amount(entry: Entry, name: string): number {
  const value = entry[name]
  return typeof value === 'number' ? value : 0
}

function tell(entry: Entry): string {
  const token = entry.token === undefined ? '' : `token ${entry.token}`
  const ms = (name: string): string => humanMs(amount(entry, name))
  switch (entry.type) {
    case 'waiting':
      return `waits, ${String(entry['ahead'])} ahead, held by ${String(entry['heldBy'])}`
    case 'acquired':
      return `acquired, ${token}${amount(entry, 'waitedMs') < 1 ? '' : `, after waiting ${ms('waitedMs')}`}`
    case 'timed-out':
      return `gave up after waiting ${ms('waitedMs')}`
    case 'released':
      return `released, ${token}, held for ${ms('heldMs')}`
    case 'lost':
      return `LOST, ${token}, held for ${ms('heldMs')}: ${String(entry['reason'])}`
    case 'renewed':
      return `renewed, ${token}`
    case 'suspect':
      return `suspect, ${token}: could not be renewed, ${ms('leftMs')} left`
    case 'revoked':
      return `revoked, ${token}: ${String(entry['reason'])}`
    case 'fenced':
      return `fenced, ${token}`
    case 'stale':
      return `REFUSED, ${token}: the resource has seen ${String(entry['newest'])}`
    case 'stalled':
      return `stood still for ${ms('stalledMs')}`
    default:
      return [entry.type, token, details(entry)].filter(part => part !== '').join(', ')
  }
}

const KNOWN = new Set(['at', 'wall', 'boot', 'holder', 'type', 'key', 'resource', 'token', 'ms'])

/** A mark of somebody's own: what it carries, as it is. */
function details(entry: Entry): string {
  return Object.entries(entry)
    .filter(([name]) => !KNOWN.has(name))
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
}
