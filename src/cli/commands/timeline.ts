/** `holdfast timeline`: the journals of several processes as one, drawn: who held what when. */
import { readJournals } from '../../journal/read.ts'
import type { MergedJournal } from '../../journal/read.ts'
import { timelines } from '../../journal/lanes.ts'
import type { KeyTimeline } from '../../journal/lanes.ts'
import { drawTimeline } from '../../journal/draw.ts'
import { EXIT } from '../exit.ts'
import { plain } from '../../base/text.ts'

export interface TimelineOptions {
  readonly key?: string
  readonly last: number
  readonly json?: boolean
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
  if (options.json === true)
    print(
      journal.entries
        .filter(entry => options.key === undefined || entry.key === options.key)
        .map(entry => JSON.stringify(entry)),
    )
  else draw(journal, options)
  return EXIT.ok
}

function draw(journal: MergedJournal, options: TimelineOptions): void {
  const drawn = timelines(journal.entries, options.last).filter(
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
    marks: marks.map(({ at, text }) => ({ at, text: plain(text) })),
  }))
  return [
    plain(key),
    ...(left === 0 ? [] : [`  ${left} earlier entries are not drawn; raise --last to see them`]),
    ...drawTimeline(shown),
  ]
}

function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
}

function warn(text: string): void {
  process.stderr.write(`holdfast: ${text}\n`)
}
