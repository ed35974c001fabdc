/** The page over all experiments of a run: each with its question, what came of it, and its own page. */
import { join } from 'node:path'
import { humanMs } from '../base/duration.ts'
import { html } from '../report/html.ts'
import { page, status, table } from '../report/page.ts'
import { provenanceOf } from '../report/provenance.ts'
import { writePage } from '../report/write.ts'
import type { Sum } from './all.ts'
import { pageOf } from './page.ts'
import { hasPassed, tellSum, WORDS } from './sum.ts'

/** The file of an experiment's page, beside the index. */
function fileOf(experiment: string): string {
  return `${experiment}.html`
}

const INDEX = 'index.html'

/** The index, and a page for each that was performed. */
export function writePages(folder: string, sum: Sum): void {
  const argv = process.argv.slice(2)
  for (const ended of sum.all)
    if ('performed' in ended)
      writePage(join(folder, fileOf(ended.experiment.name)), pageOf({ ...ended, argv, index: INDEX }))
  writePage(join(folder, INDEX), indexPage(sum, argv))
}

export function indexPage(sum: Sum, argv: readonly string[]): string {
  const rows = sum.all.map(ended => {
    const { name, question, source, needs } = ended.experiment
    const link = 'performed' in ended ? html`<a href="${fileOf(name)}">${name}</a>` : name
    const word = html`<span class="${ended.as === 'passed' ? 'ok' : ended.as === 'not run' ? 'note' : 'no'}"
      >${WORDS[ended.as]}</span
    >`
    const why = 'why' in ended ? ended.why : ''
    const took = ended.as === 'not run' ? '' : humanMs(ended.tookMs)
    return {
      cells: [
        word,
        link,
        html`${question}${why === '' ? null : html`<br /><span class="note">${why}</span>`}`,
        source,
        needs.told,
        took,
      ],
    }
  })
  const heads = ['result', 'experiment', 'question', 'from', 'needs']
  return page({
    title: 'holdfast lab: all experiments',
    kicker: 'holdfast lab',
    heading: 'What goes wrong without a lock, with a lock alone, and what holds',
    body: [
      status(
        hasPassed(sum),
        tellSum(sum),
        'Each experiment is red if a repaired way fails, or a broken one does not show its problem.',
      ),
      html`<div class="findings">
        ${table('The experiments', [...heads.map(title => ({ title })), { title: 'took', figures: true }], rows)}
      </div>`,
      html`<section>
        <h2>How it was run</h2>
        ${provenanceOf(argv)}
      </section>`,
    ],
    foot: html`<p>Written by holdfast.</p>`,
  })
}
