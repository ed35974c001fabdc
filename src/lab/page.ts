/**
 * A run as a page: the question, the source's sentence beside what was found, the ways side by side, a picture of a
 * round of each, what to learn, and how to run it again.
 */
import { bars } from '../report/chart.ts'
import { html } from '../report/html.ts'
import type { Html, Piece } from '../report/html.ts'
import { lanesIn } from '../report/lanes.ts'
import { page, status, table } from '../report/page.ts'
import { definitions, provenanceOf } from '../report/provenance.ts'
import type { Account, WayTold } from './account.ts'
import type { Experiment } from './experiment.ts'
import type { Finding, Performed } from './judge.ts'

export interface Report {
  readonly experiment: Pick<Experiment, 'name' | 'question' | 'source' | 'says'>
  readonly performed: Pick<Performed, 'passed' | 'findings' | 'compared' | 'sabotage' | 'account'>
  /** What holdfast was called with. */
  readonly argv: readonly string[]
  /** Of the page with all experiments, where there is one. */
  readonly index?: string
}

export function pageOf({ experiment, performed, argv, index }: Report): string {
  const { name, question, source, says } = experiment
  const { passed, findings, account } = performed
  const up = index === undefined ? null : html`<a href="${index}">All experiments</a> · `
  return page({
    title: `${name}: ${question}`,
    kicker: html`${up}holdfast lab ${name} · from ${source}`,
    heading: question,
    body: [
      status(
        passed,
        passed ? 'The experiment showed what it must.' : 'The experiment did NOT show what it must.',
        noteOf(performed),
      ),
      html`<section class="beside">
        ${quoted(says, source)}
        <div>${found(findings)}</div>
      </section>`,
      comparison(account),
      account.ways.map(told => wayOf(told, name)),
      learned(account.lessons),
      html`<section>
        <h2>How it was run</h2>
        ${definitions(Object.entries(account.conditions))}${provenanceOf(argv)}
      </section>`,
    ],
    foot: html`<p>
      Written by holdfast. Time in the pictures runs from left to right on the one clock of the machine; a stretch in
      which nothing happened is drawn shorter, with its length.
    </p>`,
  })
}

/** A page that could only be green would prove nothing. */
function noteOf({ sabotage, compared }: Report['performed']): string {
  if (sabotage !== null)
    return `SABOTAGED: "${sabotage}" did not run as it is meant to, so this says nothing about it. It shows that this experiment can fail.`
  const red = 'With the repair of a way taken out (--sabotage WAY) this page is red.'
  return compared ? red : `Nothing was compared: no way that goes wrong stands beside one that holds. ${red}`
}

function quoted(says: string | null, source: string): Piece {
  if (says === null) return html`<p class="note">What was found</p>`
  return html`<blockquote>
    <p>“${says}”</p>
    <footer>${source}</footer>
  </blockquote>`
}

function found(findings: readonly Finding[]): Html {
  const rows = findings.map(({ claim, holds, found: measured }) => ({
    cells: [holds ? html`<span class="ok">ok</span>` : html`<span class="no">FAIL</span>`, claim, measured],
  }))
  return html`<div class="findings">
    ${table('What was found', [{ title: 'result' }, { title: 'what must be so' }, { title: 'found' }], rows)}
  </div>`
}

function comparison({ columns, ways, notes }: Account): Html {
  const heads = [{ title: 'way' }, ...columns.map(title => ({ title, figures: true })), { title: 'must' }]
  const rows = ways.map(({ name, figures, broken }) => ({
    cells: [html`<a href="#way-${name}">${name}</a>`, ...figures, broken ? 'show a problem' : 'hold'],
  }))
  // How often the rival asked is no figure to compare.
  const charts = columns.slice(0, -1).map((title, column) =>
    bars(
      title,
      ways.map(({ name, figures, broken }) => ({ name, text: figures[column] ?? '', bad: broken })),
    ),
  )
  return html`<section>
    <h2>The ways side by side</h2>
    <div class="compact">${table('The ways side by side', heads, rows)}</div>
    ${notes.map(note => html`<p class="note">${note}</p>`)}
    <p class="note">Red bars: ways that must show a problem.</p>
    <div class="charts">${charts}</div>
  </section>`
}

function wayOf({ name, is, broken, lanes, shown }: WayTold, experiment: string): Html {
  const drawn = lanes.length === 0 ? null : lanesIn(lanes, { id: `${experiment}-${name}`, title: `${name}: ${is}` })
  return html`<section>
    <h2 id="way-${name}">${name}: ${is}</h2>
    <p class="note">
      ${broken ? 'Goes wrong, and must show it.' : 'Must hold.'}${drawn === null ? '' : ' One round of it:'}
    </p>
    ${drawn}${shown.length === 0 ? null : html`<pre tabindex="0">${shown.join('\n').trim()}</pre>`}
  </section> `
}

function learned(lessons: readonly string[]): Piece {
  if (lessons.length === 0) return null
  return html`<section>
    <h2>What to learn</h2>
    ${lessons.map(text => html`<p>${text}</p> `)}
  </section>`
}
