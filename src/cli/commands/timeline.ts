/** `holdfast timeline`: the journals of several processes as one, drawn: who held what when. */
import { readJournals } from '../../journal/read.ts'
import type { MergedJournal } from '../../journal/read.ts'
import { timelines } from '../../journal/lanes.ts'
import type { KeyTimeline } from '../../journal/lanes.ts'
import { drawTimeline } from '../../journal/draw.ts'
import { EXIT } from '../exit.ts'
import { humanMs } from '../../base/duration.ts'
import { json, plain } from '../../base/text.ts'
import type { Belief } from '../../journal/beliefs.ts'
import { check } from '../../journal/check.ts'
import type { Overlap } from '../../journal/check.ts'
import { print as printText, REPORT_VERSION, warn } from './print.ts'

export interface TimelineOptions {
  readonly key?: string
  readonly last: number
  readonly json?: boolean
  readonly check?: boolean
}

/** @throws ConfigurationError  a file cannot be read */
export function timeline(files: readonly string[], options: TimelineOptions): number {
  const journal = readJournals(files)
  if (journal.unreadable > 0)
    warn(
      `${journal.unreadable} unreadable ${journal.unreadable === 1 ? 'line was' : 'lines were'} left out, such as one cut short by a kill`,
    )
  if (journal.byWallClock)
    warn('these journals are of different hosts or boots, so their order is only as exact as the wall clocks agree')
  if (options.check === true) return judge(journal, options)
  if (options.json === true) print(wanted(journal, options).map(entry => JSON.stringify(entry)))
  else draw(journal, options)
  return EXIT.ok
}

function wanted({ entries }: MergedJournal, { key }: TimelineOptions): MergedJournal['entries'] {
  return entries.filter(entry => key === undefined || entry.key === key)
}

/** 1: two believed at once that they held what only one may hold. */
function judge(journal: MergedJournal, options: TimelineOptions): number {
  const { leases, open, overlaps } = check(wanted(journal, options))
  if (options.json === true)
    print([json({ version: REPORT_VERSION, leases, open, overlaps: overlaps.map(plainOverlap) }, 2)])
  else {
    print(overlaps.map(tellOverlap))
    if (open > 0) warn(`${count(open, 'lease')} without an end in these journals, judged up to the last line of each`)
    if (overlaps.length === 0) print([`${count(leases, 'lease')}, and no two believed at once`])
  }
  return overlaps.length === 0 ? EXIT.ok : EXIT.overlap
}

function tellOverlap({ key, first, second, overlapMs, byWallClock }: Overlap): string {
  const name = ({ holder, token }: Belief): string => `${plain(holder)} (token ${token ?? 'unknown'})`
  const clocks = byWallClock ? ', by the wall clocks of two hosts' : ''
  const since = new Date(second.from.wall).toISOString()
  return `"${plain(key)}": ${name(first)} and ${name(second)} both believed to hold it, for ${humanMs(overlapMs)} since ${since}${clocks}`
}

function plainOverlap({ key, first, second, overlapMs, byWallClock }: Overlap): object {
  const name = ({ holder, token }: Belief): object => ({ holder, token })
  return { key, first: name(first), second: name(second), overlapMs, byWallClock }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function draw(journal: MergedJournal, options: TimelineOptions): void {
  const drawn = timelines(journal.entries, { last: options.last }).filter(
    ({ key }) => options.key === undefined || key === options.key,
  )
  if (drawn.length === 0)
    return warn(
      options.key === undefined
        ? 'nothing happened in these journals'
        : `nothing happened to "${plain(options.key)}" in these journals`,
    )
  print(drawn.flatMap((one, index) => [...(index === 0 ? [] : ['']), ...drawOne(one)]))
}

function drawOne({ key, lanes, left }: KeyTimeline): readonly string[] {
  const shown = lanes.map(({ name, spans, marks }) => ({
    name: plain(name),
    spans,
    marks: marks.map(mark => ({ ...mark, text: plain(mark.text) })),
  }))
  return [
    plain(key),
    ...(left === 0 ? [] : [`  ${left} earlier entries are not drawn; raise --last to see them`]),
    ...drawTimeline(shown),
  ]
}

function print(lines: readonly string[]): void {
  if (lines.length > 0) printText(lines.join('\n'))
}
