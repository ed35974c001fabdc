/** `holdfast timeline`: the journals of several processes as one: who held what when, and what went wrong. */
import { check } from '../../journal/check.ts'
import type { Overlap } from '../../journal/check.ts'
import type { Belief } from '../../journal/beliefs.ts'
import { drawTimeline } from '../../journal/draw.ts'
import { timelines } from '../../journal/lanes.ts'
import type { KeyTimeline } from '../../journal/lanes.ts'
import { showAt } from '../../journal/model.ts'
import { readJournals } from '../../journal/read.ts'
import type { MergedJournal } from '../../journal/read.ts'
import { storiesOf } from '../../journal/stories.ts'
import type { Story } from '../../journal/stories.ts'
import { tableOf, tellTrouble } from '../../journal/tell.ts'
import { humanMs, milliseconds } from '../../base/duration.ts'
import type { Duration } from '../../base/duration.ts'
import { count, json, plain, table } from '../../base/text.ts'
import { timelinePage } from '../../report/timeline-page.ts'
import { refuseUnwritable, writePage } from '../../report/write.ts'
import { EXIT } from '../exit.ts'
import { print as printText, REPORT_VERSION, warn } from './print.ts'

export interface TimelineOptions {
  readonly key?: string
  readonly last: number
  readonly from?: Duration
  readonly to?: Duration
  readonly json?: boolean
  readonly merge?: boolean
  readonly check?: boolean
  readonly report?: string
}

/** @throws ConfigurationError  a file cannot be read, is no journal, or cannot be written */
export function timeline(files: readonly string[], options: TimelineOptions): number {
  if (options.report !== undefined) refuseUnwritable(options.report)
  const journal = readJournals(files)
  const doubts = doubtsOf(journal)
  for (const doubt of doubts) warn(doubt)
  const entries = wanted(journal, options)
  if (options.check === true) return judge(entries, options)
  if (options.merge === true) print(entries.map(entry => JSON.stringify(entry)))
  else if (options.json === true) print([json({ version: REPORT_VERSION, doubts, keys: storiesOf(entries) }, 2)])
  else if (options.report === undefined) tell(entries, options)
  if (options.report !== undefined) {
    const drawn = timelines(within(entries, options), { last: options.last, renewals: true })
    writePage(options.report, timelinePage(storiesOf(entries), { drawn, doubts, argv: process.argv.slice(2) }))
  }
  return EXIT.ok
}

/** What may make it wrong. */
function doubtsOf({ unreadable, byWallClock }: MergedJournal): readonly string[] {
  const lines = unreadable === 1 ? 'line was' : 'lines were'
  return [
    ...(unreadable > 0 ? [`${unreadable} unreadable ${lines} left out, such as one cut short by a kill`] : []),
    ...(byWallClock
      ? ['these journals are of different hosts or boots, so their order is only as exact as the wall clocks agree']
      : []),
  ]
}

type Entries = MergedJournal['entries']

/** What `fence` tells names the resource; a standstill is of the whole process. */
function wanted({ entries }: MergedJournal, { key }: TimelineOptions): Entries {
  return entries.filter(
    entry => key === undefined || entry.key === key || entry['resource'] === key || entry.type === 'stalled',
  )
}

/** What is to be drawn. Leases and troubles are told of all. */
function within(entries: Entries, { from = 0, to = Infinity }: TimelineOptions): Entries {
  const start = entries[0]?.ms ?? 0
  const [first, last] = [milliseconds(from, '--from'), milliseconds(to, '--to', { infinite: true })]
  return entries.filter(({ ms }) => ms - start >= first && ms - start <= last)
}

/** 1: two believed at once that they held what only one may hold. */
function judge(entries: Entries, options: TimelineOptions): number {
  const { leases, open, overlaps } = check(entries)
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

function tell(entries: Entries, options: TimelineOptions): void {
  const { key, last } = options
  const drawn = timelines(within(entries, options), { last })
  const stories = storiesOf(entries)
  if (drawn.length === 0)
    return warn(
      key === undefined
        ? 'nothing happened in these journals'
        : `nothing happened to "${plain(key)}" in these journals`,
    )
  print(
    drawn.flatMap((one, index) => {
      const story = stories.find(candidate => candidate.key === one.key)
      return [...(index === 0 ? [] : ['']), ...drawOne(one), ...(story === undefined ? [] : tellStory(story, last))]
    }),
  )
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

/** All troubles, and the newest leases. */
function tellStory(story: Story, last: number): readonly string[] {
  const { titles, rows } = tableOf(story)
  const newest = rows.slice(-last).map(row => row.map(plain))
  const troubles = story.troubles.map(trouble => {
    const { what, text } = tellTrouble(trouble)
    return [what, showAt(trouble.at), plain(text)]
  })
  const lines = (text: string): readonly string[] => text.split('\n').map(line => `  ${line}`)
  return [
    '',
    ...lines(table(titles, newest, { bold: false })),
    ...(troubles.length === 0 ? [] : ['', ...lines(table(['what went wrong', 'at', ''], troubles, { bold: false }))]),
  ]
}

function print(lines: readonly string[]): void {
  if (lines.length > 0) printText(lines.join('\n'))
}
