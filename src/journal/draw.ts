/**
 * Who had what when, drawn in text: one lane a holder, time from left to right. Marks (read, wrote, refused) stand in
 * the lanes as numbers and are told below in the order in which they happened, so that two close together can still be
 * read.
 */

export interface Lane {
  readonly name: string
  readonly spans: readonly Span[]
  readonly marks: readonly Mark[]
}

/**
 * held: a solid line. waiting: a dotted one. working: busy without holding anything. stale: at work after its lease was
 * over.
 */
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
}

const STROKES: Readonly<Record<SpanKind, string>> = { waiting: '·', working: '─', held: '━', stale: '╳' }
const MEANINGS: Readonly<Record<SpanKind, string>> = {
  waiting: 'waiting',
  working: 'working without a lock',
  held: 'holding',
  stale: 'still at work after its lease was over',
}
// Later kinds are drawn over earlier ones where they share a column.
const ORDER: readonly SpanKind[] = ['waiting', 'working', 'held', 'stale']

/** Lines of text; none if nothing happened. `width`: columns of the time axis. */
export function drawTimeline(
  lanes: readonly Lane[],
  options: { readonly width?: number; readonly indent?: string } = {},
): string[] {
  const { width = 64, indent = '  ' } = options
  const instants = lanes.flatMap(lane => [
    ...lane.spans.flatMap(span => [span.from, span.to]),
    ...lane.marks.map(mark => mark.at),
  ])
  if (instants.length === 0) return []
  const start = instants.reduce((least, at) => Math.min(least, at))
  const end = instants.reduce((most, at) => Math.max(most, at))
  // A single instant still needs a scale that is not zero.
  const scale = (width - 1) / Math.max(end - start, 1e-6)
  const column = (at: number): number => Math.round((at - start) * scale)

  const marks = lanes
    .flatMap((lane, index) => lane.marks.map(mark => ({ ...mark, lane: index })))
    .toSorted((a, b) => a.at - b.at)
  const nameWidth = Math.max(...lanes.map(lane => lane.name.length))
  const rows = lanes.map((lane, index) => {
    const cells = Array.from({ length: width }, () => ' ')
    for (const kind of ORDER) {
      for (const span of lane.spans.filter(candidate => candidate.kind === kind))
        cells.fill(STROKES[kind], column(span.from), column(span.to) + 1)
    }
    let free = 0
    for (const [position, mark] of marks.entries()) {
      if (mark.lane !== index) continue
      const label = String(position + 1)
      const at = Math.max(column(mark.at), free)
      for (const [offset, digit] of [...label].entries()) cells[at + offset] = digit
      // Two numbers side by side would read as one.
      free = at + label.length + 1
    }
    return `${indent}${lane.name.padEnd(nameWidth)}  ${cells.join('')}`.trimEnd()
  })

  const endText = showAt(end - start)
  const axis = `${indent}${' '.repeat(nameWidth)}  0${endText.padStart(width - 1)}`
  const used = ORDER.filter(kind => lanes.some(lane => lane.spans.some(span => span.kind === kind)))
  const legend = used.map(kind => `${STROKES[kind].repeat(3)} ${MEANINGS[kind]}`).join('   ')
  const atWidth = Math.max(0, ...marks.map(mark => showAt(mark.at - start).length))
  const told = marks.map((mark, position) => {
    const lane = lanes[mark.lane]?.name ?? ''
    return `${indent}${String(position + 1).padStart(String(marks.length).length)}  ${showAt(mark.at - start).padStart(atWidth)}  ${lane.padEnd(nameWidth)}  ${mark.text}`
  })
  return [axis, ...rows, ...(legend === '' ? [] : [`${indent}${' '.repeat(nameWidth)}  ${legend}`]), ...told]
}

function showAt(ms: number): string {
  return ms < 10_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s`
}
