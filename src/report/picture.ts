/**
 * A timeline as swim-lanes: one SVG that needs nothing around it but its style (picture-style.ts), so that it can be
 * taken along. Who does something is a bar, by its kind; what happens at a moment is a pin below the bar, with the
 * number that it has in the table of events, where it has its anchor. Renewals are ticks on the bar.
 *
 * Each thing says what it is: as a title when it is pointed at, as a label to who hears the page. Pins are links, so
 * they work without scripts; with them (script.ts) the arrows walk from thing to thing.
 */
import { humanMs } from '../base/duration.ts'
import { instantsOf, numbered, showAt, SPAN_MEANINGS, SPAN_ORDER } from '../journal/model.ts'
import type { Lane, MarkKind, Numbered, Span } from '../journal/model.ts'
import { html, markupOf } from './html.ts'
import type { Html } from './html.ts'
import { glyphOf, legendOf } from './legend.ts'
import { PICTURE } from './picture-style.ts'
import { timeScale } from './scale.ts'
import type { Scale } from './scale.ts'

export interface PictureOptions {
  /** Begins the names of its anchors: those of the table of events beside it. */
  readonly id: string
  /** What it shows, for who cannot see it. */
  readonly title: string
  readonly width: number
  /** Name of its hatching, which must be the only one of the page. Default: the id. */
  readonly hatch?: string
  /**
   * All that happened, in words below: for a picture without a page around it. ready: hidden, for who saves it (`tall`
   * is its height then). Default: not at all.
   */
  readonly events?: 'told' | 'ready'
}

const PAD = 10
const AXIS = 34
const NAME = 20
const BAR = 16
const PIN = 18
const ROW = PIN + 4
const GAP = 14

interface Pin {
  readonly mark: Numbered
  readonly x: number
  readonly left: number
  readonly width: number
  readonly row: number
}

/** A picture as a file that needs no page around it: with its style. Empty: nothing happened. */
export function standalone(lanes: readonly Lane[], options: PictureOptions): string {
  const drawn = picture(lanes, { ...options, events: 'told' })
  return drawn === null ? '' : markupOf(drawn).replace('>', `><style>${PICTURE}</style>`)
}

/** null: nothing happened. */
export function picture(lanes: readonly Lane[], { id, title, width, hatch = id, events }: PictureOptions): Html | null {
  const instants = instantsOf(lanes)
  if (instants.length === 0) return null
  const scale = timeScale(instants, { from: PAD + 4, to: width - PAD - 4 })
  const start = instants.reduce((least, at) => Math.min(least, at))
  const marks = numbered(lanes)
  let y = AXIS
  const placed = lanes.map((lane, index) => {
    const own = marks.filter(mark => mark.lane === index)
    const pins = pinsOf(
      own.filter(({ kind }) => kind !== 'renewal'),
      { scale, width },
    )
    const rows = Math.max(0, ...pins.map(({ row }) => row + 1))
    const top = y
    y += NAME + BAR + (rows > 0 ? 6 + rows * ROW : 0) + GAP
    return { lane, index, top, pins, renewals: own.filter(({ kind }) => kind === 'renewal') }
  })
  const bottom = y
  const legend = legendOf(lanes, { hatch, top: bottom, left: PAD, width: width - PAD })
  const below = bottom + legend.height + 4
  const tall = below + marks.length * LINE + PAD
  const height = events === 'told' ? tall : below
  const shared = { id, hatch, scale, start }
  return html`<svg
    class="picture"
    xmlns="http://www.w3.org/2000/svg"
    viewBox="0 0 ${width} ${height}"
    width="${width}"
    height="${height}"
    data-tall="${tall}"
    role="group"
    aria-label="${title}"
  >
    <defs>
      <pattern id="${hatch}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="hatch-paper" width="6" height="6" />
        <rect class="hatch-ink" width="2.5" height="6" />
      </pattern>
    </defs>
    <rect class="paper" width="${width}" height="${tall}" />
    ${axis(scale, bottom)}
    ${placed.map(
      ({ lane, index, top, pins, renewals }) =>
        html`<g class="lane">
          <text class="name" x="${PAD}" y="${top + 14}">${cut(lane.name, width)}</text>
          <line
            class="base"
            x1="${PAD}"
            x2="${width - PAD}"
            y1="${top + NAME + BAR / 2}"
            y2="${top + NAME + BAR / 2}"
          />
          ${inOrder(lane.spans).map(span => bar(span, { ...shared, index, name: lane.name, top: top + NAME }))}
          ${renewals.map(mark => tick(mark, { ...shared, index, name: lane.name, top: top + NAME }))}
          ${pins.map(pin => stem(pin, top + NAME))}
          ${pins.map(pin => pinned(pin, { ...shared, index, name: lane.name, top: top + NAME + BAR + 6 }))}
        </g>`,
    )}
    ${legend.drawn}${events === undefined ? null : told(marks, { lanes, start, width, top: below, events })}
  </svg>`
}

const LINE = 17

interface Told {
  readonly lanes: readonly Lane[]
  readonly start: number
  readonly width: number
  readonly top: number
  readonly events: 'told' | 'ready'
}

function told(marks: readonly Numbered[], { lanes, start, width, top, events }: Told): Html {
  const lines = marks.map(mark => {
    const text = tell(mark, { start, name: lanes[mark.lane]?.name ?? '' })
    const y = top + LINE * mark.number - 4
    return html`<text class="${toneOf(mark.kind)}" x="${PAD}" y="${y}">${cut(text, width)}</text>`
  })
  return html`<g class="told" display="${events === 'ready' ? 'none' : 'inline'}">${lines}</g>`
}

/** What is drawn over the others comes last. */
function inOrder(spans: readonly Span[]): readonly Span[] {
  return SPAN_ORDER.flatMap(kind => spans.filter(span => span.kind === kind))
}

function stem({ x, mark, row }: Pin, top: number): Html {
  const to = top + BAR + 8 + row * ROW
  return html`<line class="stem ${toneOf(mark.kind)}" x1="${at(x)}" x2="${at(x)}" y1="${top - 2}" y2="${to}" />`
}

/** Below one another where they would touch: each in the first row in which there is room. */
function pinsOf(
  marks: readonly Numbered[],
  { scale, width }: { readonly scale: Scale; readonly width: number },
): readonly Pin[] {
  const free: number[] = []
  return marks.map(mark => {
    const wide = 25 + 7 * String(mark.number).length
    const x = scale.x(mark.at)
    const left = Math.min(Math.max(x - wide / 2, PAD), width - PAD - wide)
    const found = free.findIndex(edge => edge + 3 <= left)
    const row = found === -1 ? free.length : found
    free[row] = left + wide
    return { mark, x, left, width: wide, row }
  })
}

interface Place {
  readonly id: string
  readonly hatch: string
  readonly scale: Scale
  /** Of the first instant. */
  readonly start: number
  readonly index: number
  readonly name: string
  readonly top: number
}

function bar(span: Span, { hatch, scale, start, index, name, top }: Place): Html {
  const [from, to] = [scale.x(span.from), scale.x(span.to)]
  const height = span.kind === 'waiting' ? 4 : BAR
  const times = `from ${showAt(span.from - start)} to ${showAt(span.to - start)}`
  const told = `${name}: ${SPAN_MEANINGS[span.kind]} for ${humanMs(span.to - span.from)}, ${times}`
  const fill = span.kind === 'stale' ? html` fill="url(#${hatch}-hatch)"` : null
  return html`<g
    class="item span ${span.kind}"
    role="img"
    tabindex="-1"
    data-lane="${index}"
    data-x="${at(from)}"
    aria-label="${told}"
    ><title>${told}</title
    ><rect
      x="${at(from)}"
      y="${top + (BAR - height) / 2}"
      width="${at(Math.max(to - from, 2))}"
      height="${height}"
      rx="2"
      ${fill}
  /></g> `
}

function tick(mark: Numbered, { scale, start, index, name, top }: Place): Html {
  const told = tell(mark, { start, name })
  const x = scale.x(mark.at)
  return html`<g
    class="item renewal"
    role="img"
    tabindex="-1"
    data-lane="${index}"
    data-x="${at(x)}"
    aria-label="${told}"
    ><title>${told}</title><rect class="touch" x="${at(x - 4)}" y="${top - 3}" width="8" height="${BAR + 6}" /><line
      x1="${at(x)}"
      x2="${at(x)}"
      y1="${top - 3}"
      y2="${top + BAR + 3}"
  /></g> `
}

function pinned({ mark, x, left, width, row }: Pin, { id, start, index, name, top }: Place): Html {
  const told = tell(mark, { start, name })
  const y = top + row * ROW
  return html`<a
    class="item pin ${toneOf(mark.kind)}"
    href="#${id}-${mark.number}"
    data-lane="${index}"
    data-x="${at(x)}"
    aria-label="${told}"
    ><title>${told}</title
    ><rect
      x="${at(left)}"
      y="${y}"
      width="${width}"
      height="${PIN}"
      rx="9"
    />${glyphOf(mark.kind, { x: left + 6, y: y + 4 })}<text x="${at(left + 19)}" y="${y + 13}">${mark.number}</text></a
  > `
}

function tell(
  { at: instant, text, number }: Numbered,
  { start, name }: { readonly start: number; readonly name: string },
): string {
  return `${number}. ${showAt(instant - start)}, ${name}: ${text}`
}

/** Red is what was refused or lost. */
export function toneOf(kind: MarkKind): 'bad' | 'plain' {
  return kind === 'refused' || kind === 'lost' ? 'bad' : 'plain'
}

function axis({ ticks, breaks }: Scale, bottom: number): Html {
  const end = bottom - GAP / 2
  const line = (x: number, text: string): Html =>
    html`<line x1="${at(x)}" x2="${at(x)}" y1="22" y2="${end}" />
      <text x="${at(x)}" y="15" text-anchor="${x < 40 ? 'start' : 'middle'}">${text}</text>`
  return html`<g class="axis">
    ${ticks.map(({ x, text }) => line(x, text))}
    ${breaks.map(({ from, to, ms }) => {
      const middle = (from + to) / 2
      return html`<rect
          class="break"
          x="${at(from + 3)}"
          y="22"
          width="${at(to - from - 6)}"
          height="${end - 22}"
        /><text class="idle" x="${at(middle)}" y="32" text-anchor="middle">${humanMs(ms)}</text>`
    })}
  </g>`
}

/** One digit behind the point is finer than any screen. */
function at(place: number): string {
  return String(Math.round(place * 10) / 10)
}

/** A name that would not fit: its end is left out, the titles have it whole. */
function cut(name: string, width: number): string {
  const room = Math.floor((width - 2 * PAD) / 7.5)
  return name.length <= room ? name : `${name.slice(0, room - 1)}…`
}
