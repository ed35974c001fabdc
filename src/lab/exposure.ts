/**
 * Did the rival ask inside the danger window? A way that holds proves nothing in a round in which nobody disturbed it:
 * with the second worker late enough every program is right, with a lock or without.
 */
import { STATES } from './acts.ts'
import type { Act } from './acts.ts'

export interface Danger {
  /** The act that opens the window: from here on somebody else's doing harms. */
  readonly opens: string
  /** Those that close it. */
  readonly closes: readonly string[]
  /** Whose window. Default: everybody's. */
  readonly of?: string
  /** Who is to ask inside. Default: anybody else. */
  readonly rival?: string
}

export interface Exposure {
  readonly windows: number
  /** Windows in which the rival wanted in, or was in. */
  readonly exposed: number
}

interface Stretch {
  readonly who: string
  readonly from: number
  readonly to: number
}

export function exposureOf(acts: readonly Act[], danger: Danger): Exposure {
  const whose = (who: string, name: string | undefined): boolean => name === undefined || who === name
  const windows = stretches(
    acts.filter(({ who }) => whose(who, danger.of)),
    ({ type }) => type === danger.opens,
    ({ type }) => danger.closes.includes(type),
  )
  const wishes = stretches(
    acts.filter(({ who }) => whose(who, danger.rival)),
    ({ type }) => type === 'asks' || type === 'works',
    ({ type }) => STATES[type] === null,
  )
  let next = 0
  let near: readonly Stretch[] = []
  const met = windows.filter(window => {
    // In order of time: a wish that was over before this window cannot meet a later one.
    const first = next
    while (next < wishes.length && (wishes[next]?.from ?? Infinity) <= window.to) next += 1
    near = [...near.filter(({ to }) => to >= window.from), ...wishes.slice(first, next)]
    return near.some(({ who, from, to }) => who !== window.who && from <= window.to && to >= window.from)
  })
  return { windows: windows.length, exposed: met.length }
}

/** From each act that begins to the next of the same worker that ends; what does not end lasts for ever. */
function stretches(
  acts: readonly Act[],
  begins: (act: Act) => boolean,
  ends: (act: Act) => boolean,
): readonly Stretch[] {
  const found: { who: string; from: number; to: number }[] = []
  const open = new Map<string, { who: string; from: number; to: number }>()
  for (const act of acts.toSorted((a, b) => a.at - b.at)) {
    const current = open.get(act.who)
    if (current !== undefined && ends(act)) {
      current.to = act.at
      open.delete(act.who)
    }
    if (current !== undefined || !begins(act)) continue
    const stretch = { who: act.who, from: act.at, to: Infinity }
    found.push(stretch)
    open.set(act.who, stretch)
  }
  return found
}
