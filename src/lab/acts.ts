/**
 * Acts: who did what when. The one thing that goes from a worker to its experiment, and what everything told of a round
 * is made of: its lanes, its table, its verdict.
 *
 * Some acts change what somebody is doing, and so draw a line: the words of STATES. All others are moments.
 */
import { number, text } from '../base/decode.ts'
import type { Fields } from '../base/decode.ts'
import { kindOf } from '../journal/model.ts'
import type { Lane, MarkKind, Span, SpanKind } from '../journal/model.ts'

export interface Act {
  /** A worker, or what the experiment calls something else that acts: "store". */
  readonly who: string
  readonly type: string
  /** Milliseconds on the host's clock, the same for all. */
  readonly at: number
  readonly fields: Fields
}

/** What one does from this act on. null: nothing any more. */
export const STATES: Readonly<Record<string, SpanKind | null>> = {
  /** Is at it, without asking anybody. */
  works: 'working',
  /** Wants the lock. */
  asks: 'waiting',
  holds: 'held',
  /** Goes on, though its time is up. Drawn by itself after "holds" with `forMs`, for a lock that nobody renews. */
  'is over': 'stale',
  refused: null,
  leaves: null,
  /** By the experiment, with SIGKILL. */
  'is killed': null,
  /** Of the machinery: the worker has come to the end of its part. */
  ends: null,
}

export function decodeAct(who: string, body: Fields): Act {
  const { type: _type, at: _at, ...fields } = body
  return { who, type: text(body, 'type'), at: number(body, 'at'), fields }
}

/** All acts of a type, in order; of one who acts, or of all. */
export function actsOf(acts: readonly Act[], type: string, who?: string): readonly Act[] {
  return acts.filter(act => act.type === type && (who === undefined || act.who === who))
}

export function has(acts: readonly Act[], type: string, who?: string): boolean {
  return actsOf(acts, type, who).length > 0
}

/** When somebody first did it. Not a number if never, which every comparison refuses. */
export function instant(acts: readonly Act[], type: string, who: string): number {
  return actsOf(acts, type, who)[0]?.at ?? Number.NaN
}

/** What to say of an act, by its type. Types that are not named here are drawn as lines, or not at all. */
export type Telling = Readonly<Record<string, Told | ((act: Act, acts: readonly Act[]) => Told)>>
/** The kind of its mark, where it is not that of the act's type: a write that destroys is drawn as a loss. */
export type Told = string | { readonly text: string; readonly kind: MarkKind }

/** One lane for each who acts, in order of first appearance. */
export function lanesOf(acts: readonly Act[], telling: Telling): readonly Lane[] {
  const end = Math.max(...acts.map(act => act.at))
  return [...new Set(acts.map(act => act.who))].map(who => {
    const own = acts.filter(act => act.who === who)
    const states = own.filter(act => Object.hasOwn(STATES, act.type)).toSorted((a, b) => a.at - b.at)
    return {
      name: who,
      spans: states.flatMap((act, index) => spansOf(act, states[index + 1]?.at ?? end)),
      marks: own.flatMap(act => {
        const tell = telling[act.type]
        if (tell === undefined) return []
        const told = typeof tell === 'function' ? tell(act, acts) : tell
        return [{ at: act.at, ...(typeof told === 'string' ? { text: told, kind: kindOf(act.type) } : told) }]
      }),
    }
  })
}

function spansOf({ type, at, fields }: Act, to: number): readonly Span[] {
  const kind = STATES[type] ?? null
  if (kind === null) return []
  const over = at + (typeof fields['forMs'] === 'number' ? fields['forMs'] : Infinity)
  return over < to
    ? [
        { kind, from: at, to: over },
        { kind: 'stale', from: over, to },
      ]
    : [{ kind, from: at, to }]
}
