/**
 * A page: one file with all that it needs, style, pictures and script included, and nothing that it would fetch. The
 * policy in its head says so to the browser, which then refuses what should not be there.
 */
import { createHash } from 'node:crypto'
import { html, markupOf, verbatim } from './html.ts'
import type { Html, Piece } from './html.ts'
import { SCRIPT } from './script.ts'
import { PAGE } from './page-style.ts'
import { PICTURE } from './picture-style.ts'

// In one piece each: the formatter would put blanks around them, and the policy names the script by its hash.
const STYLES = verbatim(`<style>${PAGE}</style><style id="picture-style">${PICTURE}</style>`)
const SCRIPTS = verbatim(`<script>${SCRIPT}</script>`)

export interface Page {
  /** For the tab of the browser. */
  readonly title: string
  /** Small, above the heading: where one is. */
  readonly kicker: Piece
  readonly heading: string
  readonly body: readonly Piece[]
  readonly foot: Piece
}

/** The text of the file. */
export function page({ title, kicker, heading, body, foot }: Page): string {
  const icon = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E'
  return markupOf(
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta
            http-equiv="Content-Security-Policy"
            content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '${hashOf(SCRIPT)}'"
          />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>${title}</title>
          <link rel="icon" href="${icon}" />
          ${STYLES}
        </head>
        <body>
          <header>
            <p class="kicker">${kicker}</p>
            <h1>${heading}</h1>
          </header>
          <main>${body}</main>
          <footer>${foot}</footer>
          ${SCRIPTS}
        </body>
      </html> `,
  )
}

function hashOf(script: string): string {
  return `sha256-${createHash('sha256').update(script).digest('base64')}`
}

export interface Column {
  readonly title: string
  /** To the right. */
  readonly figures?: boolean
}

export interface Row {
  readonly cells: readonly Piece[]
  /** An anchor. */
  readonly id?: string
  readonly bad?: boolean
}

/** `title` says what it is, to who hears the page. */
export function table(title: string, columns: readonly Column[], rows: readonly Row[]): Html {
  return html`<div class="scroll">
    <table aria-label="${title}">
      <thead>
        <tr>
          ${columns.map(column => html`<th scope="col" class="${kindOf(column)}">${column.title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(row => lineOf(row, columns))}
      </tbody>
    </table>
  </div> `
}

function lineOf({ cells, id, bad }: Row, columns: readonly Column[]): Html {
  const all = cells.map((cell, index) => html`<td class="${kindOf(columns[index])}">${cell}</td>`)
  const tone = bad === true ? 'bad' : 'plain'
  if (id === undefined)
    return html`<tr class="${tone}">
      ${all}
    </tr>`
  return html`<tr id="${id}" class="${tone}">
    ${all}
  </tr>`
}

function kindOf(column: Column | undefined): string {
  return column?.figures === true ? 'figure' : 'text'
}

/** Good or bad, at a glance. */
export function status(good: boolean, text: Piece, note: Piece = null): Html {
  return html`<div class="status ${good ? 'good' : 'bad'}">
    <p>${text}</p>
    ${note === null ? null : html`<p class="note">${note}</p>`}
  </div>`
}
