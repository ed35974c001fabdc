/**
 * Who had what when, drawn in text: one lane a holder, time from left to right. Marks (read, wrote, refused) stand in
 * the lanes as numbers and are told below in the order in which they happened, so that two close together can still be
 * read.
 */
import { instantsOf, numbered, showAt, SPAN_MEANINGS, SPAN_ORDER } from './model.ts'
import type { Lane, SpanKind } from './model.ts'

const STROKES: Readonly<Record<SpanKind, string>> = { waiting: '·', working: '─', held: '━', stale: '╳' }

/** Lines of text; none if nothing happened. `width`: columns of the time axis. */
export function drawTimeline(
  lanes: readonly Lane[],
  options: { readonly width?: number; readonly indent?: string } = {},
): string[] {
  const { width = 64, indent = '  ' } = options
  const instants = instantsOf(lanes)
  if (instants.length === 0) return []
  const start = instants.reduce((least, at) => Math.min(least, at))
  const end = instants.reduce((most, at) => Math.max(most, at))
  // A single instant still needs a scale that is not zero.
  const scale = (width - 1) / Math.max(end - start, 1e-6)
  const column = (at: number): number => Math.round((at - start) * scale)

  const marks = numbered(lanes)
  const nameWidth = Math.max(...lanes.map(lane => lane.name.length))
  const rows = lanes.map((lane, index) => {
    const cells = Array.from({ length: width }, () => ' ')
    for (const kind of SPAN_ORDER) {
      for (const span of lane.spans.filter(candidate => candidate.kind === kind))
        cells.fill(STROKES[kind], column(span.from), column(span.to) + 1)
    }
    let free = 0
    for (const mark of marks) {
      if (mark.lane !== index) continue
      const label = String(mark.number)
      const at = Math.max(column(mark.at), free)
      for (const [offset, digit] of [...label].entries()) cells[at + offset] = digit
      // Two numbers side by side would read as one.
      free = at + label.length + 1
    }
    return `${indent}${lane.name.padEnd(nameWidth)}  ${cells.join('')}`.trimEnd()
  })

  const endText = showAt(end - start)
  const axis = `${indent}${' '.repeat(nameWidth)}  0${endText.padStart(width - 1)}`
  const used = SPAN_ORDER.filter(kind => lanes.some(lane => lane.spans.some(span => span.kind === kind)))
  const legend = used.map(kind => `${STROKES[kind].repeat(3)} ${SPAN_MEANINGS[kind]}`).join('   ')
  const atWidth = Math.max(0, ...marks.map(mark => showAt(mark.at - start).length))
  const told = marks.map(mark => {
    const lane = lanes[mark.lane]?.name ?? ''
    return `${indent}${String(mark.number).padStart(String(marks.length).length)}  ${showAt(mark.at - start).padStart(atWidth)}  ${lane.padEnd(nameWidth)}  ${mark.text}`
  })
  return [axis, ...rows, ...(legend === '' ? [] : [`${indent}${' '.repeat(nameWidth)}  ${legend}`]), ...told]
}
