/** A timeline in a page: the picture, wide and for a phone, and the table of all that happened, in order of time. */
import { instantsOf, numbered, showAt } from '../journal/model.ts'
import type { Lane } from '../journal/model.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { table } from './page.ts'
import { picture, toneOf } from './picture.ts'

const WIDE = 980
const NARROW = 346

/** `id` begins the anchors: id-1 is the first event. null: nothing happened. */
export function lanesIn(
  lanes: readonly Lane[],
  { id, title }: { readonly id: string; readonly title: string },
): Html | null {
  const wide = picture(lanes, { id, title, width: WIDE, events: 'ready' })
  if (wide === null) return null
  const start = instantsOf(lanes).reduce((least, at) => Math.min(least, at))
  const events = numbered(lanes).map(({ number, at, lane, text, kind }) => ({
    id: `${id}-${number}`,
    bad: toneOf(kind) === 'bad',
    cells: [html`<a href="#${id}-${number}">${number}</a>`, showAt(at - start), lanes[lane]?.name ?? '', text],
  }))
  const columns = [{ title: '#', figures: true }, { title: 'time', figures: true }, { title: 'who' }, { title: 'what' }]
  return html`<figure class="lanes" id="${id}">
      <div class="wide">${wide}</div>
      <div class="narrow">${narrow(lanes, { id, title })}</div>
    </figure>
    ${table(`What happened: ${title}`, columns, events)}`
}

/** Its anchors are those of the table too; only the name of its hatching must be its own. */
function narrow(lanes: readonly Lane[], { id, title }: { readonly id: string; readonly title: string }): Html | null {
  return picture(lanes, { id, title, width: NARROW, hatch: `${id}-narrow` })
}
