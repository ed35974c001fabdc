/** A figure of each way beside those of the others, as bars. What is not a number has no bar. */
import { html } from './html.ts'
import type { Html } from './html.ts'

export interface Bar {
  readonly name: string
  /** As it is in the table: "16.4 ms". */
  readonly text: string
  /** Red: what goes wrong. */
  readonly bad: boolean
}

const WIDTH = 300
const ROW = 24
const NAMES = 96
const TEXTS = 74

/** null: there is nothing to compare, since all are the same or none is a number. */
export function bars(title: string, all: readonly Bar[]): Html | null {
  const values = all.map(({ text }) => valueOf(text))
  const most = Math.max(...values.map(value => value ?? 0))
  if (most <= 0 || new Set(values).size < 2) return null
  const long = WIDTH - NAMES - TEXTS
  const told = `${title}: ${all.map(({ name, text }) => `${name} ${text}`).join(', ')}`
  return html`<figure class="chart">
    <figcaption>${title}</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${all.length * ROW}" role="img" aria-label="${told}">
      ${all.map(({ name, text, bad }, index) => {
        const width = ((values[index] ?? 0) / most) * long
        return html`<g class="${bad ? 'bad' : 'good'}"
          ><text x="0" y="${index * ROW + 16}">${name.length > 14 ? `${name.slice(0, 13)}…` : name}</text
          ><rect
            x="${NAMES}"
            y="${index * ROW + 4}"
            width="${Math.max(width, 1).toFixed(1)}"
            height="${ROW - 8}"
            rx="2"
          /><text x="${(NAMES + width + 6).toFixed(1)}" y="${index * ROW + 16}">${text}</text></g
        >`
      })}
    </svg>
  </figure>`
}

/** Of "12", "16.4 ms", "75 %"; null: it is not a number. */
function valueOf(text: string): number | null {
  const [, digits] = /^(-?\d+(?:\.\d+)?)(?: \S+)?$/.exec(text) ?? []
  return digits === undefined ? null : Number(digits)
}
