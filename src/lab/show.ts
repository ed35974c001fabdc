/** A run for people: each way with a picture of a round, the ways side by side, the verdict. */
import { drawTimeline } from '../journal/draw.ts'
import { lanesOf } from './acts.ts'
import type { Act } from './acts.ts'
import type { Chance } from './chance.ts'
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
  const drawn = first ? (declaration.draw?.(round.acts) ?? round.acts) : []
  const own = declaration.show?.(round.outcome) ?? []
  const picture = pictureOf(drawn, declaration)
  return [
    ...(first ? heading(`${round.way}: ${declaration.ways[round.way].is}`) : own.length > 0 ? [''] : []),
    ...own,
    ...(own.length > 0 && picture.length > 0 ? [''] : []),
    ...picture,
  ]
}

function pictureOf(acts: readonly Act[], { telling }: Pick<Declaration<never, never, never, never, never>, 'telling'>) {
  return acts.length === 0 ? [] : drawTimeline(lanesOf(acts, telling))
}

export function showComparison<O extends Options, Scene, Name extends string, Does, Outcome extends Message>(
  { columns, free }: Declaration<O, Scene, Name, Does, Outcome>,
  { ways, of, chances }: Compared<NoInfer<Name>, NoInfer<Outcome>>,
): string[] {
  const titles = [...Object.keys(columns), ...(chances.length > 0 ? ['by chance'] : []), 'exposed']
  const rows = ways.flatMap(way => {
    const rounds = of(way)
    if (rounds.length === 0) return []
    const outcomes = rounds.map(({ outcome }) => outcome)
    const exposed = rounds.reduce((sum, round) => sum + round.exposed, 0)
    const figures = Object.values(columns).map(figure => String(figure(outcomes)))
    return [[way, ...figures, ...(chances.length > 0 ? [showChance(way, chances)] : []), String(exposed)]]
  })
  return [
    ...heading('The ways side by side'),
    ...table([{ title: 'way' }, ...titles.map(title => ({ title, figures: true }))], rows),
    ...(chances.length === 0 || free === undefined
      ? []
      : paragraph(`by chance: the problem in rounds that nobody arranged (${free.is}); not judged`)),
    '  exposed: how often the rival asked inside the danger window',
  ]
}

interface Compared<Name extends string, Outcome> {
  readonly ways: readonly Name[]
  of(way: Name): readonly Round<Outcome>[]
  readonly chances: readonly Chance[]
}

function showChance(way: string, chances: readonly Chance[]): string {
  const chance = chances.find(one => one.way === way)
  return chance === undefined ? '-' : `${chance.shown} of ${chance.rounds}`
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
