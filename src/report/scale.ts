/**
 * From time to place. What happens together must be told apart, also when it is followed by ten seconds in which
 * nothing does: such an idle gap is drawn as a break of fixed width, with its length. Everything else has one scale.
 */

/** A stretch of time in which nothing happened, drawn shorter than it was. Places, and its length. */
export interface Break {
  readonly from: number
  readonly to: number
  readonly ms: number
}

export interface Tick {
  readonly x: number
  readonly text: string
}

export interface Scale {
  /** Where an instant is. */
  x(at: number): number
  readonly ticks: readonly Tick[]
  readonly breaks: readonly Break[]
}

interface Piece {
  readonly start: number
  readonly end: number
  readonly idle: boolean
}

/** A gap that takes so much of the whole is idle, if the idle ones together leave no more than this to the others. */
const IDLE_SHARE = 0.2
const LIVE_SHARE = 1 / 3
const BREAK_WIDTH = 56
/** Room for the label of a tick. */
const TICK_WIDTH = 64

/** `instants`: when something begins, ends or happens; at least one. `from`, `to`: the places of the first and last. */
export function timeScale(
  instants: readonly number[],
  { from, to }: { readonly from: number; readonly to: number },
): Scale {
  const pieces = piecesOf([...new Set(instants)].toSorted((a, b) => a - b))
  const first = pieces[0]?.start ?? 0
  const idle = pieces.filter(piece => piece.idle)
  const live = pieces.filter(piece => !piece.idle).reduce((sum, { start, end }) => sum + end - start, 0)
  // A single instant still needs a scale that is not zero.
  const pixels = (to - from - BREAK_WIDTH * idle.length) / Math.max(live, 1e-6)
  let edge = from
  const placed = pieces.map(piece => {
    const width = piece.idle ? BREAK_WIDTH : (piece.end - piece.start) * pixels
    edge += width
    return { ...piece, from: edge - width, width }
  })
  const x = (at: number): number => {
    const piece = placed.findLast(({ start }) => start <= at) ?? placed[0]
    if (piece === undefined) return from
    const share = (at - piece.start) / Math.max(piece.end - piece.start, 1e-6)
    return piece.from + piece.width * Math.min(1, Math.max(0, share))
  }
  const breaks = placed
    .filter(piece => piece.idle)
    .map(piece => ({ from: piece.from, to: piece.from + piece.width, ms: piece.end - piece.start }))
  const total = (pieces.at(-1)?.end ?? first) - first
  return { x, breaks, ticks: ticksOf(placed, { first, total, step: stepFor(TICK_WIDTH / pixels) }) }
}

/** Neighbouring gaps of one kind are one piece. */
function piecesOf(sorted: readonly number[]): readonly Piece[] {
  const [first = 0] = sorted
  const total = (sorted.at(-1) ?? first) - first
  const gaps = sorted.slice(1).map((end, index) => ({ start: sorted[index] ?? first, end }))
  const isIdle = ({ start, end }: Omit<Piece, 'idle'>): boolean => end - start > IDLE_SHARE * total
  const live = gaps.filter(gap => !isIdle(gap)).reduce((sum, { start, end }) => sum + end - start, 0)
  // Where every gap is long nothing is gained by leaving them out.
  const worth = live > 0 && live < LIVE_SHARE * total
  const pieces: Piece[] = []
  for (const gap of gaps) {
    const idle = worth && isIdle(gap)
    const last = pieces.at(-1)
    if (last === undefined || last.idle || idle) pieces.push({ ...gap, idle })
    else pieces[pieces.length - 1] = { ...last, end: gap.end }
  }
  return pieces.length === 0 ? [{ start: first, end: first, idle: false }] : pieces
}

/** The least of 1, 2, 5, 10, 20 and so on that is not below. */
function stepFor(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= least * 0.999) ?? 10 * power
}

function ticksOf(
  pieces: readonly (Piece & { readonly from: number; readonly width: number })[],
  { first, total, step }: { readonly first: number; readonly total: number; readonly step: number },
): readonly Tick[] {
  const ticks: Tick[] = []
  for (const { start, end, idle, from, width } of pieces) {
    if (idle) continue
    for (let count = Math.ceil((start - first) / step - 1e-9); count * step <= end - first + 1e-9; count += 1) {
      const place = from + (width * (first + count * step - start)) / Math.max(end - start, 1e-6)
      if (place - (ticks.at(-1)?.x ?? -Infinity) >= TICK_WIDTH * 0.9)
        ticks.push({ x: place, text: showTick(count * step, { step, total }) })
    }
  }
  return ticks
}

/** As many digits as the step has. */
function showTick(ms: number, { step, total }: { readonly step: number; readonly total: number }): string {
  if (ms === 0) return '0'
  const seconds = total >= 10_000
  const digits = Math.max(0, -Math.floor(Math.log10(seconds ? step / 1_000 : step) + 1e-9))
  return seconds ? `${(ms / 1_000).toFixed(digits)} s` : `${ms.toFixed(digits)} ms`
}
