/** A run for people: each way with a picture of a round, the ways side by side, the verdict. */
import { drawTimeline } from '../journal/draw.ts'
import { lanesIn, shownOf } from './account.ts'
import type { Account } from './account.ts'
import type { Declaration, Round } from './declaration.ts'
import type { Finding, Performed } from './judge.ts'
import type { Options } from './options.ts'
import { heading, paragraph, table } from './table.ts'
import type { Message } from './wire.ts'

/** The heading and the picture with the first round of a way; what the experiment itself shows with each. */
export function showRound<O extends Options, Scene, Name extends string, Does, Outcome extends Message>(
  declaration: Declaration<O, Scene, Name, Does, Outcome>,
  round: Round<Outcome> & { readonly way: Name },
  first: boolean,
): string[] {
  const own = shownOf(declaration, round)
  const picture = first ? drawTimeline(lanesIn(declaration, round)) : []
  return [
    ...(first ? heading(`${round.way}: ${declaration.ways[round.way].is}`) : own.length > 0 ? [''] : []),
    ...own,
    ...(own.length > 0 && picture.length > 0 ? [''] : []),
    ...picture,
  ]
}

export function showComparison({ columns, ways, notes }: Pick<Account, 'columns' | 'ways' | 'notes'>): string[] {
  return [
    ...heading('The ways side by side'),
    ...table(
      [{ title: 'way' }, ...columns.map(title => ({ title, figures: true }))],
      ways.map(({ name, figures }) => [name, ...figures]),
    ),
    ...notes.flatMap(note => paragraph(note)),
  ]
}

export function showVerdict({ passed, findings, compared, sabotage }: Performed): string[] {
  return [
    ...heading('Verdict'),
    ...findings.map(showFinding),
    '',
    ...(sabotage === null
      ? []
      : [`SABOTAGED: "${sabotage}" did not run as it is meant to; this says nothing about it.`]),
    passed ? 'The experiment showed what it must.' : 'The experiment did NOT show what it must.',
    ...(compared
      ? []
      : paragraph(
          'Nothing was compared: without a way that goes wrong beside one that holds nobody sees what the repair is good for. Leave out --ways for that.',
          '',
        )),
  ]
}

export function showFinding({ claim, holds, found }: Finding): string {
  return `  ${holds ? 'ok  ' : 'FAIL'}  ${claim} (${found})`
}

/** For --json. */
export function verdictOf(
  { name, question, source }: Pick<Declaration<never, never, never, never, never>, 'name' | 'question' | 'source'>,
  performed: Performed,
): Message {
  const { passed, interruptedBy, compared, sabotage, findings, figures } = performed
  const interrupted = interruptedBy !== null
  const judged = findings.map(finding => ({ ...finding }))
  return { experiment: name, question, source, passed, interrupted, compared, sabotage, findings: judged, ...figures }
}
