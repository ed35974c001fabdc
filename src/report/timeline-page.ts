/** Journals as a page: for each key the picture, the table of its leases, and what went wrong. */
import { count } from '../base/text.ts'
import type { KeyTimeline } from '../journal/lanes.ts'
import { showAt } from '../journal/model.ts'
import type { Story } from '../journal/stories.ts'
import { tableOf, tellTrouble } from '../journal/tell.ts'
import { html } from './html.ts'
import type { Html, Piece } from './html.ts'
import { lanesIn } from './lanes.ts'
import { page, status, table } from './page.ts'
import { provenanceOf } from './provenance.ts'

export interface TimelinePageOptions {
  readonly drawn: readonly KeyTimeline[]
  /** What may make it wrong. */
  readonly doubts: readonly string[]
  readonly argv: readonly string[]
}

export function timelinePage(stories: readonly Story[], { drawn, doubts, argv }: TimelinePageOptions): string {
  const overlaps = stories.flatMap(({ troubles }) => troubles).filter(({ kind }) => kind === 'overlap').length
  const leases = stories.reduce((sum, story) => sum + story.leases.length, 0)
  const told = overlaps === 0 ? 'No two were at work at once.' : `Two were at work at once, ${count(overlaps, 'time')}.`
  return page({
    title: 'Who held what when',
    kicker: 'holdfast timeline',
    heading: 'Who held what when',
    body: [
      status(
        overlaps === 0,
        told,
        `${count(leases, 'lease')} of ${count(drawn.length, 'lock')}. ${doubts.map(sentence).join(' ')}`,
      ),
      drawn.map((one, index) => sectionOf(one, { id: `lock-${index + 1}`, story: stories.find(is(one.key)) })),
      html`<section>
        <h2>How it was made</h2>
        ${provenanceOf(argv)}
      </section>`,
    ],
    foot: html`<p>
      Written by holdfast. Time runs from left to right, from the first line about a lock on; a stretch in which nothing
      happened is drawn shorter, with its length.
    </p>`,
  })
}

function is(key: string): (story: Story) => boolean {
  return story => story.key === key
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}

function sectionOf(
  { key, lanes, left }: KeyTimeline,
  { id, story }: { readonly id: string; readonly story: Story | undefined },
): Html {
  return html`<section>
    <h2>${key}</h2>
    ${left === 0 ? null : html`<p class="note">${left} earlier entries are not drawn; raise --last to see them.</p>`}
    ${story === undefined ? null : troublesOf(story)}${lanesIn(lanes, { id, title: key })}
    ${story === undefined ? null : leasesOf(story)}
  </section>`
}

function troublesOf({ key, troubles }: Story): Piece {
  if (troubles.length === 0) return null
  const rows = troubles.map(trouble => {
    const { what, text } = tellTrouble(trouble)
    return { cells: [html`<span class="no">${what}</span>`, showAt(trouble.at), text] }
  })
  const columns = [{ title: 'what' }, { title: 'at', figures: true }, { title: 'how' }]
  return html`<h3>What went wrong</h3>
    <div class="findings events">${table(`What went wrong: ${key}`, columns, rows)}</div>`
}

function leasesOf(story: Story): Html {
  const { titles, rows } = tableOf(story)
  const [holder = '', ...others] = titles
  const columns = [{ title: holder }, ...others.map(title => ({ title, figures: title !== 'by' }))]
  return html`<h3>Its leases</h3>
    ${table(
      `Leases: ${story.key}`,
      columns,
      rows.map(cells => ({ cells })),
    )}`
}
