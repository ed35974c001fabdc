/** What the lines and pins of a picture mean: those that it has, no others. */
import { SPAN_MEANINGS, SPAN_ORDER } from '../journal/model.ts'
import type { Lane, MarkKind, SpanKind } from '../journal/model.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'

const MEANINGS: Readonly<Record<MarkKind, string>> = {
  moment: 'other event',
  read: 'reads',
  write: 'writes',
  commit: 'commits',
  confirmation: 'confirms',
  renewal: 'renews',
  refused: 'is refused',
  lost: 'is lost',
}
const ORDER: readonly MarkKind[] = ['read', 'write', 'commit', 'confirmation', 'renewal', 'refused', 'lost', 'moment']

/** In a box of 10 by 10. Told apart by shape, so that nobody must see colours. */
const GLYPHS: Readonly<Record<MarkKind, Html>> = {
  moment: html`<circle class="solid" cx="5" cy="5" r="2.5" />`,
  read: html`<circle class="line" cx="5" cy="5" r="3.5" />`,
  write: html`<path class="solid" d="M5 1 L9.3 9 L0.7 9 Z" />`,
  commit: html`<rect class="solid" x="1.2" y="1.2" width="7.6" height="7.6" />`,
  confirmation: html`<path class="line" d="M1 5.5 L4 8.5 L9.2 1.8" />`,
  renewal: html`<path class="line" d="M5 0 L5 10" />`,
  refused: html`<path class="line" d="M1.5 1.5 L8.5 8.5 M8.5 1.5 L1.5 8.5" />`,
  lost: html`<path class="line" d="M5 0.5 L5 6.3 M5 8.4 L5 9.9" />`,
}

export function glyphOf(kind: MarkKind, { x, y }: { readonly x: number; readonly y: number }): Html {
  return html`<g class="glyph" transform="translate(${Math.round(x * 10) / 10} ${y})">${GLYPHS[kind]}</g>`
}

interface Box {
  readonly hatch: string
  readonly top: number
  readonly left: number
  readonly width: number
}

const LINE = 20
const SAMPLE = 24

export function legendOf(
  lanes: readonly Lane[],
  { hatch, top, left, width }: Box,
): { readonly drawn: Html; readonly height: number } {
  const spans = SPAN_ORDER.filter(kind => lanes.some(lane => lane.spans.some(span => span.kind === kind)))
  const marks = ORDER.filter(kind => lanes.some(lane => lane.marks.some(mark => mark.kind === kind)))
  const parts = [
    ...spans.map(kind => ({
      text: SPAN_MEANINGS[kind],
      sample: (x: number, y: number) => line(kind, { hatch, x, y }),
    })),
    ...marks.map(kind => ({
      text: MEANINGS[kind],
      sample: (x: number, y: number) => glyphOf(kind, { x: x + 8, y: y - 9 }),
    })),
  ]
  let [x, y] = [left, top + 12]
  const drawn = parts.map(({ text, sample }) => {
    // The width of a letter is not known here; this is what it is at most, about.
    const room = SAMPLE + 8 + text.length * 5.7 + 14
    if (x > left && x + room > width) [x, y] = [left, y + LINE]
    const part = html`${sample(x, y)}<text x="${x + SAMPLE + 5}" y="${y}">${text}</text>`
    x += room
    return part
  })
  return { drawn: html`<g class="legend" aria-hidden="true">${drawn}</g>`, height: y - top + 10 }
}

function line(
  kind: SpanKind,
  { hatch, x, y }: { readonly hatch: string; readonly x: number; readonly y: number },
): Html {
  const height = kind === 'waiting' ? 4 : 10
  const fill = kind === 'stale' ? html` fill="url(#${hatch}-hatch)"` : null
  return html`<g class="span ${kind}"
    ><rect x="${x}" y="${y - 4 - height / 2}" width="${SAMPLE}" height="${height}" rx="2" ${fill}
  /></g>`
}
